"""Saved states: a state that is read equals the state that was written, or is refused."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prunescope.foundation.errors import SupersededError
from prunescope.train.saved_state import SavedState, fingerprint_of

TENSORS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.asarray(7, dtype=np.int64),
    "random": np.arange(9, dtype=np.uint8),
}
VALUES = {"rows": [{"epoch": 0, "loss": 0.1 + 0.2, "lr": None}], "step": 7}


@pytest.fixture
def side(tmp_path: Path) -> Callable[..., SavedState]:
    network = tmp_path / "input.safetensors"
    network.write_bytes(b"weights")

    def make(**settings: object) -> SavedState:
        recipe = {"code": "abc", "recipe": {"lr": 0.1, "epochs": 3}, **settings}
        return SavedState(tmp_path / "run", recipe, (str(network),), every_seconds=1)

    return make


def test_what_is_saved_comes_back(side: Callable) -> None:
    side().save(TENSORS, VALUES)
    tensors, values = side().load()
    assert values == VALUES
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensors[name], tensor)


def test_nothing_saved_is_nothing_to_resume(side: Callable) -> None:
    assert side().load() is None


@pytest.mark.parametrize(
    "change",
    [{"recipe": {"lr": 0.2, "epochs": 3}}, {"code": "abd"}, {"seed": 1}],
    ids=["recipe", "code", "seed"],
)
def test_the_state_of_another_training_is_refused_by_name(
    side: Callable, caplog: pytest.LogCaptureFixture, change: dict
) -> None:
    theirs = side(**change)
    theirs.save(TENSORS, VALUES)
    with caplog.at_level(logging.WARNING, logger="prunescope"):
        assert side().load() is None
    assert f"refused {theirs.path}: the state of a training with another" in caplog.text
    assert next(iter(change)) in caplog.text
    assert theirs.load() is not None, "it must still be there for its own training"


def test_the_state_for_other_inputs_is_refused(
    side: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    before = side()
    before.save(TENSORS, VALUES)
    Path(before.inputs[0]).write_bytes(b"other weights")
    with caplog.at_level(logging.WARNING, logger="prunescope"):
        assert side().load() is None
    assert f"another {before.inputs[0]}" in caplog.text


def test_a_state_under_a_wrong_name_is_refused(
    side: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    other, ours = side(seed=1), side()
    other.save(TENSORS, VALUES)
    other.path.rename(ours.path)
    with caplog.at_level(logging.WARNING, logger="prunescope"):
        assert ours.load() is None
    assert "another seed" in caplog.text


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def truncate_header(content: bytes) -> bytes:
    return content[:5]


def empty(content: bytes) -> bytes:
    return b""


def flip(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


def change_values(content: bytes) -> bytes:
    assert content.count(b'\\"epoch\\": 0') == 1
    return content.replace(b'\\"epoch\\": 0', b'\\"epoch\\": 9')


@pytest.mark.parametrize("damage", [truncate, truncate_header, empty, flip, change_values])
def test_a_damaged_state_is_detected_and_the_one_before_it_used(
    side: Callable, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    ours = side()
    ours.save(TENSORS, {**VALUES, "step": 6})
    ours.save(TENSORS, VALUES)
    ours.path.write_bytes(damage(ours.path.read_bytes()))
    with caplog.at_level(logging.INFO, logger="prunescope"):
        _, values = side().load()
    assert values["step"] == 6
    assert f"refused {ours.path}: damaged" in caplog.text
    assert f"going on from {ours.previous}" in caplog.text


def test_a_write_that_failed_leaves_the_last_state(
    side: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = side()
    ours.save(TENSORS, VALUES)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            ours.save(TENSORS, {**VALUES, "step": 8})
    assert ours.load()[1]["step"] == 7
    assert sorted(path.name for path in ours.folder.iterdir()) == [ours.path.name]


def test_a_late_job_leaves_nothing_beside_a_finished_network(side: Callable) -> None:
    late, finished = side(), side()
    late.lease.claim()
    finished.lease.claim()
    finished.remove()
    late.save(TENSORS, VALUES)
    with pytest.raises(SupersededError, match="a job that has finished"):
        late.stop_if_late()
    assert not list(late.folder.iterdir())


def test_a_late_job_leaves_the_state_of_a_job_that_goes_on(side: Callable) -> None:
    late, other = side(), side()
    late.lease.claim()
    other.lease.claim()
    other.save(TENSORS, VALUES)
    with pytest.raises(SupersededError, match="process"):
        late.stop_if_late()
    other.stop_if_late()
    assert other.exists


def test_success_removes_the_states_of_all_trainings(side: Callable) -> None:
    ours, other = side(), side(seed=1)
    for state in (other, ours, ours):
        state.save(TENSORS, VALUES)
    kept = ours.folder / "network.safetensors"
    kept.touch()
    cut_off = ours.folder / f".{ours.path.name}.{'0' * 16}.safetensors"
    cut_off.touch()
    assert len(list(ours.folder.iterdir())) == 5
    ours.remove()
    assert list(ours.folder.iterdir()) == [kept]


def test_large_files_are_told_apart_by_size_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunescope.train.saved_state.WHOLE_BELOW", 100)
    monkeypatch.setattr("prunescope.train.saved_state.END", 10)
    contents = [b"a" * 200, b"a" * 201, b"b" + b"a" * 199, b"a" * 199 + b"b"]
    digests = set()
    for content in contents:
        (tmp_path / "file").write_bytes(content)
        digests.add(fingerprint_of(tmp_path / "file"))
    assert len(digests) == 4


def test_the_job_that_came_last_holds_the_lease(side: Callable) -> None:
    early, late = side(), side()
    early.lease.claim()
    assert early.lease.taken_over_by() is None
    late.lease.claim()
    assert early.lease.taken_over_by() == late.lease.owner
    assert late.lease.taken_over_by() is None
    late.remove()
    assert early.lease.taken_over_by() == "a job that has finished"
