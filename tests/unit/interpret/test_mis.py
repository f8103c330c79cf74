"""The score against loops written from its definition, and units whose score is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from prunescope.foundation.errors import InputError
from prunescope.interpret import mis

TAU = 0.16


def settings(explanations: int = 3, tasks: int = 5, seed: int = 0) -> mis.ScoreSettings:
    return mis.ScoreSettings(explanations, tasks, TAU, "imi", seed)


def symmetric(images: int, rng: np.random.Generator, levels: int | None = None) -> np.ndarray:
    """A random similarity matrix in -1..1; with few `levels`, most entries are tied."""
    matrix = rng.uniform(-1, 1, size=(images, images))
    if levels:
        matrix = np.round(matrix * levels) / levels
    return np.triu(matrix, 1).astype(np.float32) + np.triu(matrix).astype(np.float32).T


def ranked(
    units: int, per_side: int, images: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random exemplars of each unit, no image on both sides."""
    dealt = np.array([rng.permutation(images)[: 2 * per_side] for _ in range(units)])
    return dealt[:, :per_side], dealt[:, per_side:]


def by_definition(
    positive: list, negative: list, similarity: np.ndarray
) -> tuple[float, float, float]:
    """Soft and hard score and mean delta of one unit, from tasks of (query, *explanations)."""

    def s(query: int, explanations: list[int]) -> float:
        return sum(float(similarity[query][image]) for image in explanations) / len(explanations)

    deltas = []
    for (strong_query, *strong), (weak_query, *weak) in zip(positive, negative, strict=True):
        of_strong = s(strong_query, strong) - s(strong_query, weak)
        of_weak = s(weak_query, strong) - s(weak_query, weak)
        deltas.append(of_strong - of_weak)
    soft = [1 / (1 + math.exp(-delta / TAU)) for delta in deltas]
    hard = [delta > 0 for delta in deltas]
    return tuple(sum(values) / len(values) for values in (soft, hard, deltas))


# --- against the definition ----------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 2]), st.integers(1, 4))
def test_one_task_equals_the_definition(seed: int, levels: int | None, explanations: int) -> None:
    """With one task nothing is drawn: image i is of bin i."""
    rng = np.random.default_rng(seed)
    similarity = symmetric(30, rng, levels)
    chosen = settings(explanations, tasks=1)
    strongest, weakest = ranked(6, chosen.images_per_side, 30, rng)
    scores = mis.score_units(strongest, weakest, similarity, chosen)
    expected = [
        by_definition([strong], [weak], similarity)
        for strong, weak in zip(strongest.tolist(), weakest.tolist(), strict=True)
    ]
    np.testing.assert_allclose(np.transpose(scores), expected, atol=1e-6)


@pytest.mark.parametrize("levels", [None, 2])
def test_scores_equal_the_definition_over_the_drawn_tasks(levels: int | None) -> None:
    rng = np.random.default_rng(3)
    chosen = settings(explanations=4, tasks=6, seed=7)
    similarity = symmetric(100, rng, levels)
    strongest, weakest = ranked(8, chosen.images_per_side, 100, rng)
    draws = np.random.default_rng(chosen.seed)
    positive = mis.draw_imi(strongest, chosen, draws)
    negative = mis.draw_imi(weakest, chosen, draws)
    expected = [
        by_definition(tasks, others, similarity)
        for tasks, others in zip(positive.tolist(), negative.tolist(), strict=True)
    ]
    scores = mis.score_units(strongest, weakest, similarity, chosen)
    np.testing.assert_allclose(np.transpose(scores), expected, atol=1e-6)


def test_a_task_by_hand() -> None:
    """K = 2. Images 0, 1, 2 are strong, 3, 4, 5 weak; the first of each is the query."""
    similarity = np.eye(6, dtype=np.float32)
    for one, other, value in [
        (0, 1, 0.8), (0, 2, 0.6),  # q+ to E+: 0.7
        (0, 4, 0.1), (0, 5, 0.3),  # q+ to E-: 0.2
        (3, 1, 0.4), (3, 2, 0.0),  # q- to E+: 0.2
        (3, 4, 0.5), (3, 5, 0.1),  # q- to E-: 0.3
    ]:  # fmt: skip
        similarity[one, other] = similarity[other, one] = value
    chosen = settings(explanations=2, tasks=1)
    soft, hard, delta = mis.score_units(
        np.array([[0, 1, 2]]), np.array([[3, 4, 5]]), similarity, chosen
    )
    assert delta == pytest.approx([0.7 - 0.2 - 0.2 + 0.3])
    assert soft == pytest.approx([1 / (1 + math.exp(-0.6 / 0.16))])
    assert hard.tolist() == [1.0]


