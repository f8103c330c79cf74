"""Compare what was chosen with what was left, within layers, against choice at random.

Channels that can only go together, as those of a residual stream, are one piece that has a unit in
each of several layers. So pieces are drawn at random, not units.

Sources: the stratified difference is the coefficient of a regression with a constant for each
layer; Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005, chapter 3, for
permutation within strata; Phipson & Smyth, "Permutation p-values should never be zero", Stat. Appl.
Genet. Mol. Biol. 9, 2010, for the p value of drawn permutations.
"""

from dataclasses import dataclass

import numpy as np

# The number of random choices that are drawn at a time. It limits the memory.
BATCH = 250
TAILS = (0.025, 0.975)
# Sums of the same numbers in another order differ by so much, relative to the largest.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Units:
    """The units of a network among which was chosen.

    Attributes
    ----------
    strata
        `(units,)` integers. Units are compared with those of the same stratum: their layer.
    blocks
        `(units,)` integers. A random choice takes as many pieces of each block.
    pieces
        `(units,)` integers: the piece of the block that the unit belongs to.
    chosen
        `(units,)` booleans. Units of one piece are equal in it.
    """

    strata: np.ndarray
    blocks: np.ndarray
    pieces: np.ndarray
    chosen: np.ndarray


@dataclass(frozen=True)
class Difference:
    """How the chosen units differ from the others of their strata.

    Attributes
    ----------
    chosen, left
        Numbers of units behind it, in strata that have both.
    mean_chosen, mean_left
        Their means.
    estimate
        The mean difference within strata. Each stratum counts `a b / (a + b)`, with `a` chosen
        units and `b` others. NaN if no stratum has both.
    spread
        The standard deviation within strata.
    low, high
        The middle 95 % of the estimates that choices at random give.
    p
        Two-sided p value that the choice was made at random.
    """

    chosen: int
    left: int
    mean_chosen: float
    mean_left: float
    estimate: float
    spread: float
    low: float
    high: float
    p: float

    @property
    def standardized(self) -> float:
        """`estimate` in standard deviations within strata; NaN if nothing varies."""
        return self.estimate / self.spread if self.spread > 0 else float("nan")


def compare(
    values: np.ndarray, units: Units, resamples: int, rng: np.random.Generator
) -> list[Difference]:
    """Compare the chosen units with the others by each column of `values`.

    Parameters
    ----------
    values
        float64 `(units, columns)`. Units with NaN do not count in that column.
    units
        The units.
    resamples
        Number of random choices. All columns use the same ones.
    rng
        Draws them.
    """
    strata = np.unique(units.strata, return_inverse=True)[1]
    known = ~np.isnan(values)
    centred, weights, shared = _within(values, known, strata, units.chosen)
    observed = centred[units.chosen].sum(axis=0)
    drawn = _at_random(centred, units, resamples, rng)
    slack = ROUNDING * np.abs(drawn).max(axis=0, initial=0)
    beyond = (np.abs(drawn) >= np.abs(observed) - slack).sum(axis=0)
    found = []
    for column in range(values.shape[1]):
        counts = known[:, column] & shared[strata, column]
        chosen, left = (values[counts & side, column] for side in (units.chosen, ~units.chosen))
        if weights[column] == 0:
            nothing = float("nan")
            found.append(Difference(0, 0, *[nothing] * 7))
            continue
        freedom = int(counts.sum()) - len(np.unique(strata[counts]))
        spread = np.sqrt((centred[counts, column] ** 2).sum() / freedom)
        estimate = observed[column] / weights[column]
        low, high = np.quantile(drawn[:, column], TAILS) / weights[column]
        found.append(
            Difference(
                len(chosen),
                len(left),
                float(chosen.mean()),
                float(left.mean()),
                float(estimate),
                float(spread),
                float(low),
                float(high),
                float((1 + beyond[column]) / (1 + resamples)),
            )
        )
    return found


def _within(
    values: np.ndarray, known: np.ndarray, strata: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values without the means of their strata, the weights of columns, and what strata have both.

    Returns
    -------
    numpy.ndarray
        `(units, columns)`, 0 where the value is not known.
    numpy.ndarray
        `(columns,)`: the sum over strata of `a b / (a + b)`.
    numpy.ndarray
        Booleans `(strata, columns)`: whether the stratum has units on both sides.
    """
    size = int(strata.max(initial=-1)) + 1
    shape = (size, values.shape[1])
    totals, sums, taken = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    filled = np.where(known, values, 0)
    np.add.at(totals, strata, known.astype(np.float64))
    np.add.at(sums, strata, filled)
    np.add.at(taken, strata, (known & chosen[:, None]).astype(np.float64))
    present = np.maximum(totals, 1)
    centred = np.where(known, filled - (sums / present)[strata], 0)
    products = taken * (totals - taken)
    return centred, (products / present).sum(axis=0), products > 0


def _at_random(
    centred: np.ndarray, units: Units, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Sums of centred values over as many pieces of each block, drawn at random.

    Returns
    -------
    numpy.ndarray
        `(resamples, columns)`.
    """
    totals = np.zeros((resamples, centred.shape[1]))
    for block in np.unique(units.blocks):
        members = np.flatnonzero(units.blocks == block)
        names, first, codes = np.unique(
            units.pieces[members], return_index=True, return_inverse=True
        )
        number = int(units.chosen[members[first]].sum())
        if number == 0:
            continue
        scores = np.zeros((len(names), centred.shape[1]))
        np.add.at(scores, codes, centred[members])
        for start in range(0, resamples, BATCH):
            part = slice(start, min(start + BATCH, resamples))
            order = np.argsort(rng.random((part.stop - part.start, len(names))), axis=1)
            totals[part] += scores[order[:, :number]].sum(axis=1)
    return totals
