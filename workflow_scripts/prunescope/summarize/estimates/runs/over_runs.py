"""Estimates over runs: changes of kinds of networks, and relations over kinds.

A run is a seed: its networks come from one dense network, others from another one. Within a run a
mean over units is exact, because all units are there. What varies is the run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from prunescope.networks.coordinates import KIND, NOT_RETRAINED, Coordinates, name_kind
from prunescope.summarize import estimators, selection, study_tables
from prunescope.summarize.estimates.paired_changes import Pair
from prunescope.summarize.estimates.rows import FEWEST, SCORES, statistic
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.run_model import Known, RunModel
from prunescope.summarize.study_tables import Row

# The unit of inference, as families and the findings name it.
OVER_RUNS = "over runs"
# Runs whose values differ by no more measured the same networks: from one file, without training.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Layout:
    """Kinds of networks that every run has, and one number for each kind and run.

    Attributes
    ----------
    kinds
        The columns `KIND`: a row for each kind.
    model
        The numbers, in the same order.
    """

    kinds: pl.DataFrame
    model: RunModel

    @classmethod
    def of(cls, values: pl.DataFrame) -> "Layout | None":
        """The layout of the columns `KIND`, `seed` and `value`; None with fewer than two runs.

        Kinds that some run lacks are left out.
        """
        seeds = values["seed"].unique().sort()
        if len(seeds) < 2:
            return None
        complete = pl.len().over(KIND) == len(seeds)
        rows = values.filter(complete).sort(*KIND, "seed")
        if rows.is_empty():
            return None
        kinds = rows.select(KIND).unique(maintain_order=True)
        return cls(kinds, RunModel(rows["value"].to_numpy().reshape(len(kinds), len(seeds))))


def changes_over_runs(pairs: Iterable[Pair], margin: float) -> Iterator[Row]:
    """Mean change of the scores of each kind of network, with tests for change and equivalence.

    Networks that were retrained, and networks that were not, vary differently between runs: each
    group is a model of its own. A kind whose runs do not differ has no interval and no p value:
    these runs tell nothing of others.
    """
    found = [
        {"partner": pair.partner, "seed": pair.network.seed, **kind_of(pair.network),
         "retrained": pair.network.retraining != NOT_RETRAINED,
         **{score: pair.changes[score].mean() for score in SCORES}}
        for pair in pairs
        if len(pair.changes) >= FEWEST
    ]  # fmt: skip
    if not found:
        return
    frame = pl.DataFrame(found, infer_schema_length=None)
    for (partner, _), rows in frame.group_by("partner", "retrained", maintain_order=True):
        for score in SCORES:
            values = rows.select(*KIND, "seed", value=score)
            layout = Layout.of(values.filter(_differ()))
            if layout is not None:
                yield from _changes(layout, score, str(partner), margin)
            yield from _copies(values.filter(~_differ()), score, str(partner))


def _differ() -> pl.Expr:
    """Whether the column `value` of a kind differs between runs."""
    return (pl.col("value").max() - pl.col("value").min()).over(KIND) > ROUNDING


def _copies(values: pl.DataFrame, score: str, partner: str) -> Iterator[Row]:
    """The changes of kinds whose runs, two or more, do not differ."""
    for _, rows in values.group_by(KIND, maintain_order=True):
        if len(rows) > 1:
            kind = rows.row(0, named=True)
            name = name_kind(kind["method"], kind["retraining"], kind["rate"])
            yield statistic(
                f"{score}_change",
                f"{name} against {partner}, {OVER_RUNS}",
                Estimate(kind["value"], None, None, None, len(rows), level=None),
                f"the same in all {len(rows)} runs: they measured the same networks",
                family=f"{score}_change against {partner}, {OVER_RUNS}",
                **columns_of(kind),
            )


def kind_of(network: Coordinates) -> dict[str, Any]:
    """The values of the columns `KIND` of a network."""
    row = network.as_row()
    return {name: row[name] for name in KIND}


def _changes(layout: Layout, score: str, partner: str, margin: float) -> Iterator[Row]:
    method = how_known(layout.model)
    for place, kind in enumerate(layout.kinds.to_dicts()):
        known = layout.model.mean(place)
        name = name_kind(kind["method"], kind["retraining"], kind["rate"])
        for quantity, found, how in (
            (f"{score}_change", tested(known, layout.model.runs), method),
            (
                f"{score}_equivalence",
                same(known, margin, layout.model.runs),
                f"{method}, two one-sided tests against a change of {margin:.3g}",
            ),
        ):
            yield statistic(
                quantity,
                f"{name} against {partner}, {OVER_RUNS}",
                found,
                how,
                family=f"{quantity} against {partner}, {OVER_RUNS}",
                **columns_of(kind),
            )


def columns_of(kind: Mapping[str, Any]) -> dict[str, Any]:
    """A kind as columns of the table of statistics, where `method` is the statistical method."""
    return {"pruning": kind["method"], "retraining": kind["retraining"], "rate": kind["rate"]}


def how_known(model: RunModel) -> str:
    """How the mean of a kind is known from runs, in words."""
    how = f"mean over {model.runs} runs, t, variance between runs"
    if len(model.values) == 1:
        return f"{how} of this kind alone"
    if np.isinf(model.prior.freedom):
        return f"{how} pooled over kinds"
    return f"{how} moved towards that of all kinds, which counts {model.prior.freedom:.1f} degrees"


def tested(known: Known, runs: int) -> Estimate:
    """The interval of a number that is known from runs, and the p value that it is zero."""
    return estimators.student(known.estimate, known.error, known.freedom, runs)


def same(known: Known, margin: float, runs: int) -> Estimate:
    """Whether a number that is known from runs lies within the margin."""
    return estimators.equivalence(known.estimate, known.error, known.freedom, margin, runs)


def slopes_over_runs(networks: pl.DataFrame, margin: float) -> Iterator[Row]:
    """How the mean score changes from the lowest to the highest rate, within methods.

    A contrast of kinds: the least-squares slope over the rates of each method and kind of
    retraining, averaged over these. What all networks of a run share falls out.
    """
    for column in ("mis_soft_live", "mis_soft_matched"):
        scored = selection.pruned(networks).filter(pl.col(column).is_not_null())
        for name, rows, columns in groups(scored):
            values = rows.select(*KIND, "seed", value=column)
            layout = Layout.of(values.filter(_differ()))
            weights = None if layout is None else slope_weights(layout.kinds)
            if layout is None or weights is None:
                continue
            quantity = f"slope_equivalence({column}, rate)"
            yield statistic(
                quantity,
                f"{name}, {OVER_RUNS}",
                same(layout.model.contrast(weights), margin, layout.model.runs),
                f"least squares over the rates of each method and kind of retraining, "
                f"{how_known(layout.model)}, two one-sided tests against {margin:.3g}",
                family=f"{quantity}, {OVER_RUNS}",
                **columns,
            )


def slope_weights(kinds: pl.DataFrame) -> np.ndarray | None:
    """The weights of kinds in the change from the lowest to the highest rate.

    Parameters
    ----------
    kinds
        The columns `KIND`.

    Returns
    -------
    numpy.ndarray or None
        float64 `(kinds,)`, with the sum zero; None if no method has two rates.
    """
    weights = np.zeros(len(kinds))
    strata = kinds.with_row_index("place").group_by("method", "retraining", maintain_order=True)
    several = [rows for _, rows in strata if rows["rate"].n_unique() > 1]
    for rows in several:
        rate = rows["rate"].to_numpy()
        centred = rate - rate.mean()
        span = float(np.ptp(rate))
        weights[rows["place"].to_numpy()] = span * centred / (centred**2).sum() / len(several)
    return weights if several else None


def correlations_over_runs(networks: pl.DataFrame) -> Iterator[Row]:
    """Spearman's correlation of the score with rate and accuracy within each run, and its mean.

    The networks of a run are not independent, so only the spread between runs gives an interval.
    """
    for column in ("mis_soft_live", "mis_soft_matched"):
        scored = selection.pruned(networks).filter(pl.col(column).is_not_null())
        for name, rows, columns in groups(scored):
            for other in ("rate", "top1"):
                found = [
                    float(np.corrcoef(run[column].rank(), run[other].rank())[0, 1])
                    for _, run in rows.drop_nulls(other).group_by("seed", maintain_order=True)
                    if len(run) >= FEWEST and min(run[column].n_unique(), run[other].n_unique()) > 1
                ]
                if found:
                    quantity = f"spearman({column}, {other})"
                    yield statistic(
                        quantity,
                        f"{name}, {OVER_RUNS}",
                        mean_correlation(np.array(found)),
                        "over the networks of a run, mean over runs, t of Fisher's z",
                        family=f"correlations of {column}, {OVER_RUNS}",
                        **columns,
                    )


def mean_correlation(found: np.ndarray) -> Estimate:
    """The mean of correlations of independent runs; of runs that do not differ, the number alone.

    Source: Fisher 1921: the mean of z = artanh r, here with Student's interval.
    """
    if np.ptp(found) <= ROUNDING:
        return Estimate(float(found[0]), None, None, None, len(found), level=None)
    z = estimators.mean_t(np.arctanh(np.clip(found, -1 + 1e-9, 1 - 1e-9)))
    assert z.low is not None
    assert z.high is not None
    return replace(
        z,
        estimate=float(np.tanh(z.estimate)),
        low=float(np.tanh(z.low)),
        high=float(np.tanh(z.high)),
    )


def groups(pruned: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, Row]]:
    """Groups of networks: their name, the networks, each once, and what they have in common."""
    once = selection.distinct(pruned)
    yield study_tables.ALL_PRUNED, once, {}
    retrained = selection.trained(once)
    if 0 < len(retrained) < len(once):
        yield study_tables.ALL_RETRAINED, retrained, {}
    for (kind,), rows in pruned.group_by(["retraining"], maintain_order=True):
        yield f"retraining {kind}", rows, {"retraining": kind}
    for (method,), rows in once.group_by(["method"], maintain_order=True):
        yield f"method {method}", rows, {"pruning": method}
