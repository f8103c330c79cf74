"""What TensorBoard itself reads from event files; tests that ask are skipped where it is not."""

from pathlib import Path

import pytest

NEEDED = "needs the optional environment: make watch"


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The steps and values of each curve of a run."""
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=NEEDED
    )
    found = reader.EventAccumulator(str(folder))
    found.Reload()
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }
