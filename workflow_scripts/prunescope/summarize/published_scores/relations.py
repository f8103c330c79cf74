"""How the mean score of networks goes with the pruning rate and with accuracy.

The networks start from the same weights, and structured ones prune the same filters: they are not
independent. So a correlation over all of them has no interval. What can be tested is whether the
rate matters to the networks that are made of this one dense network: if it did not, the rates of an
arm could be dealt anew without a difference (Fisher 1935). Networks that differ in the epochs alone
may come from one training, so their rates are dealt together.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import polars as pl
from scipy import stats

from prunescope.summarize import estimators
from prunescope.summarize.estimates.rows import FEWEST
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.published_scores import readings
from prunescope.summarize.published_scores.analysis_rows import number, row
from prunescope.summarize.published_scores.readings import BOTH, LIVE, PRUNED, Scores
from prunescope.summarize.study_tables import Row

ALL, KNOWN = "all networks", "networks with a published accuracy"
FIGURE, BORROWED = "figure 5", "figure 5 with the borrowed dense value at rate 0 of each curve"
OURS_BORROWED = "all networks with the borrowed dense value at rate 0 of each arm"
DEPENDENT = "over networks that share their first weights: no interval, no test"
AS_PUBLISHED = "tested as the source does, as if the points were independent, which they are not"
PERMUTED = (
    "mean over arms; exact permutation of the rates within arms, dealt together for arms that "
    "differ in their epochs alone; about networks made of this one dense network"
)
AS_TESTED = "pearson(mis_soft, rate) as tested in the source"
WITHIN = "spearman(mis_soft, rate) within arms"
PUBLISHED_SCORE, BORROWED_SCORE = "published_mis_soft", "borrowed_mis_soft"
ARM = ["method", "retraining"]
COEFFICIENTS = ("pearson", "spearman")


def partial(x: np.ndarray, y: np.ndarray, given: np.ndarray, *, ranks: bool) -> float:
    """The partial correlation of x and y, given a third variable (Yule 1907).

    Parameters
    ----------
    x, y, given
        `(n,)` float64; none may be constant.
    ranks
        Whether to compute it of ranks.
    """
    a, b, c = (
        estimators.correlation(*two, ranks=ranks).estimate
        for two in ((x, y), (x, given), (y, given))
    )
    return float((a - b * c) / np.sqrt((1 - b**2) * (1 - c**2)))


def relations(scores: Scores) -> Iterator[Row]:
    """Score with rate, with accuracy, each given the other: under all readings, for all units."""
    rates, top1 = scores.rates, scores.top1
    known = ~np.isnan(top1)
    for reading, units in readings.WAYS:
        for layer_type in readings.LAYER_TYPES:
            means = scores.means(reading, units, layer_type)
            place = {"layer_type": layer_type, "units": units, "reading": reading}
            yield from _with_rate(scores, means, place)
            if known.sum() >= FEWEST:
                yield from _with_accuracy(means[known], rates[known], top1[known], place)
    if known.sum() >= FEWEST:
        for name in COEFFICIENTS:
            found = estimators.correlation(rates[known], top1[known], ranks=name == "spearman")
            value = number(found.estimate, found.n)
            yield row(f"{name}(rate, top1)", KNOWN, value, DEPENDENT)


def _with_rate(scores: Scores, means: np.ndarray, place: dict) -> Iterator[Row]:
    for name in COEFFICIENTS:
        found = estimators.correlation(means, scores.rates, ranks=name == "spearman")
        yield row(
            f"{name}(mis_soft, rate)", ALL, number(found.estimate, found.n), DEPENDENT, **place
        )
    arms = list(scores.arms.values())
    rising = sum(bool(means[arm[-1]] > means[arm[0]]) for arm in arms)
    yield row("arms_that_rise", ALL, number(rising, len(arms)), "counted, no test", **place)
    yield row(WITHIN, ALL, within_arms(means, scores), PERMUTED, **place)
    for method in scores.networks["method"].unique(maintain_order=True):
        within = within_arms(means, scores, method)
        yield row(WITHIN, f"networks of {method}", within, PERMUTED, pruning=method, **place)


def _with_accuracy(
    means: np.ndarray, rates: np.ndarray, top1: np.ndarray, place: dict
) -> Iterator[Row]:
    for name in COEFFICIENTS:
        ranks = name == "spearman"
        found = {
            f"{name}(mis_soft, top1)": estimators.correlation(means, top1, ranks=ranks).estimate,
            f"{name}(mis_soft, rate | top1)": partial(means, rates, top1, ranks=ranks),
            f"{name}(mis_soft, top1 | rate)": partial(means, top1, rates, ranks=ranks),
        }
        for quantity, value in found.items():
            yield row(quantity, KNOWN, number(value, len(means)), DEPENDENT, **place)


def within_arms(means: np.ndarray, scores: Scores, method: str | None = None) -> Estimate:
    """Mean over arms of Spearman's rho of score and rate, with its exact two-sided p.

    Parameters
    ----------
    means
        `(networks,)` float64.
    scores
        Tells the arms, whose rates are the same.
    method
        Only the arms of this method; None for all. With one optimizer there are 24 dealings, so p
        cannot be below 0.08.
    """
    # Pearson's r of ranks is a sum over rates: of standardised ranks of means, and of the rates.
    ranks = {
        arm: _standard(means[rows]) for arm, rows in scores.arms.items() if method in (None, arm[0])
    }
    places = _standard(np.arange(len(next(iter(ranks.values())))))
    orders = places[np.array(list(permutations(range(len(places)))))]
    blocks: dict[tuple[str, str], np.ndarray] = {}
    for (name, retraining), values in ranks.items():
        block = name, retraining.rpartition("_")[0]
        blocks[block] = blocks.get(block, 0) + orders @ values
    total = np.zeros(1)
    for values in blocks.values():
        total = np.add.outer(total, values).ravel()
    # The first order of `permutations` is the one that was observed.
    observed = total[0]
    p = float(np.mean(np.abs(total) >= abs(observed) - 1e-9))
    return Estimate(float(observed / len(ranks)), None, None, p, len(ranks), None)


def _standard(values: np.ndarray) -> np.ndarray:
    ranks = stats.rankdata(values) - (len(values) + 1) / 2
    length = np.sqrt((ranks**2).sum())
    # Equal values go with nothing.
    return ranks / length if length else ranks


def with_borrowed(scores: Scores, figure: pl.DataFrame, borrowed: float | None) -> Iterator[Row]:
    """The published scores, and the test of score and rate with and without the borrowed one.

    Parameters
    ----------
    scores
        The scores.
    figure
        From `published_values.figure`.
    borrowed
        The published score of the dense network, which is of another network.
    """
    place = {"layer_type": BOTH, "units": LIVE, "reading": PRUNED}
    for point in figure.iter_rows(named=True):
        where = {"pruning": point["method"], "retraining": point["retraining"], **place}
        name = f"{point['method']}, {point['retraining']}, rate {point['rate']:.2f}"
        value = number(point["value"], 1)
        yield row(PUBLISHED_SCORE, name, value, "as published", rate=point["rate"], **where)
    if borrowed is not None:
        value = number(borrowed, 1)
        yield row(BORROWED_SCORE, "a network of another kind", value, "as published", **place)
    if len(figure) >= FEWEST:
        points = figure["rate"].to_numpy(), figure["value"].to_numpy(), len(figure.unique(ARM))
        yield from _as_tested(*points, borrowed, (FIGURE, BORROWED), place)
    for reading in readings.READINGS:
        means = scores.means(reading, LIVE, BOTH)
        here = {**place, "reading": reading}
        names = ALL, OURS_BORROWED
        yield from _as_tested(scores.rates, means, len(scores.arms), borrowed, names, here)


def _as_tested(
    rates: np.ndarray,
    values: np.ndarray,
    curves: int,
    borrowed: float | None,
    names: tuple[str, str],
    place: dict[str, str],
) -> Iterator[Row]:
    found = estimators.correlation(rates, values, ranks=False)
    yield row(AS_TESTED, names[0], found, AS_PUBLISHED, **place)
    if borrowed is not None:
        rates = np.append(rates, np.zeros(curves))
        values = np.append(values, np.full(curves, borrowed))
        found = estimators.correlation(rates, values, ranks=False)
        yield row(AS_TESTED, names[1], found, AS_PUBLISHED, **place)
