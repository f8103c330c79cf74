"""Samples are balanced, seeded and fair."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data import sampling
from prunescope.foundation.errors import InputError


@given(
    labels=st.lists(st.sampled_from([0, 1, 5, 9]), min_size=1, max_size=40),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_samples_are_as_even_as_the_counts_allow(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(labels)))
    sample = sampling.sample_rows(np.array(labels), number, seed, key="k")
    assert sample.dtype == np.int64
    assert len(sample) == number
    assert (np.diff(sample) > 0).all()  # sorted, no image twice
    assert all(0 <= index < len(labels) for index in sample)
    available, taken = Counter(labels), Counter(labels[index] for index in sample)
    unexhausted = [taken[label] for label in available if taken[label] < available[label]]
    assert all(number <= least + 1 for number in taken.values() for least in unexhausted)


def test_samples_of_a_balanced_set_are_balanced() -> None:
    labels = np.repeat(np.arange(10), 30)
    sample = sampling.sample_rows(labels, 55, 0, key="k")
    assert set(Counter(labels[sample]).values()) == {5, 6}


def test_samples_are_seeded_and_fair() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])

    def draw(seed: int, number: int) -> list[int]:
        return sampling.sample_rows(labels, number, seed, key="k").tolist()

    assert draw(3, 2) == draw(3, 2)
    drawn = Counter(index for seed in range(600) for index in draw(seed, 2))
    # One of each class: an image of class 0 in a quarter of the draws, of class 1 in a half.
    for index, expected in enumerate([150, 150, 150, 150, 300, 300]):
        assert abs(drawn[index] - expected) < 60  # standard deviations 10.6 and 12.2
    single = Counter(labels[draw(seed, 1)[0]] for seed in range(600))
    assert abs(single[0] - 300) < 60


def test_too_large_samples_are_refused() -> None:
    with pytest.raises(InputError, match=r"^some\.key: 7 images are asked for, but there are 6"):
        sampling.sample_rows(np.zeros(6, int), 7, 0, key="some.key")


@given(classes=st.integers(1, 9), per_class=st.integers(1, 20), most=st.integers(1, 60))
def test_parts_of_a_split_that_is_sorted_by_class_are_balanced(
    classes: int, per_class: int, most: int
) -> None:
    labels = np.repeat(np.arange(classes), per_class)
    part = sampling.draw_part(labels, most)
    assert len(part) == min(most, len(labels))
    counts = np.bincount(labels[part], minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert (sampling.draw_part(labels, most) == part).all()
