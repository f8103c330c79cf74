"""Statistics by hand, against scipy, and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prunescope.summarize import estimators

DRAWS = 200


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sample(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


# --- means ---------------------------------------------------------------------------------------


def test_one_stratum_is_scipys_bootstrap() -> None:
    values = rng(1).exponential(size=60)
    (found,) = estimators.stratified_means(values[:, None], np.zeros(60), 4000, rng())
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=rng(2)
    ).confidence_interval
    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.03)
    assert found.n == 60


def test_rows_stay_in_their_stratum() -> None:
    """Every layer is constant: no resample within layers can move the mean."""
    layers = np.repeat([0, 1, 2], [3, 10, 5])
    (found,) = estimators.stratified_means(layers[:, None] * 1.0, layers, 50, rng())
    assert (found.low, found.high) == pytest.approx((found.estimate, found.estimate))


def test_strata_need_not_be_sorted() -> None:
    values, layers = rng(1).normal(size=(30, 2)), rng(2).permutation(np.repeat([0, 1, 2], 10))
    order = np.argsort(layers, kind="stable")
    first = estimators.stratified_means(values, layers, 100, rng())
    again = estimators.stratified_means(values[order], layers[order], 100, rng())
    for one, other in zip(first, again, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_columns_share_their_resamples() -> None:
    values = rng(1).normal(size=(40, 1))
    one, double = estimators.stratified_means(
        np.hstack([values, 2 * values]), np.repeat([0, 1], 20), 100, rng()
    )
    assert (double.low, double.high) == pytest.approx((2 * one.low, 2 * one.high))


@given(st.integers(1, 600), st.integers(1, 9))
def test_every_resample_has_the_size_of_its_stratum(resamples: int, size: int) -> None:
    counts = estimators._resample_counts(size, resamples, rng())
    assert counts.shape == (resamples, size)
    assert (counts.sum(axis=1) == size).all()


def test_the_normal_interval_is_the_limit_of_the_bootstrap() -> None:
    layers = np.repeat(np.arange(5), 200)
    values = rng(1).normal(layers, 1 + layers)
    normal = estimators.stratified_normal_mean(values, layers)
    (bootstrap,) = estimators.stratified_means(values[:, None], layers, 4000, rng())
    assert normal.estimate == pytest.approx(bootstrap.estimate)
    assert normal.high - normal.low == pytest.approx(bootstrap.high - bootstrap.low, rel=0.05)


def test_intervals_cover_the_true_mean() -> None:
    layers = np.repeat(np.arange(6), 25)
    hits = {"bootstrap": 0, "normal": 0}
    for seed in range(DRAWS):
        values = rng(seed).normal(layers / 10, 0.2)
        (bootstrap,) = estimators.stratified_means(values[:, None], layers, 300, rng(seed + 1000))
        normal = estimators.stratified_normal_mean(values, layers)
        hits["bootstrap"] += bootstrap.low <= 0.25 <= bootstrap.high
        hits["normal"] += normal.low <= 0.25 <= normal.high
    assert all(0.92 <= count / DRAWS <= 0.98 for count in hits.values()), hits


def test_students_interval_is_that_of_the_book() -> None:
    """Student 1908, hours of sleep gained: mean 1.58, s 1.23, t 2.262 with 9 degrees of freedom."""
    sleep = sample(1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4)
    found = estimators.mean_t(sleep)
    assert found.estimate == pytest.approx(1.58)
    assert found.high - 1.58 == pytest.approx(2.262 * 1.23 / np.sqrt(10), abs=0.001)
    assert found.p == pytest.approx(0.00283, abs=1e-5)


def test_equal_values_have_no_p() -> None:
    assert estimators.mean_t(np.zeros(4)).p is None


def test_wilsons_interval_by_hand() -> None:
    """8 of 10: (8 + z^2/2 ± z sqrt(8 * 2/10 + z^2/4)) / (10 + z^2) with z = 1.96."""
    found = estimators.proportion(8, 10)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


# --- paired changes ------------------------------------------------------------------------------


def test_a_clustered_mean_by_hand() -> None:
    """Without the first two the mean moves by 2, without the others by -2."""
    values, clusters = sample(1, 3, 5, 7), np.array(["a", "a", "b", "b"])
    found, error, freedom = estimators.clustered_mean(values, clusters)
    assert (found.estimate, found.n, error, freedom) == (4, 2, pytest.approx(2), 1)
    assert found.high - 4 == pytest.approx(2 * 12.7062, abs=1e-3)


def test_clusters_of_one_size_are_scipys_t_test_of_their_means() -> None:
    values, clusters = rng(1).normal(size=60), rng(2).permutation(np.repeat(np.arange(12), 5))
    means = [values[clusters == cluster].mean() for cluster in range(12)]
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    found, *_ = estimators.clustered_mean(values, clusters)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    totals = estimators.cluster_totals(values, clusters)
    assert totals == pytest.approx([5 * mean for mean in means])


# Units in the layers of GoogLeNet for ten classes, in no order.
LAYER_SIZES = np.array([10, 64, 64, 192] + [16, 32, 32, 64, 96, 128] * 4 + [24, 48, 112, 144, 208,
                       256, 320, 384, 160, 160] * 3)  # fmt: skip


def dependent(seed: int, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Changes of units, a fifth of whose variance is shared within a layer; and the layers."""
    layers = np.repeat(np.arange(len(LAYER_SIZES)), LAYER_SIZES)
    shared = rng(seed).normal(size=len(LAYER_SIZES))[layers]
    return 0.8**0.5 * rng(seed + 500).normal(size=len(layers)) + 0.2**0.5 * shared + effect, layers