def test_a_delta_of_zero_is_no_hit() -> None:
    strongest, weakest = np.arange(20)[None], np.arange(20, 40)[None]
    soft, hard, delta = mis.score_units(
        strongest, weakest, np.zeros((40, 40), dtype=np.float32), settings()
    )
    assert (soft[0], hard[0], delta[0]) == (0.5, 0.0, 0.0)


@pytest.mark.parametrize("side", [0, 1])
def test_exemplars_of_another_probe_set_are_refused(side: int) -> None:
    sides = [np.arange(20)[None], np.arange(20, 40)[None]]
    sides[side] = sides[side] + 40
    with pytest.raises(InputError, match=r"image \d+ is one of them, .* of 40 images only"):
        mis.score_units(*sides, np.zeros((40, 40), dtype=np.float32), settings())


# --- the draw ------------------------------------------------------------------------------------


@given(
    units=st.integers(1, 4),
    tasks=st.integers(1, 6),
    explanations=st.integers(1, 4),
    spare=st.integers(0, 5),
    seed=st.integers(0, 100),
)
def test_a_task_takes_one_image_of_each_bin(
    units: int, tasks: int, explanations: int, spare: int, seed: int
) -> None:
    chosen = settings(explanations, tasks)
    rng = np.random.default_rng(seed)
    exemplars = np.array(
        [rng.permutation(500)[: chosen.images_per_side + spare] for _ in range(units)]
    )
    drawn = mis.draw_imi(exemplars, chosen, rng)
    assert drawn.shape == (units, tasks, explanations + 1)
    for unit in range(units):
        for position in range(explanations + 1):
            # Without replacement: the tasks use up the bin. Position 0, the query, is of the
            # most extreme bin.
            ranked_bin = exemplars[unit, position * tasks : (position + 1) * tasks]
            assert sorted(drawn[unit, :, position]) == sorted(ranked_bin)


def test_the_draw_is_random_and_seeded() -> None:
    chosen = settings(explanations=9, tasks=20)
    exemplars = np.tile(np.arange(200), (50, 1))

    def draw(seed: int) -> np.ndarray:
        return mis.draw_imi(exemplars, chosen, np.random.default_rng(seed))

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    drawn = draw(1)
    assert (drawn[0] != drawn[1]).any()  # each unit is dealt anew
    # Bins are shuffled apart from each other: two positions of a task are uncorrelated.
    first, second = drawn[..., 0].ravel() % 20, drawn[..., 1].ravel() % 20
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15  # 1,000 tasks: standard error 0.03


# --- units whose score is known ------------------------------------------------------------------


def clusters(images: int) -> np.ndarray:
    """Similarity 1 within the first and within the second half, 0 between them."""
    half = np.arange(images) < images // 2
    return (half[:, None] == half).astype(np.float32)


def test_two_clean_clusters_are_told_apart() -> None:
    images = np.arange(400)[None]
    chosen = settings(explanations=9, tasks=20)
    strongest, weakest = images[:, :200], images[:, 200:]
    soft, hard, delta = mis.score_units(strongest, weakest, clusters(400), chosen)
    assert delta == pytest.approx([2.0])
    assert soft == pytest.approx([special.expit(2 / TAU)])
    assert hard.tolist() == [1.0]


def test_an_inverted_metric_is_always_wrong() -> None:
    images = np.arange(400)[None]
    chosen = settings(explanations=9, tasks=20)
    soft, hard, _ = mis.score_units(images[:, :200], images[:, 200:], 1 - clusters(400), chosen)
    assert soft[0] < 1e-4
    assert hard.tolist() == [0.0]


