"""Streaming extremes against a sort of all activations at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.foundation.errors import InputError
from prunescope.interpret import exemplars, mis
from prunescope.interpret.exemplars import ExemplarSettings, RankedImages, RunningExtremes

TIES = ("random", "dataset_order")
TIED = [-1.0, -0.0, 0.0, 0.5, 1e-40, -1e-40, 3e38]
any_float = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def probes(draw: st.DrawFn) -> np.ndarray:
    """Activations `(images, units)`, random or heavily tied."""
    shape = draw(st.tuples(st.integers(1, 25), st.integers(1, 4)))
    elements = draw(st.sampled_from([any_float, st.sampled_from(TIED)]))
    return draw(hnp.arrays(np.float32, shape, elements=elements, fill=st.nothing()))


def stream(
    activations: np.ndarray, settings: ExemplarSettings, batch: int = 7
) -> tuple[RankedImages, RankedImages]:
    running = RunningExtremes(len(activations), settings)
    for start in range(0, len(activations), batch):
        running.update(activations[start : start + batch])
    return running.extremes()


def places(images: int, settings: ExemplarSettings) -> np.ndarray:
    """The place of each image in the tie order, as a unit that never responds reveals it."""
    everything = ExemplarSettings(images, settings.ties, settings.seed)
    strongest, _ = stream(np.zeros((images, 1), np.float32), everything)
    return np.argsort(strongest.indices[0])


def both_sides(
    settings: ExemplarSettings, activations: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices and activations of the strongest and the weakest images, by sorting all of them."""
    place = places(len(activations), settings)
    sides = []
    for sign in (1, -1):
        order = np.transpose([np.lexsort((sign * place, -sign * unit)) for unit in activations.T])
        chosen = order[: settings.per_side]
        sides.append((chosen.T, np.take_along_axis(activations, chosen, axis=0).T))
    return sides


@given(
    activations=probes(),
    ties=st.sampled_from(TIES),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_streaming_equals_sorting(
    activations: np.ndarray, ties: str, seed: int, data: st.DataObject
) -> None:
    images = len(activations)
    settings = ExemplarSettings(data.draw(st.integers(1, images)), ties, seed)
    expected = both_sides(settings, activations)
    for batch in {1, 3, data.draw(st.integers(1, images)), images}:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exemplars, "UNITS_A_BLOCK", data.draw(st.sampled_from([1, 3, 128])))
            sides = stream(activations, settings, batch)
        for side, (indices, values) in zip(sides, expected, strict=True):
            np.testing.assert_array_equal(side.indices, indices)
            np.testing.assert_array_equal(side.activations, values)
            assert not np.signbit(side.activations[side.activations == 0]).any()


@given(activations=probes(), ties=st.sampled_from(TIES))
def test_no_image_is_on_both_sides(activations: np.ndarray, ties: str) -> None:
    """Also where activations are tied: otherwise a dead unit's two sides would be the same."""
    doubled = np.concatenate([activations, activations])
    strongest, weakest = stream(doubled, ExemplarSettings(len(activations), ties, 0))
    for strong, weak in zip(strongest.indices, weakest.indices, strict=True):
        assert not set(strong) & set(weak)


def test_by_hand() -> None:
    activations = np.float32([[5], [1], [5], [3], [1]])
    strongest, weakest = stream(activations, ExemplarSettings(3, "dataset_order", 0), batch=2)
    assert strongest.indices.tolist() == [[0, 2, 3]]
    assert strongest.activations.tolist() == [[5, 5, 3]]
    assert weakest.indices.tolist() == [[4, 1, 3]]
    assert weakest.activations.tolist() == [[1, 1, 3]]


def test_dataset_order_takes_the_ends_of_the_dataset() -> None:
    silent = np.zeros((10, 1), np.float32)
    strongest, weakest = stream(silent, ExemplarSettings(3, "dataset_order", 0))
    assert strongest.indices.tolist() == [[0, 1, 2]]
    assert weakest.indices.tolist() == [[9, 8, 7]]


