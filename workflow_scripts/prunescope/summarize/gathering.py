"""Gather the files of single networks into the tables of a study."""

from collections.abc import Iterable, Sequence

import polars as pl

from prunescope.evaluate import accuracy
from prunescope.networks.coordinates import COLUMNS, KIND, Coordinates, format_rate
from prunescope.summarize import selection
from prunescope.summarize.selection import UNIT

# --- tables of single networks -------------------------------------------------------------------


def gather(
    frames: Iterable[pl.DataFrame],
    networks: Sequence[Coordinates],
    study: str,
    like: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Stack one frame of each network of a study, with the network's coordinates in front.

    Parameters
    ----------
    frames
        One frame of each network, in the order of `networks`.
    networks
        The networks.
    study
        The name of the study.
    like
        A frame without rows that has the columns, for a study that has no such network.
    """
    stacked = [
        _with_coordinates(frame, network, study)
        for frame, network in zip(frames, networks, strict=True)
    ]
    if like is not None:
        stacked.append(_with_coordinates(like, Coordinates("", "", format_rate(0), 0), study))
    return pl.concat(stacked)


def _with_coordinates(frame: pl.DataFrame, network: Coordinates, study: str) -> pl.DataFrame:
    values = {"study": study, **network.as_row()}
    return frame.select(*(pl.lit(values[name]).alias(name) for name in COLUMNS), pl.all())


def join_measures(scores: pl.DataFrame, measures: pl.DataFrame) -> pl.DataFrame:
    """Join the scores and the measures of one network's units."""
    return scores.join(measures, on=UNIT, how="left", maintain_order="left", validate="1:1")


# --- one row for each network --------------------------------------------------------------------


def networks_table(
    predictions: Iterable[pl.DataFrame],
    accounting: Iterable[pl.DataFrame],
    history: pl.DataFrame,
    units: pl.DataFrame,
    networks: Sequence[Coordinates],
    study: str,
) -> pl.DataFrame:
    """Join what is known of each network: `study_tables.NETWORKS` without `agreement`.

    Parameters
    ----------
    predictions, accounting
        One frame of each network, in the order of `networks`.
    history, units
        Of all networks of the study, with coordinates. Networks without a history get 0 epochs.
    networks
        The networks of the study.
    study
        Its name.
    """
    summaries = (pl.DataFrame([accuracy.summarize(frame)]) for frame in predictions)
    epochs = history.group_by(COLUMNS).agg(pl.col("epoch").max().alias("epochs"))
    return (
        gather(summaries, networks, study)
        .join(gather(accounting, networks, study), on=COLUMNS, maintain_order="left")
        .join(epochs, on=COLUMNS, how="left", maintain_order="left")
        .join(score_networks(units), on=COLUMNS, maintain_order="left")
        .with_columns(pl.col("epochs").fill_null(0))
    )


def score_networks(units: pl.DataFrame) -> pl.DataFrame:
    """Mean scores of each network over the sets of units of `unit_scopes`; one row a network.

    A pruned filter is a constant unit: how ties are broken alone decides its exemplars, and so
    its score. `live` leaves such units out. `matched` keeps the units that are live in every
    network of the run, so that the same units are compared.
    """
    scopes = unit_scopes()
    means = [
        pl.col(f"mis_{kind}").filter(chosen).mean().alias(f"mis_{kind}_{scope}")
        for scope, chosen in scopes.items()
        for kind in ("soft", "hard")
    ]
    return (
        mark_matched(units)
        .group_by(COLUMNS, maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("units"),
            (~pl.col("constant")).sum().cast(pl.Int64).alias("live_units"),
            *means,
        )
    )


def mark_matched(units: pl.DataFrame) -> pl.DataFrame:
    """Add the column `matched`: whether the unit is live in every network of its run (its seed)."""
    dead = pl.col("constant").any().over("seed", *UNIT)
    return units.with_columns(matched=~dead)


def unit_scopes() -> dict[str, pl.Expr]:
    """The sets of units over which means are taken, by name, for a frame of `mark_matched`.

    Channels of convolutions with units of hidden layers, and the class logits of the classifier by
    themselves: a logit is trained to answer to one class, so its score says nothing of what a
    network learned on the way.
    """
    is_channel = selection.IS_INNER
    live = ~pl.col("constant")
    return {
        "live": is_channel & live,
        "all": is_channel,
        "matched": is_channel & pl.col("matched"),
        "logits": ~is_channel & live,
    }


# --- answers beside those of the dense networks --------------------------------------------------


def agreement(answers: pl.DataFrame) -> pl.DataFrame:
    """How often each network gives an image the class that the dense network of its seed gives it.

    Parameters
    ----------
    answers
        Coordinates, `image`, `label`, `answer`: one row for each network and image.

    Returns
    -------
    polars.DataFrame
        Coordinates and `agreement`, a fraction.
    """
    return (
        answers.join(_dense_answers(answers), on=["seed", "image"], maintain_order="left")
        .group_by(COLUMNS, maintain_order=True)
        .agg(agreement=(pl.col("answer") == pl.col("dense")).mean())
    )


def _dense_answers(answers: pl.DataFrame) -> pl.DataFrame:
    return selection.dense(answers).select("seed", "image", dense=pl.col("answer"))


def class_changes(classes: pl.DataFrame) -> pl.DataFrame:
    """Add to the accuracy of each class its change against the dense network of the seed."""
    before = selection.dense(classes).select("seed", "class", before=pl.col("top1"))
    joined = classes.join(before, on=["seed", "class"], maintain_order="left")
    return joined.with_columns(top1_change=pl.col("top1") - pl.col("before"))


def disagreements(answers: pl.DataFrame) -> pl.DataFrame:
    """The images on which pruned networks of a kind and the dense networks disagree.

    Networks of a kind differ in their seed only. The answer of a kind to an image is its most
    frequent answer over seeds; among equally frequent answers, the class with the lowest index.
    Source: the pruning-identified exemplars of Hooker et al., "What Do Compressed Deep Neural
    Networks Forget?", 2019.

    Parameters
    ----------
    answers
        As for `agreement`.

    Returns
    -------
    polars.DataFrame
        Rows of `study_tables.DISAGREEMENTS`.
    """
    dense = (
        _dense_answers(answers)
        .group_by("image", maintain_order=True)
        .agg(dense=pl.col("dense").mode().min())
    )
    return (
        selection.pruned(answers)
        .group_by(["study", *KIND, "image", "label"], maintain_order=True)
        .agg(pruned=pl.col("answer").mode().min(), seeds=pl.len().cast(pl.Int64))
        .join(dense, on="image", maintain_order="left")
        .filter(pl.col("pruned") != pl.col("dense"))
    )