def test_effect_size_by_hand() -> None:
    assert estimators.effect_size(sample(1, 2, 3)) == pytest.approx(2.0)
    assert np.isnan(estimators.effect_size(sample(1, 1)))
    assert np.isnan(estimators.effect_size(sample(1)))


# --- correlations --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_pearson_is_scipys(seed: int) -> None:
    x, y = rng(seed).normal(size=(2, 25))
    expected = stats.pearsonr(x, y)
    interval = expected.confidence_interval(0.95)
    found = estimators.correlation(x, y, ranks=False)
    assert found.estimate == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1, width=32)), min_size=6, max_size=15)
    .map(np.array)
    .filter(lambda pairs: np.ptp(pairs[:, 0]) > 0 and np.ptp(pairs[:, 1]) > 0)
)
def test_spearman_is_scipys(pairs: np.ndarray) -> None:
    x, y = pairs.T
    expected = stats.spearmanr(x, y)
    found = estimators.correlation(x, y, ranks=True)
    assert found.estimate == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert -1 <= found.low <= found.estimate + 1e-9
    assert found.estimate - 1e-9 <= found.high <= 1


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_correlation(sign: int) -> None:
    x = np.arange(12.0)
    found = estimators.correlation(x, sign * x**3, ranks=True)
    assert (found.estimate, found.low, found.high) == pytest.approx((sign, sign, sign))
    assert found.p < 1e-6


@pytest.mark.parametrize("ranks", [True, False])
def test_correlations_of_unrelated_numbers(ranks: bool) -> None:
    found = [
        estimators.correlation(*rng(seed).normal(size=(2, 16)), ranks=ranks)
        for seed in range(DRAWS)
    ]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.07
    assert 0.92 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.98


def test_intervals_cover_a_true_correlation() -> None:
    hits = 0
    for seed in range(DRAWS):
        x, noise = rng(seed).normal(size=(2, 24))
        found = estimators.correlation(x, 0.6 * x + 0.8 * noise, ranks=False)
        hits += found.low <= 0.6 <= found.high
    assert 0.92 <= hits / DRAWS <= 0.98


# --- no effect -----------------------------------------------------------------------------------


def test_students_interval_covers_and_seldom_errs() -> None:
    found = [estimators.mean_t(rng(seed).normal(size=5)) for seed in range(DRAWS)]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.07
    assert 0.92 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.98
    assert estimators.mean_t(rng().normal(2, 1, size=5)).p < 0.05


def test_wilsons_interval_covers() -> None:
    hits = rng().binomial(1000, 0.87, size=DRAWS)
    found = [estimators.proportion(int(number), 1000) for number in hits]
    assert 0.92 <= np.mean([one.low <= 0.87 <= one.high for one in found]) <= 0.98


def test_holm_seldom_errs_anywhere_in_a_family() -> None:
    families = rng().uniform(size=(DRAWS, 20))
    assert np.mean([estimators.holm(p).min() < 0.05 for p in families]) <= 0.07
    assert estimators.holm(np.append(families[0], 1e-5)).min() < 0.05


def test_equivalence_is_two_one_sided_t_tests() -> None:
    values = rng(1).normal(0.1, 1, size=50)
    error = values.std(ddof=1) / np.sqrt(50)
    found = estimators.equivalence(values.mean(), error, 49, 0.4, 50)
    above = stats.ttest_1samp(values, -0.4, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.4, alternative="less").pvalue
    assert found.p == pytest.approx(max(above, below))
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.90)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.level == 0.90


@given(st.floats(-2, 2), st.floats(0.01, 2))
def test_equivalence_is_shown_where_the_interval_lies_within_the_margin(
    estimate: float, error: float
) -> None:
    found = estimators.equivalence(estimate, error, 20, 1.0, 21)
    within = found.low > -1 and found.high < 1
    assert found.p is not None
    assert (found.p < 0.05) == within or found.p == pytest.approx(0.05)


def test_equivalence_at_the_margin_is_seldom_shown() -> None:
    shown = 0
    for seed in range(DRAWS):
        values = rng(seed).normal(0.5, 1, size=40)
        error = values.std(ddof=1) / np.sqrt(40)
        shown += estimators.equivalence(values.mean(), error, 39, 0.5, 40).p < 0.05
    assert shown / DRAWS <= 0.07


def test_equivalence_is_shown_where_there_is_no_change() -> None:
    changes, layers = dependent(0)
    mean, error, freedom = estimators.clustered_mean(changes, layers)
    assert estimators.equivalence(mean.estimate, error, freedom, 0.5, mean.n).p < 0.05


def test_holm_by_hand() -> None:
    """Holm 1979: .01 * 4, .02 * 3, .03 * 2 and .04 * 1, never below the one before."""
    corrected = estimators.holm(sample(0.04, 0.01, 0.03, 0.02))
    assert corrected.tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert estimators.holm(sample(0.6, 0.9)).tolist() == [1.0, 1.0]
    assert estimators.holm(sample()).tolist() == []


@given(
    st.lists(
        st.one_of(st.sampled_from([0.0, 0.01, 0.5, 1.0]), st.floats(0, 1)), min_size=1, max_size=40
    )
)
def test_holm_is_its_definition_to_the_last_bit(p: list[float]) -> None:
    """Of each p: the largest of what it and all smaller ones are, times the tests that remain."""
    ordered = sorted(p)
    expected = [
        min(1.0, max(ordered[k] * (len(p) - k) for k in range(len(p)) if ordered[k] <= one))
        for one in p
    ]
    assert estimators.holm(sample(*p)).tolist() == expected