def test_units_that_respond_at_random_score_one_half() -> None:
    rng = np.random.default_rng(0)
    chosen = settings(explanations=9, tasks=20)
    strongest, weakest = ranked(300, 200, 500, rng)
    similarity = clusters(500) * 0.5 + symmetric(500, rng) * 0.2
    soft, hard, delta = mis.score_units(strongest, weakest, similarity, chosen)
    for scores, chance in ((soft, 0.5), (hard, 0.5), (delta, 0.0)):
        error = scores.std() / math.sqrt(len(scores))
        assert abs(scores.mean() - chance) < 4 * error
        assert error < 0.02


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 100))
def test_scores_lie_in_0_to_1(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    strongest, weakest = ranked(4, 20, 60, rng)
    similarity = symmetric(60, rng) * np.float32(spread)
    soft, hard, delta = mis.score_units(strongest, weakest, similarity, settings())
    for scores in (soft, hard):
        assert scores.shape == (4,)
        assert scores.dtype == np.float64
        assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.abs(delta) <= 4 * spread).all()


@given(st.integers(0, 2**32 - 1))
def test_names_of_images_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = symmetric(60, rng)
    strongest, weakest = ranked(5, 20, 60, rng)
    renamed = rng.permutation(60)
    moved = np.empty_like(similarity)
    moved[np.ix_(renamed, renamed)] = similarity
    scores = mis.score_units(strongest, weakest, similarity, settings())
    again = mis.score_units(renamed[strongest], renamed[weakest], moved, settings())
    np.testing.assert_array_equal(again, scores)


def test_exemplars_beyond_those_needed_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    similarity = symmetric(100, rng)
    strongest, weakest = ranked(5, 30, 100, rng)
    scores = mis.score_units(strongest, weakest, similarity, settings())
    needed = settings().images_per_side
    again = mis.score_units(strongest[:, :needed], weakest[:, :needed], similarity, settings())
    np.testing.assert_array_equal(again, scores)


@pytest.mark.parametrize("short", ["strongest", "weakest"])
def test_too_few_exemplars_are_refused(short: str) -> None:
    sides = {"strongest": np.zeros((2, 20), int), "weakest": np.zeros((2, 20), int)}
    sides[short] = sides[short][:, :19]
    with pytest.raises(InputError, match=r"need 20 exemplars on each side, but 19") as refusal:
        mis.score_units(similarity=np.zeros((1, 1)), settings=settings(), **sides)
    assert "per_side" in str(refusal.value)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_equals_expit(x: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert mis.sigmoid(np.array(x)) == pytest.approx(special.expit(x), abs=1e-15)


# --- the draw by quantile, and the query --------------------------------------------------------


def by_quantile(query: int = 0, pool: int = 12, tasks: int = 200) -> mis.ScoreSettings:
    return mis.ScoreSettings(3, tasks, TAU, "quantile", 0, query, pool)


def test_quantile_draws_distinct_images_of_the_pool_in_their_order() -> None:
    exemplars = np.tile(np.arange(30), (2, 1))  # the image is the rank
    drawn = mis.draw_quantile(exemplars, by_quantile(), np.random.default_rng(0))
    assert drawn.shape == (2, 200, 4)
    assert (np.diff(drawn, axis=2) > 0).all()
    assert set(drawn.ravel()) == set(range(12))
    # Every image is as likely: 2 * 200 * 4 draws of 12 images.
    counts = np.bincount(drawn.ravel())
    assert counts == pytest.approx(np.full(12, 1600 / 12), rel=0.25)


def test_the_query_is_the_image_of_its_rank() -> None:
    exemplars = np.tile(np.arange(12), (3, 1))
    for query in range(4):
        positive, negative = mis.draw_tasks(exemplars, exemplars, by_quantile(query))
        for tasks in (positive, negative):
            ranked_tasks = np.sort(tasks, axis=2)
            np.testing.assert_array_equal(tasks[..., 0], ranked_tasks[..., query])
            rest = np.delete(ranked_tasks, query, axis=2)
            np.testing.assert_array_equal(tasks[..., 1:], rest)


def test_a_pool_needs_its_exemplars() -> None:
    exemplars = np.zeros((1, 11), dtype=np.int64)
    with pytest.raises(InputError, match="need 12 exemplars"):
        mis.score_units(exemplars, exemplars, np.eye(11, dtype=np.float32), by_quantile())
