"""Compute estimates with their uncertainty: short functions on arrays.

The modules of `estimates` apply them to the tables of a study. Each function names its source. The
order of the calls of a generator is part of the results: another order gives other intervals.
"""

import gc
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

CONFIDENCE = 0.95
# Two one-sided tests at 5 % correspond to an interval of 90 %.
EQUIVALENCE_CONFIDENCE = 0.90
# The number of resamples that are drawn at a time. It limits the memory of the bootstrap.
BATCH = 250


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and its p value.

    Attributes
    ----------
    estimate
        The number.
    low, high
        The ends of the interval; None without an interval.
    p
        The p value; None without a test.
    n
        The number of observations behind it.
    level
        The confidence level of the interval; None without an interval.
    effect_size
        d_z of paired changes; None for all else.
    """

    estimate: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    level: float | None = CONFIDENCE
    effect_size: float | None = None


def stratified_means(
    values: np.ndarray, strata: np.ndarray, resamples: int, rng: np.random.Generator
) -> list[Estimate]:
    """Means with percentile bootstrap intervals. Rows are resampled within their strata.

    Parameters
    ----------
    values
        `(rows, columns)` float64 without NaN: one row for each unit, one column for each quantity.
    strata
        `(rows,)` stratum of each row, such as the layer of a unit. In every sample a stratum has
        as many rows as in `values`.
    resamples
        Number of bootstrap samples. All columns use the same ones.
    rng
        Draws the samples.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.
    """
    totals = np.zeros((resamples, values.shape[1]))
    for members in _groups(strata):
        block = values[members]
        for start in range(0, resamples, BATCH):
            part = slice(start, min(start + BATCH, resamples))
            totals[part] += _resample_counts(len(block), totals[part].shape[0], rng) @ block
    low, high = np.quantile(totals / len(values), _tails(CONFIDENCE), axis=0)
    return [
        Estimate(float(mean), float(a), float(b), None, len(values))
        for mean, a, b in zip(values.mean(axis=0), low, high, strict=True)
    ]


def _groups(strata: np.ndarray) -> list[np.ndarray]:
    _, codes = np.unique(strata, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _resample_counts(size: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of `size` rows is drawn in each resample: `(resamples, size)` float64."""
    drawn = rng.integers(size, size=(resamples, size), dtype=np.int64)
    drawn += np.arange(resamples)[:, None] * size
    counts = np.bincount(drawn.ravel(), minlength=resamples * size)
    return counts.reshape(resamples, size).astype(np.float64)


def _tails(level: float) -> list[float]:
    return [(1 - level) / 2, (1 + level) / 2]


def stratified_normal_mean(values: np.ndarray, strata: np.ndarray) -> Estimate:
    """Mean with a normal interval from the variance within strata.

    For many rows and many resamples, the intervals of `stratified_means` approach this one, which
    needs no resampling. A stratum of one row adds no variance. Source: Cochran, "Sampling
    Techniques", 1977, section 5.3, without the correction for finite populations.
    """
    groups = [values[members] for members in _groups(strata)]
    variance = sum(len(g) * g.var(ddof=1) for g in groups if len(g) > 1) / len(values) ** 2
    reach = stats.norm.ppf(_tails(CONFIDENCE)[1]) * np.sqrt(variance)
    mean = float(values.mean())
    return Estimate(mean, mean - float(reach), mean + float(reach), None, len(values))


def clustered_mean(values: np.ndarray, clusters: np.ndarray) -> tuple[Estimate, float, float]:
    """Mean of values that depend on each other within clusters, with its error and its freedom.

    Parameters
    ----------
    values
        `(rows,)` float64, in at least two clusters.
    clusters
        `(rows,)` cluster of each row, such as the layer of a unit.

    Returns
    -------
    Estimate
        Mean over rows with Student's interval. `n` is the number of clusters.
    float
        Standard error, from the jackknife that leaves out one cluster at a time.
    float
        Degrees of freedom: the effective number of clusters minus one. Clusters of unequal size
        make this number smaller. If all clusters have the same size, the results are those of a t
        test of the means of the clusters.

    Sources: Efron & Tibshirani 1993, chapter 11; Bell & McCaffrey, "Bias reduction in standard
    errors for linear regression with multi-stage samples", 2002, for clusters of unequal size;
    Kish 1965 for their effective number.
    """
    mean = float(values.mean())
    sizes = cluster_totals(np.ones(len(values)), clusters)
    moved = cluster_totals(values - mean, clusters) / (len(values) - sizes)
    error = float(np.sqrt((len(sizes) - 1) / len(sizes) * (moved**2).sum()))
    freedom = float(sizes.sum() ** 2 / (sizes**2).sum() - 1)
    reach = float(stats.t.ppf(_tails(CONFIDENCE)[1], freedom)) * error
    return Estimate(mean, mean - reach, mean + reach, None, len(sizes)), error, freedom


