"""Which jobs in a queue belong to an earlier run of a study in a folder."""

from pathlib import Path

import pytest

from prunescope.foundation.errors import InputError
from prunescope.study.run import slurm_leftovers

RUN = "0a64c8e2-7b19-4c3f-9d42-5f1be0a1c733"
HERE = "/home/ann/two words/prunescope"
QUEUE = f"""\
12 paper-{RUN} {HERE}
13 paper-{RUN} {HERE}2
14 corrected-{RUN} {HERE}
15 paper-notes {HERE}
16 {RUN} {HERE}
17 paper-{RUN.replace("0", "1")} {HERE}
18 big_paper-{RUN} {HERE}
19 paper_big-{RUN} {HERE}
20_[0-3] paper-lab_7_{RUN} {HERE}
20_7 paper-lab_7_{RUN} {HERE}
"""


def test_jobs_of_another_study_or_folder_are_left_alone() -> None:
    assert slurm_leftovers.left_over(QUEUE, "paper", HERE) == ["12", "17", "20"]
    assert slurm_leftovers.left_over("", "paper", HERE) == []


def answer(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a squeue that runs `script` in front of any other."""
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_run_stops_and_tells_what_to_cancel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue").write_text(QUEUE)
    answer(tmp_path, monkeypatch, f"cat '{tmp_path}/queue'")
    with pytest.raises(InputError, match=r"3 jobs .* of paper .* scancel 12 17 20$"):
        slurm_leftovers.stop_at_leftovers("paper", HERE)
    slurm_leftovers.stop_at_leftovers("paper", "/elsewhere")


def test_a_queue_that_does_not_answer_is_no_empty_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, monkeypatch, "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(InputError, match="Unable to contact slurm controller"):
        slurm_leftovers.stop_at_leftovers("paper", HERE)


def test_a_missing_squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"No such file .*squeue.* Start again where SLURM"):
        slurm_leftovers.stop_at_leftovers("paper", HERE)
