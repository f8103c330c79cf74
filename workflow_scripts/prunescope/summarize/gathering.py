"""From the files of single networks to the tables of a study."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from prunescope.evaluate import accuracy
from prunescope.networks.coordinates import COLUMNS

UNIT = ("layer", "unit")


def with_coordinates(frame: pl.DataFrame, network: Mapping[str, Any]) -> pl.DataFrame:
    """Put the coordinates of a network in front of every row."""
    values = [pl.lit(network[name]).alias(name) for name in COLUMNS]
    return frame.select(*values, pl.all())


def gather(frames: Iterable[pl.DataFrame], networks: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Stack one frame of each network, with its coordinates."""
    return pl.concat(
        with_coordinates(frame, network) for frame, network in zip(frames, networks, strict=True)
    )


def matched_units(units: pl.DataFrame) -> pl.DataFrame:
    """The units (`layer`, `unit`) that are live in every network of `units`."""
    return units.group_by(UNIT).agg(constant=pl.col("constant").any()).filter(~pl.col("constant"))


def score_networks(units: pl.DataFrame) -> pl.DataFrame:
    """Mean scores of each network over `live`, `all` and `matched` units; one row a network.

    A pruned filter is a constant unit: its exemplars, and so its score, come from the order of
    ties alone. `live` leaves such units out. `matched` keeps the units that are live in every
    network, so that the same units are compared.
    """
    matched = matched_units(units).select(*UNIT, matched=pl.lit(True))
    marked = units.join(matched, on=UNIT, how="left", maintain_order="left")
    scopes = {
        "live": ~pl.col("constant"),
        "all": pl.lit(True),
        "matched": pl.col("matched").fill_null(False),
    }
    means = [
        pl.col(f"mis_{kind}").filter(chosen).mean().alias(f"mis_{kind}_{scope}")
        for scope, chosen in scopes.items()
        for kind in ("soft", "hard")
    ]
    return marked.group_by(COLUMNS, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("units"),
        (~pl.col("constant")).sum().cast(pl.Int64).alias("live_units"),
        *means,
    )


def networks_table(
    predictions: Iterable[pl.DataFrame],
    accounting: Iterable[pl.DataFrame],
    history: pl.DataFrame,
    units: pl.DataFrame,
    networks: Sequence[Mapping[str, Any]],
) -> pl.DataFrame:
    """Join what is known of each network; with `agreement` it makes `tables.NETWORKS`."""
    summaries = (pl.DataFrame([accuracy.summarize(frame)]) for frame in predictions)
    epochs = history.group_by(COLUMNS).agg(pl.col("epoch").max().alias("epochs"))
    joined = (
        gather(summaries, networks)
        .join(gather(accounting, networks), on=COLUMNS, maintain_order="left")
        .join(epochs, on=COLUMNS, how="left", maintain_order="left")
        .join(score_networks(units), on=COLUMNS, maintain_order="left")
        .with_columns(pl.col("epochs").fill_null(0))
    )
    return joined


def coordinates(networks: Sequence[Mapping[str, Any]], study: str) -> list[dict[str, Any]]:
    """Coordinates as they come from the workflow, with the study and the rate as a number."""
    return [{**network, "study": study, "rate": float(network["rate"])} for network in networks]


def join_measures(scores: pl.DataFrame, measures: pl.DataFrame) -> pl.DataFrame:
    """A network's scores and measures, unit by unit."""
    return scores.join(measures, on=UNIT, how="left", maintain_order="left", validate="1:1")


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
        answers.join(_dense(answers), on=["seed", "image"], maintain_order="left")
        .group_by(COLUMNS, maintain_order=True)
        .agg(agreement=(pl.col("answer") == pl.col("dense")).mean())
    )


def _dense(answers: pl.DataFrame) -> pl.DataFrame:
    dense = answers.filter(method="dense", retraining="none")
    return dense.select("seed", "image", dense=pl.col("answer"))


def class_changes(classes: pl.DataFrame) -> pl.DataFrame:
    """Add to the accuracy of each class its change against the dense network of the seed."""
    dense = classes.filter(method="dense", retraining="none")
    before = dense.select("seed", "class", before=pl.col("top1"))
    joined = classes.join(before, on=["seed", "class"], maintain_order="left")
    return joined.with_columns(top1_change=pl.col("top1") - pl.col("before"))


def disagreements(answers: pl.DataFrame) -> pl.DataFrame:
    """The images on which networks of a kind and the dense networks disagree.

    For each image the most frequent answer over seeds is taken, of equally frequent ones the
    class with the lowest index. Source: the pruning-identified exemplars of Hooker et al., "What
    Do Compressed Deep Neural Networks Forget?", 2019.

    Parameters
    ----------
    answers
        As for `agreement`.

    Returns
    -------
    polars.DataFrame
        Rows of `tables.DISAGREEMENTS`.
    """
    kind = ["study", "method", "retraining", "rate"]
    dense = (
        _dense(answers)
        .group_by("image", maintain_order=True)
        .agg(dense=pl.col("dense").mode().min())
    )
    return (
        answers.filter(pl.col("rate") > 0)
        .group_by([*kind, "image", "label"], maintain_order=True)
        .agg(pruned=pl.col("answer").mode().min(), seeds=pl.len().cast(pl.Int64))
        .join(dense, on="image", maintain_order="left")
        .filter(pl.col("pruned") != pl.col("dense"))
    )


def present(names: pl.Series) -> list[str]:
    """Each name once, in order of appearance."""
    return names.unique(maintain_order=True).to_list()