def cluster_totals(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Sum of the values of each cluster, `(clusters,)`."""
    return np.array([values[members].sum() for members in _groups(clusters)])


def effect_size(changes: np.ndarray) -> float:
    """d_z of paired changes: mean over standard deviation (Cohen 1988). NaN if all are equal."""
    deviation = changes.std(ddof=1) if len(changes) > 1 else 0.0
    return float(changes.mean() / deviation) if deviation > 0 else float("nan")


def mean_t(values: np.ndarray) -> Estimate:
    """Mean of at least two values, with Student's interval and the two-sided p that it is zero."""
    test = stats.ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(CONFIDENCE)
    p = None if np.isnan(test.pvalue) else float(test.pvalue)
    return Estimate(float(values.mean()), float(low), float(high), p, len(values))


def student(estimate: float, error: float, freedom: float, n: int) -> Estimate:
    """Student's interval of a number with a known standard error, and the p that it is zero."""
    reach = float(stats.t.ppf(_tails(CONFIDENCE)[1], freedom)) * error
    p = float(2 * stats.t.sf(abs(estimate) / error, freedom)) if error else None
    return Estimate(estimate, estimate - reach, estimate + reach, p, n)


def proportion(hits: int, number: int) -> Estimate:
    """A share with Wilson's interval (Wilson 1927)."""
    interval = stats.binomtest(hits, number).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(hits / number, float(interval.low), float(interval.high), None, number)


def correlation(x: np.ndarray, y: np.ndarray, *, ranks: bool) -> Estimate:
    """Pearson's r or Spearman's rho, with Fisher's interval and the two-sided p value of a t test.

    Parameters
    ----------
    x, y
        `(n,)`, at least five values each. Neither may be constant.
    ranks
        Whether to compute Spearman's rho instead of Pearson's r.

    Sources: Fisher 1921; Bonett & Wright, "Sample size requirements for estimating Pearson,
    Kendall and Spearman correlations", Psychometrika 2000, for the variance of rho's interval.
    """
    first, second = (stats.rankdata(column) if ranks else column for column in (x, y))
    r = float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))
    freedom = len(x) - 2
    with np.errstate(divide="ignore"):
        t = r * np.sqrt(freedom / max(1 - r**2, 0.0)) if abs(r) < 1 else np.inf
        centre = np.arctanh(r)
    variance = (1 + r**2 / 2 if ranks else 1.0) / (len(x) - 3)
    reach = stats.norm.ppf(_tails(CONFIDENCE)[1]) * np.sqrt(variance)
    low, high = np.tanh([centre - reach, centre + reach])
    p = float(2 * stats.t.sf(abs(t), freedom))
    return Estimate(r, float(low), float(high), p, len(x))


def equivalence(estimate: float, error: float, freedom: float, margin: float, n: int) -> Estimate:
    """Two one-sided t tests of whether a parameter lies between -margin and margin.

    A small p value shows that it does; a large one shows nothing. The interval has a level of 90 %:
    it lies within the margin exactly if p < 0.05.

    Source: Schuirmann 1987; Lakens, "Equivalence Tests", 2017.

    Parameters
    ----------
    estimate, error
        The parameter and its standard error, in the unit of `margin`.
    freedom
        Degrees of freedom of the standard error.
    margin
        The largest deviation from zero that is too small to matter.
    n
        Number of observations, for the result.
    """
    reach = stats.t.ppf(_tails(EQUIVALENCE_CONFIDENCE)[1], freedom) * error
    if error == 0:
        p = 0.0 if abs(estimate) < margin else 1.0
    else:
        p = float(stats.t.sf((margin - abs(estimate)) / error, freedom))
    low, high = estimate - float(reach), estimate + float(reach)
    return Estimate(estimate, low, high, p, n, EQUIVALENCE_CONFIDENCE)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's correction over a family of p values (Holm 1979), `(tests,)`."""
    # `multipletests` collects garbage each time, which takes 65 ms among all that is imported, and
    # the rest 0.02 ms: what exists already is set aside.
    gc.freeze()
    try:
        return multipletests(p, method="holm")[1]
    finally:
        gc.unfreeze()
