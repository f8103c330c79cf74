"""Event files have the points of the history, once each, as TensorBoard itself reads them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from event_points import NEEDED, points
from trained import RECIPE, build, task

from prunescope.foundation.errors import StoppedError
from prunescope.train import event_files, training, training_job
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings

SHORT = replace(RECIPE, epochs=3)
# 64 images in batches of 8.
STEPS = 8


def expected(history: pl.DataFrame) -> dict[str, list[tuple[int, float]]]:
    return {
        name: [
            (step, pytest.approx(value))
            for step, value in history.select("step", name).drop_nulls().iter_rows()
        ]
        for name in event_files.SCALARS
    }


def train(folder: Path, around: Surroundings, **fields: Any) -> pl.DataFrame:
    """Train for a few epochs and write an event file."""
    module, masks = build()
    described = replace(task(masks, SHORT), **fields)
    rows = training.train(module, described, around)
    return training_job.follow(event_files.written(rows, folder))


def test_curves_are_the_columns_of_the_history(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=NEEDED)
    history = train(tmp_path, Surroundings())
    found = points(tmp_path)
    assert found == expected(history)
    assert [step for step, _ in found["sparsity"]] == [0, STEPS, 2 * STEPS, 3 * STEPS]
    # Before training there is no training loss.
    assert [step for step, _ in found["train_loss"]] == [STEPS, 2 * STEPS, 3 * STEPS]
    assert len(list(tmp_path.glob(event_files.PATTERN))) == 1


def test_rows_are_there_while_the_training_runs(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=NEEDED)
    module, masks = build()
    rows = event_files.written(training.train(module, task(masks, SHORT)), tmp_path)
    next(rows)
    next(rows)
    assert [step for step, _ in points(tmp_path)["validation_top1"]] == [0, STEPS]


def test_no_point_stands_twice_after_an_interruption(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=NEEDED)
    taken = iter(range(100))
    # In the middle of the second epoch.
    around = Surroundings(
        saved_state=SavedState(tmp_path, {}, (), 1000), stop=lambda: next(taken) == STEPS + 3
    )
    with pytest.raises(StoppedError):
        train(tmp_path, around)
    assert [step for step, _ in points(tmp_path)["validation_top1"]] == [0, STEPS]
    history = train(tmp_path, Surroundings(saved_state=SavedState(tmp_path, {}, (), 1000)))
    assert points(tmp_path) == expected(history)
    assert [step for step, _ in points(tmp_path)["lr"]] == [STEPS, 2 * STEPS, 3 * STEPS]


def test_a_reader_that_is_open_forgets_the_points_of_an_earlier_try(tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=NEEDED
    )
    train(tmp_path, Surroundings())
    (earlier,) = tmp_path.glob(event_files.PATTERN)
    found = reader.EventAccumulator(str(tmp_path))
    found.Reload()
    train(tmp_path, Surroundings())
    assert not earlier.exists()
    found.Reload()
    assert [event.step for event in found.Scalars("sparsity")] == [
        0,
        STEPS,
        2 * STEPS,
        3 * STEPS,
    ]


def test_rows_are_passed_on_as_they_are(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=NEEDED)
    module, masks = build()
    plain = training_job.follow(training.train(module, task(masks, SHORT)))
    assert train(tmp_path, Surroundings()).equals(plain)


def test_a_missing_package_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "find_spec", lambda name: None)
    said = event_files.missing(packages=True)
    assert said is not None
    assert said.startswith("event_files: true needs the optional environment: make watch")
    monkeypatch.setattr(event_files, "find_spec", lambda name: name)
    assert event_files.missing(packages=True) is None
    conda = event_files.missing(packages=False)
    assert conda is not None
    assert "--sdm conda" in conda
