"""Estimates over runs: what of a difference between networks is more than chance of training.

A run is a seed: a dense network trained anew, and all that is made of it. The same kind of network
differs from run to run, because its images come in another order. So a difference is only known
from several runs.

The model is a two-way layout without replicates: the value of kind k in run r is the mean of the
kind, plus an effect that all kinds of the run share (they come from one dense network), plus a
deviation of its own. A few runs hardly tell how much a kind varies, so the variance of each kind is
moved towards that of all kinds, the more, the less the kinds differ in it.

Sources: Scheffé, "The Analysis of Variance", 1959, section 8.1; Satterthwaite 1946 for the degrees
of freedom of a sum of mean squares; Smyth, "Linear models and empirical Bayes methods for assessing
differential expression", Stat. Appl. Genet. Mol. Biol. 3, 2004, sections 3 and 6.2, for the
moderated variances.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special

# With fewer kinds that vary, nothing is known of how much kinds differ in variance.
FEWEST_KINDS = 3


@dataclass(frozen=True)
class Known:
    """A number with its standard error and the degrees of freedom of that error."""

    estimate: float
    error: float
    freedom: float


@dataclass(frozen=True)
class Prior:
    """A variance between runs, and how many degrees of freedom it is worth."""

    variance: float
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
        within = float((self.deviations**2).sum())
        return between, within / self._freedom if self._freedom else 0.0

    @cached_property
    def own_variances(self) -> np.ndarray:
        """How much each kind varies between runs without what runs share, `(kinds,)`.

        Each is a mean square with `(kinds - 1) (runs - 1) / kinds` degrees of freedom. Their mean
        is the mean square of the deviations.
        """
        return (self.deviations**2).sum(axis=1) / self._own_freedom

    @property
    def _own_freedom(self) -> float:
        return self._freedom / len(self.values)

    @property
    def _freedom(self) -> int:
        kinds, runs = self.values.shape
        return (kinds - 1) * (runs - 1)

    @cached_property
    def prior(self) -> Prior:
        """The variance towards which that of each kind is moved.

        Its degrees of freedom are infinite, which is plain pooling, where kinds differ in variance
        by no more than chance, and where there are too few kinds to tell.
        """
        varying = self.own_variances[self.own_variances > 0]
        if len(varying) >= FEWEST_KINDS:
            half = self._own_freedom / 2
            logarithms = np.log(varying) - special.digamma(half) + np.log(half)
            surplus = float(logarithms.var(ddof=1) - special.polygamma(1, half))
            if surplus > 0:
                prior_half = _inverse_trigamma(surplus)
                shift = special.digamma(prior_half) - np.log(prior_half)
                return Prior(float(np.exp(logarithms.mean() + shift)), 2 * prior_half)
        return Prior(self.mean_squares[1], np.inf)

    @cached_property
    def variances(self) -> tuple[np.ndarray, float]:
        """The moderated variances of the kinds, `(kinds,)`, and the degrees of freedom of each."""
        prior, own = self.prior, self._own_freedom
        if np.isinf(prior.freedom):
            return np.full(len(self.values), prior.variance), float(self._freedom)
        total = prior.freedom + own
        moved = (prior.freedom * prior.variance + own * self.own_variances) / total
        # The prior is made of the same kinds, so it knows no more than all of them together.
        return moved, min(total, float(self._freedom))

    def mean(self, kind: int) -> Known:
        """The mean of a kind over runs."""
        values = self.values[kind]
        kinds, runs = self.values.shape
        if kinds == 1:
            return Known(
                float(values.mean()), float(values.std(ddof=1) / np.sqrt(runs)), float(runs - 1)
            )
        variances, freedom = self.variances
        between, _ = self.mean_squares
        parts = np.array([between / kinds, variances[kind] * (kinds - 1) / kinds]) / runs
        return combined(float(values.mean()), parts, np.array([runs - 1, freedom]))

    def contrast(self, weights: np.ndarray) -> Known:
        """A weighted sum of the means of the kinds.

        Parameters
        ----------
        weights
            `(kinds,)`, with the sum zero: then what all kinds of a run share falls out.
        """
        variances, freedom = self.variances
        error = float(np.sqrt(variances @ weights**2 / self.runs))
        # Degrees of freedom do not add up: the moderated variances have the prior in common.
        return Known(float((weights @ self.values).mean()), error, freedom)


def _inverse_trigamma(value: float) -> float:
    """The number whose trigamma function is `value`."""
    return float(
        np.exp(
            optimize.brentq(
                lambda power: np.log(special.polygamma(1, np.exp(power)) / value), -30, 30
            )
        )
    )


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