def test_random_ties_are_seeded() -> None:
    silent = np.zeros((100, 1), np.float32)

    def order(seed: int) -> list[int]:
        return stream(silent, ExemplarSettings(100, "random", seed))[0].indices[0].tolist()

    assert order(1) == order(1)
    assert sorted(order(1)) == list(range(100))
    in_place = [sum(a == b for a, b in zip(order(1), other, strict=True))
                for other in (order(2), range(100), range(99, -1, -1))]  # fmt: skip
    assert max(in_place) < 10  # of 100; one is expected


@given(activations=probes(), data=st.data())
def test_a_permutation_of_the_images_changes_nothing_but_ties(
    activations: np.ndarray, data: st.DataObject
) -> None:
    images = len(activations)
    permutation = np.array(data.draw(st.permutations(range(images))))
    settings = ExemplarSettings(data.draw(st.integers(1, images)), "random", 0)
    before = stream(activations, settings)
    after = stream(activations[permutation], settings)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new.activations, old.activations)
        for unit, (was, now) in enumerate(zip(old.indices, permutation[new.indices], strict=True)):
            values, number = np.unique(activations[:, unit], return_counts=True)
            alone = values[number == 1]
            untied = np.isin(activations[was, unit], alone)
            np.testing.assert_array_equal(now[untied], was[untied])


ONE_LAYER = np.array(["conv", "conv"])
TWO_LAYERS = np.array(["conv", "other"])


def constant(activations: np.ndarray, layers: np.ndarray) -> list[bool]:
    settings = ExemplarSettings(2, "random", 0)
    return exemplars.is_constant(*stream(activations, settings), layers).tolist()


@pytest.mark.parametrize(
    ("spread", "expected"), [(0.0, True), (0.99e-8, True), (1.01e-8, False), (1.0, False)]
)
def test_constant_units(spread: float, expected: bool) -> None:
    """Alone in its layer, with values around zero, a unit may have a tiny spread."""
    activations = np.outer(np.arange(6), [spread / 5, 1]).astype(np.float32)
    assert constant(activations, TWO_LAYERS) == [expected, False]


