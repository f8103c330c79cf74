"""Compute estimates with their uncertainty: short functions on arrays.

The modules of `estimates` apply them to the tables of a study. Each function names its source. The
order of the calls of a generator is part of the results: another order gives other intervals.
"""

import gc
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

CONFIDENCE = 0.95
# Two one-sided tests at 5 % correspond to an interval of 90 %.
EQUIVALENCE_CONFIDENCE = 0.90
# The number of resamples that are drawn at a time. It limits the memory of the bootstrap.
BATCH = 250
# The rounding error that is allowed in a sum, as a fraction of the sum of the absolute values.
TOLERANCE = 1e-12


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


def sign_flip_p(changes: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Two-sided p value of the mean of paired changes, by random flips of their signs.

    Under the null hypothesis both signs of a change are equally likely.

    Parameters
    ----------
    changes
        `(pairs, columns)` float64. All columns of a pair are flipped together.
    resamples
        Number of flips.
    rng
        Draws the flips.

    Returns
    -------
    numpy.ndarray
        `(columns,)` float64: (1 + number of flips at least as extreme) / (1 + number of flips).

    Source: Fisher's randomisation test; Phipson & Smyth, "Permutation p-values should never be
    zero", 2010, for the added one.
    """
    total = changes.sum(axis=0)
    # Rounding must not decide whether a flip with the same sum counts as extreme.
    observed = np.abs(total) - TOLERANCE * np.abs(changes).sum(axis=0)
    extreme = np.zeros(changes.shape[1])
    for start in range(0, resamples, BATCH):
        size = (min(BATCH, resamples - start), -(-len(changes) // 8))
        drawn = rng.integers(0, 256, size=size, dtype=np.uint8)
        kept = np.unpackbits(drawn, axis=1, count=len(changes)).astype(np.float64)
        # The sum after a flip is (sum of kept) - (sum of flipped) = 2 * (sum of kept) - total.
        extreme += (np.abs(2 * (kept @ changes) - total) >= observed).sum(axis=0)
    return (1 + extreme) / (1 + resamples)


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


def proportion(hits: int, number: int) -> Estimate:
    """A share with Wilson's interval (Wilson 1927)."""
    interval = stats.binomtest(hits, number).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(hits / number, float(interval.low), float(interval.high), None, number)


def correlation(
    x: np.ndarray, y: np.ndarray, *, ranks: bool, given: np.ndarray | None = None
) -> Estimate:
    """Pearson's r or Spearman's rho, with Fisher's interval and the two-sided p value of a t test.

    Parameters
    ----------
    x, y
        `(n,)`, at least five values each. Neither may be constant.
    ranks
        Whether to compute Spearman's rho instead of Pearson's r.
    given
        `(n,)`: a control variable, for the partial correlation. This is the correlation of the
        residuals of `x` and `y` after linear regression on it; for Spearman's rho, all three are
        ranks. `determined` must hold.

    Sources: Fisher 1921; Bonett & Wright, "Sample size requirements for estimating Pearson,
    Kendall and Spearman correlations", Psychometrika 2000, for the variance of rho's interval.
    """
    columns = [x, y] if given is None else [x, y, given]
    if ranks:
        columns = [stats.rankdata(column) for column in columns]
    controls = len(columns) - 2
    first, second = (_residual(column, columns[2:]) for column in columns[:2])
    r = float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))
    freedom = len(x) - 2 - controls
    with np.errstate(divide="ignore"):
        t = r * np.sqrt(freedom / max(1 - r**2, 0.0)) if abs(r) < 1 else np.inf
        centre = np.arctanh(r)
    variance = (1 + r**2 / 2 if ranks else 1.0) / (len(x) - 3 - controls)
    reach = stats.norm.ppf(_tails(CONFIDENCE)[1]) * np.sqrt(variance)
    low, high = np.tanh([centre - reach, centre + reach])
    p = float(2 * stats.t.sf(abs(t), freedom))
    return Estimate(r, float(low), float(high), p, len(x))


def _residual(column: np.ndarray, controls: list[np.ndarray]) -> np.ndarray:
    if not controls:
        return column
    design = np.column_stack([np.ones(len(column)), *controls])
    return OLS(column, design).fit().resid


def determined(x: np.ndarray, given: np.ndarray | None = None, *, ranks: bool = False) -> bool:
    """Does `x` vary, also while `given` (or, with `ranks`, its rank) is held?

    Where not, least squares and partial correlations give nothing but errors of rounding.
    """
    columns = [x] if given is None else [x, given]
    if ranks:
        columns = [stats.rankdata(column) for column in columns]
    design = np.column_stack([*columns, np.ones(len(x))])
    return bool(np.linalg.matrix_rank(design) == design.shape[1])


def slope(
    x: np.ndarray, y: np.ndarray, given: np.ndarray | None = None
) -> tuple[float, float, int]:
    """Least-squares slope of `y` on `x` (holding `given`), its standard error, and its freedom.

    `determined(x, given)` must hold.
    """
    columns = [x] if given is None else [x, given]
    design = np.column_stack([*columns, np.ones(len(x))])
    fitted = OLS(y, design).fit()
    return float(fitted.params[0]), float(fitted.bse[0]), int(fitted.df_resid)


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
