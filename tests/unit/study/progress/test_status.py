"""What files tell of a study whose run is under way, has ended, or was killed."""

import os
from pathlib import Path

import pytest

from prunescope.study import remaining_work
from prunescope.study.progress import status
from prunescope.study.progress.run_progress import PlannedJob

ROOT = Path(__file__).resolve().parents[4]
BEGUN = "2026-01-01 10:00:00,100 INFO train_dense {'seed': '0'}\n"
EPOCH = "2026-01-01 10:00:01,100 INFO epoch 2, step 9: training loss -\n"
DONE = "2026-01-01 10:00:09,100 INFO done: 3.0 s of CPU time, 900 MiB of memory at its peak\n"
FAILED = "2026-01-01 10:00:09,100 ERROR lr: {} is too large. Write 0.1.\n"
NOW = 1_000_000.0


def planned(log: Path | str, number: int = 0) -> PlannedJob:
    return PlannedJob(number, "train_dense", "train", f"seed{number}", str(log), 1, epochs=6)


def written(path: Path, text: str, ago: float = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - ago, NOW - ago))
    return path


def test_logs_tell_what_has_begun_and_what_has_failed(tmp_path: Path) -> None:
    logs = [
        written(tmp_path / "runs.log", BEGUN + EPOCH),
        written(tmp_path / "failed.log", BEGUN + FAILED.format(7), ago=90),
        written(tmp_path / "failed_later.log", BEGUN + FAILED.format(8), ago=10),
        # Its results are stale, or gone.
        written(tmp_path / "done.log", BEGUN + DONE),
        tmp_path / "not_begun.log",
        "",
    ]
    jobs = [planned(log, number) for number, log in enumerate(logs)]
    found = status.look_at(jobs)
    assert [job.number for job in found.begun] == [0]
    assert [job.number for job, _ in found.failed] == [2, 1]
    assert list(status.lines({"train": 3, "data": 4}, jobs, found)) == [
        "stage          done   left  failed",
        "data              4      0       0",
        "train             3      6       2",
        "begun, not ended: train_dense seed0, epoch 3 of 6",
        "FAILED train_dense seed2",
        "    lr: 8 is too large. Write 0.1.",
        f"    log: {tmp_path / 'failed_later.log'}",
        "FAILED train_dense seed1",
        "    lr: 7 is too large. Write 0.1.",
        f"    log: {tmp_path / 'failed.log'}",
    ]


def test_many_failures_are_counted(tmp_path: Path) -> None:
    log = written(tmp_path / "failed.log", BEGUN + FAILED.format(7))
    jobs = [planned(log, number) for number in range(9)]
    text = "\n".join(status.lines({}, jobs, status.look_at(jobs)))
    assert text.count("FAILED") == status.MOST_FAILURES
    assert text.endswith("and 4 jobs more that failed before")


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        (True, "A run is under way, or was killed: it last wrote into a log"),
        (False, "No run is under way: the last one last wrote into a log"),
    ],
)
def test_the_lock_tells_of_the_run(tmp_path: Path, locked: bool, said: str) -> None:
    written(tmp_path / "log" / "2026-01-01T090000.0.snakemake.log", "", ago=1)
    written(tmp_path / "log" / "2026-01-01T100000.0.snakemake.log", "")
    written(tmp_path / "log" / "2026-01-01T100000.0.snakemake.jobs", "")
    if locked:
        written(tmp_path / "locks" / "0.input.lock", "")
    told = status.of_run(tmp_path, [], NOW)
    assert told.startswith(said)
    assert told.endswith(", 1:00 ago.")


def test_a_job_that_still_writes_is_a_sign_of_life(tmp_path: Path) -> None:
    written(tmp_path / "log" / "2026-01-01T100000.0.snakemake.log", "Building DAG\n", ago=4000)
    log = written(tmp_path / "train.log", BEGUN, ago=5)
    assert status.of_run(tmp_path, [planned(log)], NOW).endswith(", 0:05 ago.")


def test_where_nothing_ran_there_is_no_run(tmp_path: Path) -> None:
    assert status.of_run(tmp_path, [], NOW) == "No run has begun here."
    assert status.look_at([]) == status.Found([], [])


def test_every_rule_has_a_stage() -> None:
    stages = status.stages_of_rules(ROOT / "rules")
    assert stages["train_dense"] == stages["retrain_network"] == "train"
    assert stages["score_mis"] == "interpret"
    assert set(remaining_work.TRAININGS) <= stages.keys()
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")}
    # A script that several rules share has the name of none.
    assert len(scripts - stages.keys()) < 5


def test_finished_jobs_are_told_by_their_logs(tmp_path: Path) -> None:
    done = written(tmp_path / "a" / "done.log", BEGUN + DONE)
    written(tmp_path / "a" / "runs.log", BEGUN)
    assert remaining_work.finished_jobs([tmp_path / "a", tmp_path / "none"]) == [
        (str(done), "train_dense")
    ]