@pytest.mark.parametrize(("spread", "expected"), [(0.9e-5, True), (1.1e-5, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_scale_is_that_of_the_layer(spread: float, expected: bool, sign: int) -> None:
    activations = np.outer(np.arange(6), [spread / 5, sign / 5]).astype(np.float32)
    assert constant(100 * activations, ONE_LAYER) == [expected, False]
    assert constant(100 * activations, TWO_LAYERS) == [False, False]


def test_a_large_constant_response_is_constant() -> None:
    """Rounding alone tells its images apart."""
    noise = np.random.default_rng(0).normal(size=(6, 2))
    activations = (1e6 + 0.1 * noise).astype(np.float32)
    assert len(np.unique(activations)) > 1
    assert constant(activations, TWO_LAYERS) == [True, True]


def test_units_whose_exemplars_are_ties_of_half_precision_are_constant() -> None:
    """64 images between 1 and 1.01, of which float16 can tell eleven values apart."""
    fine = np.linspace(1, 1.01, 64, dtype=np.float32)[:, None]
    settings = ExemplarSettings(20, "random", 0)
    layers = np.array(["conv"])
    assert exemplars.is_constant(*stream(fine, settings), layers).tolist() == [False]
    coarse = fine.astype(np.float16).astype(np.float32)
    assert len(np.unique(coarse)) == 11
    assert exemplars.is_constant(*stream(coarse, settings), layers).tolist() == [True]


def test_tied_fraction_by_hand() -> None:
    strongest = RankedImages(np.zeros((2, 4), int), np.float32([[9, 9, 8, 7], [4, 3, 2, 1]]))
    weakest = RankedImages(np.zeros((2, 4), int), np.float32([[1, 1, 1, 2], [0, 0.5, 0.5, 0.7]]))
    # Of eight exemplars, five and two share their activation.
    assert exemplars.tied_fraction(strongest, weakest).tolist() == [5 / 8, 2 / 8]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_diverged_network_is_refused(value: float) -> None:
    activations = np.zeros((6, 3), np.float32)
    activations[4, 1] = value
    with pytest.raises(InputError, match="diverged"):
        stream(activations, ExemplarSettings(2, "random", 0), batch=2)


def test_more_exemplars_than_images_are_refused() -> None:
    RunningExtremes(5, ExemplarSettings(5, "random", 0))
    with pytest.raises(InputError, match=r"per_side: 6 exemplars .* 5 probe images"):
        RunningExtremes(5, ExemplarSettings(6, "random", 0))


def state_bytes(running: RunningExtremes) -> int:
    arrays = [value for value in vars(running).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes if array.base is None else array.base.nbytes for array in arrays)


def test_there_are_as_many_extremes_as_images_so_far() -> None:
    running = RunningExtremes(10, ExemplarSettings(5, "random", 0))
    running.update(np.array([[1], [3], [2]], np.float32))
    strongest, weakest = running.extremes()
    assert strongest.activations.tolist() == [[3, 2, 1]]
    assert weakest.indices.tolist() == [[0, 2, 1]]


def test_memory_does_not_grow_with_the_images() -> None:
    running = RunningExtremes(2000, ExemplarSettings(10, "random", 0))
    sizes = []
    for _ in range(40 // exemplars.BATCHES_A_MERGE):
        for _ in range(exemplars.BATCHES_A_MERGE):
            running.update(np.random.default_rng(0).random((50, 300), dtype=np.float32))
            assert len(running._waiting) < exemplars.BATCHES_A_MERGE
        assert not running._waiting
        sizes.append(state_bytes(running))
    assert len(set(sizes)) == 1
    extremes = 300 * 10 * 2  # units x per_side x sides; the tie order and its inverse come on top
    assert sizes[0] <= 8 * (extremes + 2 * 2000)


@given(
    hnp.arrays(np.float32, 20, elements=st.one_of(any_float, st.sampled_from(TIED))),
    hnp.arrays(np.int64, 20, elements=st.integers(0, 2**32 - 1)),
)
def test_keys_hold_and_order_activations_and_ranks(
    activations: np.ndarray, ranks: np.ndarray
) -> None:
    keys = exemplars.pack(activations + np.float32(0), ranks)  # no -0.0
    assert keys.dtype == np.int64
    again, rank_again = exemplars.unpack(keys)
    np.testing.assert_array_equal(again, activations)
    np.testing.assert_array_equal(rank_again, ranks)
    pairs = list(zip(activations.tolist(), ranks.tolist(), strict=True))
    by_key = sorted(range(20), key=keys.tolist().__getitem__)
    assert [pairs[i] for i in by_key] == sorted(pairs)


def test_a_dead_unit_looks_pure_only_in_dataset_order() -> None:
    """Images sorted by class make the exemplars of a dead unit pure: an artefact of the paper."""
    label = np.repeat(np.arange(10), 40)
    similarity = (label[:, None] == label).astype(np.float32)
    silent = np.zeros((400, 1), np.float32)
    chosen = mis.ScoreSettings(explanations=3, tasks=10, tau=0.16, draw="imi", seed=0)

    def score(ties: str, seed: int) -> float:
        strongest, weakest = stream(silent, ExemplarSettings(40, ties, seed), batch=50)
        return mis.score_units(strongest.indices, weakest.indices, similarity, chosen)[0][0]

    assert score("dataset_order", 0) > 0.99
    at_random = [score("random", seed) for seed in range(60)]
    error = np.std(at_random) / np.sqrt(len(at_random))
    assert abs(np.mean(at_random) - 0.5) < 4 * error < 0.1
