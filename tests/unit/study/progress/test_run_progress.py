"""What becomes of the jobs of a run, and the lines that say so."""

from pathlib import Path

import pytest

from prunescope.study.progress import wording
from prunescope.study.progress.run_progress import PlannedJob, RunProgress
from prunescope.study.progress.time_left import TimeLeft

NETWORK = "structured/one_shot/rate0.60/seed0"


def planned(number: int, rule: str = "prune_network", stage: str = "prune") -> PlannedJob:
    return PlannedJob(number, rule, stage, NETWORK, "", threads=1)


@pytest.fixture
def run() -> RunProgress:
    """Two prunings of 9.5 s and a scoring of unknown time, on one core, begun at 100 s."""
    jobs = [planned(1), planned(2), planned(3, "score_mis", "interpret")]
    return RunProgress(jobs, {"prune_network": 9.0}, 1, 100.0)


def test_a_stage_ends_with_its_last_job(run: RunProgress) -> None:
    for number in (1, 2, 3):
        run.start(number, 100.0)
    assert run.finish(1, 101.0) is None
    assert run.finish(3, 102.0) == "interpret"
    assert run.finish(2, 103.0) == "prune"
    assert (run.done, run.total) == (3, 3)


def test_jobs_without_a_plan_are_let_be(run: RunProgress) -> None:
    """The target of the whole run is a job of Snakemake, too."""
    run.start(0, 100.0)
    assert run.finish(0, 101.0) is None
    assert run.fail(0) is None
    assert (run.done, run.running(), run.failed) == (0, [], {})


def test_the_time_left_shrinks_while_a_job_runs(run: RunProgress) -> None:
    assert run.time_left(100.0) == TimeLeft(19.0, 1)
    run.start(1, 100.0)
    assert run.time_left(104.0) == TimeLeft(15.0, 1)
    run.finish(1, 104.0)
    # The other takes as long as the first did.
    assert run.time_left(104.0) == TimeLeft(4.0, 1)


def test_a_failed_job_is_not_waited_for(run: RunProgress) -> None:
    run.start(1, 100.0)
    assert run.fail(1) == planned(1)
    assert run.running() == []
    assert run.time_left(101.0) == TimeLeft(9.5, 1)
    assert "1 failed" in wording.so_far(run, 101.0)


def test_a_job_that_is_tried_again_has_not_failed(run: RunProgress) -> None:
    run.start(1, 100.0)
    run.fail(1)
    run.start(1, 102.0)
    assert run.failed == {}
    assert [job.number for job in run.running()] == [1]


def test_trainings_are_named_first() -> None:
    training = PlannedJob(2, "train_dense", "train", "seed0", "", 1, epochs=6)
    run = RunProgress([planned(1), training], {}, 2, 0.0)
    run.start(1, 0.0)
    run.start(2, 5.0)
    assert [job.number for job in run.running()] == [2, 1]


def test_on_a_cluster_a_job_waits_in_the_queue_until_its_log_begins(tmp_path: Path) -> None:
    """It takes 9 s of the minute after it was handed over, and the next as long."""
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    jobs = [
        PlannedJob(number, "train_dense", "train", f"seed{number}", str(log), 1)
        for number, log in enumerate(logs)
    ]
    run = RunProgress(jobs, {"train_dense": 19.5}, None, 0.0)
    for number in range(3):
        run.start(number, 0.0)
    assert run.time_left(30.0) == TimeLeft(60.0, 0)
    logs[0].write_text("2026-01-01 10:00:00,100 INFO train_dense {'seed': '0'}\n")
    assert (run.running(), run.started) == (jobs[:1], 3)
    assert wording.running(run.running(), 2) == ["train_dense seed0", "2 jobs queued or just ended"]
    with logs[0].open("a") as log:
        log.write("2026-01-01 10:00:09,100 INFO done: 3.0 s of CPU time, 900 MiB of memory\n")
    run.finish(0, 60.0)
    assert (run.running(), run.started) == ([], 2)
    assert run.time_left(60.0) == TimeLeft(18.0, 0)


def test_a_run_says_how_far_it_is(run: RunProgress) -> None:
    assert wording.beginning(run, "tiny", 100.0) == (
        "tiny: 3 jobs on 1 core, expected: 20 s and 1 job of unknown time"
    )
    run.start(1, 100.0)
    run.finish(1, 165.0)
    assert wording.so_far(run, 165.0) == (
        "1 of 3 jobs, 1:05 gone, 60 s and 1 job of unknown time left"
    )


def test_the_end_says_what_to_do(run: RunProgress) -> None:
    assert wording.ending(run, 105.0) == [
        "0 of 3 jobs done in 0:05", "Not finished. Run again: what is done is kept.",
    ]  # fmt: skip
    run.start(1, 105.0)
    run.fail(1)
    first, second = wording.ending(run, 106.0)
    assert first == "0 of 3 jobs done in 0:06, 1 failed"
    assert "FAILED" in second
    for number in (1, 2, 3):
        run.start(number, 106.0)
        run.finish(number, 106.0)
    assert wording.ending(run, 107.0) == ["done: 3 jobs in 0:07"]


def test_only_some_of_many_running_jobs_are_named() -> None:
    lines = wording.running([planned(number) for number in range(6)])
    assert lines == [f"prune_network {NETWORK}"] * wording.MOST_RUNNING + ["and 2 more"]


@pytest.mark.parametrize(
    ("epochs", "said"), [(5, ", epoch 3 of 5"), (2, ", epoch 2 of 2"), (None, ", epoch 3")]
)
def test_a_training_tells_its_epoch(tmp_path: Path, epochs: int | None, said: str) -> None:
    log = tmp_path / "train.log"
    job = PlannedJob(1, "train_dense", "train", "seed0", str(log), 1, epochs)
    assert wording.describe(job) == "train_dense seed0"
    log.write_text("2026-01-01 10:00:00,100 INFO epoch 2, step 9: training loss -\n")
    assert wording.describe(job) == f"train_dense seed0{said}"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (36061, "10:01:01")]
)
def test_a_time_that_has_gone(seconds: float, said: str) -> None:
    assert wording.clock(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "10 s"), (44, "40 s"), (95, "2 min"), (5399, "90 min"), (9000, "2.5 hours"),
        (1e6, "12 days"),
    ],
)  # fmt: skip
def test_a_time_that_is_expected(seconds: float, said: str) -> None:
    assert wording.rough(seconds) == said


def test_on_a_cluster_the_time_is_that_of_the_jobs() -> None:
    assert wording.expected(TimeLeft(7200, 0), None) == "about 2.0 hours of work"
    assert wording.expected(TimeLeft(0, 3), 2) == "3 jobs of unknown time"
