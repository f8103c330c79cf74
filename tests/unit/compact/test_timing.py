"""Times are taken in turns and compared within a round; memory is that of the work alone."""

import os
from collections import Counter

import numpy as np
import pytest

from prunescope.compact import timing

MIB = 2**20


def test_every_run_has_its_turn_in_every_round() -> None:
    calls: list[str] = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    seconds = timing.take_turns(runs, 7)
    assert Counter(calls) == dict.fromkeys("abc", 7 + timing.WARM_UP)
    timed = calls[3 * timing.WARM_UP :]
    rounds = [timed[start : start + 3] for start in range(0, 21, 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) > 1, "the order changes"
    assert {name: values.shape for name, values in seconds.items()} == dict.fromkeys("abc", (7,))
    assert all((values > 0).all() for values in seconds.values())


def test_times_are_compared_within_a_round() -> None:
    # The machine became ten times slower in the third round: the ratio does not show it.
    seconds = {"dense": np.array([1.0, 2.0, 10.0]), "compact": np.array([0.5, 1.0, 5.0])}
    rows = timing.compare(seconds, "dense")
    assert rows["compact"] == {
        "seconds": 1.0, "relative_time": 0.5, "relative_time_low": 0.5, "relative_time_high": 0.5
    }  # fmt: skip
    assert rows["dense"]["relative_time"] == 1
    spread = timing.compare({"d": np.ones(5), "x": np.array([5.0, 1, 2, 3, 4])}, "d")["x"]
    assert (spread["relative_time_low"], spread["relative_time_high"]) == (2, 4)


def test_memory_is_that_of_the_work() -> None:
    def work(mebibytes: int):
        return lambda: np.ones(mebibytes * MIB, dtype=np.uint8)

    # In pieces that stay with the process when they are freed, and seem to be there already.
    pieces = [np.ones(MIB // 16, dtype=np.uint8) for _ in range(1600)]
    assert len(pieces) == 1600
    del pieces
    for expected in (20, 80):
        peak = timing.peak_memory(work(expected), warm_up=work(1)) / MIB
        assert expected - 1 <= peak < expected + 12


def test_a_process_that_breaks_down_is_reported() -> None:
    with pytest.raises(RuntimeError, match="broke down"):
        timing.peak_memory(lambda: os._exit(3), warm_up=lambda: None)
