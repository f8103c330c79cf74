"""Places at an accuracy: at networks, between them, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.summarize.matching.interpolation import Place, last_place

accuracies = st.lists(st.integers(0, 100), min_size=1, max_size=6).map(
    lambda values: np.array(values) / 100
)
levels = st.integers(0, 100).map(lambda value: value / 100)


@pytest.mark.parametrize(
    ("points", "level", "expected"),
    [
        # Half way, a quarter of the way, and at a network.
        ([0.9, 0.8], 0.85, (0, 0.5)),
        ([0.9, 0.8, 0.4], 0.7, (1, 0.25)),
        ([0.9, 0.8, 0.4], 0.8, (1, 0.0)),
        ([0.9, 0.8, 0.4], 0.4, (2, 0.0)),
        # The accuracy passes 0.8 three times: the last time counts.
        ([0.9, 0.7, 0.9, 0.7], 0.8, (2, 0.5)),
        # A network that happens to be as accurate, after others that are not.
        ([0.9, 0.5, 0.8], 0.8, (2, 0.0)),
        # Nothing is extrapolated.
        ([0.9, 0.8], 0.7, None),
        ([0.9, 0.8], 0.95, None),
        ([0.7, 0.9], 0.8, None),
        ([0.9], 0.9, (0, 0.0)),
        ([0.9], 0.8, None),
    ],
)
def test_where_a_level_is_found(points, level, expected) -> None:
    found = last_place(np.array(points), level)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.index, found.share) == (expected[0], pytest.approx(expected[1]))


def test_values_lie_on_the_line_between_both_networks() -> None:
    values = np.array([0.2, 0.6, np.nan])
    assert Place(0, 0.25).of(values) == pytest.approx(0.3)
    assert Place(1, 0.0).of(values) == 0.6
    assert np.isnan(Place(1, 0.5).of(values))


@given(accuracies, levels)
def test_a_place_has_the_accuracy_and_nothing_after_it_reaches_it(points, level) -> None:
    found = last_place(points, level)
    reached = points >= level
    if not reached.any() or points[-1] > level:
        assert found is None
        return
    assert found is not None
    assert 0 <= found.share < 1
    assert found.of(points) == pytest.approx(level)
    assert not reached[found.index + 1 :].any()


@given(accuracies, levels, levels)
def test_less_accuracy_is_never_found_before_more(points, one, other) -> None:
    low, high = sorted((one, other))
    places = [last_place(points, level) for level in (high, low)]
    if None not in places:
        first, second = (place.index + place.share for place in places)
        assert first <= second + 1e-12


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6, unique=True), st.data())
def test_each_network_is_found_at_its_own_accuracy_exactly(values, data) -> None:
    points = np.array(sorted(values, reverse=True)) / 100
    scores = np.array(data.draw(st.permutations(range(len(points)))), dtype=np.float64)
    for index, accuracy in enumerate(points):
        found = last_place(points, accuracy)
        assert found == Place(index, 0.0)
        assert found.of(scores) == scores[index]
