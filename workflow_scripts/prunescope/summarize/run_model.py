"""Estimates over runs: what of a difference between networks is more than chance of training.

A run is a seed: a dense network trained anew, and all that is made of it. The same kind of network
differs from run to run, because its images come in another order. So a difference is only known
from several runs.

The model is a two-way layout without replicates: the value of kind k in run r is the mean of the
kind, plus an effect that all kinds of the run share (they come from one dense network), plus a
deviation of its own. Source: Scheffé, "The Analysis of Variance", 1959, section 8.1; Satterthwaite
1946 for the degrees of freedom of a sum of mean squares.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

# The pooled variance is used unless kinds are shown to differ in it at this level.
POOLING_LEVEL = 0.05


@dataclass(frozen=True)
class Known:
    """A number with its standard error and the degrees of freedom of that error."""

    estimate: float
    error: float
    freedom: float


@dataclass(frozen=True)
class RunModel:
    """The values of some kinds of networks in some runs.

    Attributes
    ----------
    values
        float64 `(kinds, runs)`, without NaN, at least two runs.
    """

    values: np.ndarray

    @property
    def runs(self) -> int:
        """The number of runs."""
        return int(self.values.shape[1])

    @property
    def deviations(self) -> np.ndarray:
        """What is left of the values without the means of kinds and of runs, `(kinds, runs)`."""
        centred = self.values - self.values.mean(axis=1, keepdims=True)
        return centred - centred.mean(axis=0, keepdims=True)

    @cached_property
    def mean_squares(self) -> tuple[float, float]:
        """The mean square of the runs, and that of the deviations (0 for one kind)."""
        kinds, runs = self.values.shape
        effects = self.values.mean(axis=0) - self.values.mean()
        between = kinds * float((effects**2).sum()) / (runs - 1)
        freedom = (kinds - 1) * (runs - 1)
        return between, float((self.deviations**2).sum()) / freedom if freedom else 0.0

    @property
    def p_of_equal_variances(self) -> float:
        """The p value that all kinds vary alike between runs: Bartlett's test (1937).

        1 where there are fewer than two kinds that vary.
        """
        varying = [row for row in self.deviations if np.ptp(row) > 0]
        return float(stats.bartlett(*varying).pvalue) if len(varying) > 1 else 1.0

    @cached_property
    def is_pooled(self) -> bool:
        """Whether the variance between runs is pooled over kinds: unless they differ in it."""
        return len(self.values) > 1 and self.p_of_equal_variances >= POOLING_LEVEL

    def mean(self, kind: int) -> Known:
        """The mean of a kind over runs."""
        values = self.values[kind]
        if not self.is_pooled:
            return _of_runs(values)
        kinds, runs = self.values.shape
        between, within = self.mean_squares
        parts = np.array([between / kinds, within * (kinds - 1) / kinds]) / runs
        freedoms = np.array([runs - 1, (kinds - 1) * (runs - 1)])
        return combined(float(values.mean()), parts, freedoms)

    def contrast(self, weights: np.ndarray) -> Known:
        """A weighted sum of the means of the kinds.

        Parameters
        ----------
        weights
            `(kinds,)`, with the sum zero: then what all kinds of a run share falls out.
        """
        by_run = weights @ self.values
        if not self.is_pooled:
            return _of_runs(by_run)
        kinds, runs = self.values.shape
        _, within = self.mean_squares
        error = float(np.sqrt(within * (weights**2).sum() / runs))
        return Known(float(by_run.mean()), error, float((kinds - 1) * (runs - 1)))


def combined(estimate: float, parts: np.ndarray, freedoms: np.ndarray) -> Known:
    """A number whose variance is a sum of estimated variances, with Satterthwaite's freedom.

    Parameters
    ----------
    estimate
        The number.
    parts
        `(parts,)` the variances that are summed.
    freedoms
        `(parts,)` the degrees of freedom of each.
    """
    variance = float(parts.sum())
    freedom = variance**2 / float((parts**2 / freedoms).sum()) if variance else freedoms.sum()
    return Known(estimate, float(np.sqrt(variance)), float(freedom))


def _of_runs(values: np.ndarray) -> Known:
    """The mean over runs of a single number of each."""
    runs = len(values)
    return Known(float(values.mean()), float(values.std(ddof=1) / np.sqrt(runs)), float(runs - 1))
