"""What the log of a job tells, from logs as jobs write them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from prunescope.foundation import job
from prunescope.foundation.errors import InputError
from prunescope.study.progress import job_logs

BEGUN = "2026-01-01 10:00:00,100 INFO retrain_network {'seed': '0'}\n"
EPOCHS = "".join(
    f"2026-01-01 10:00:0{epoch},100 INFO epoch {epoch}, step {9 * epoch}: training loss -\n"
    for epoch in range(4)
)
DONE = "2026-01-01 10:00:09,100 INFO done: 3.0 s of CPU time, 900 MiB of memory at its peak\n"


@pytest.fixture
def failed(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The log of a job whose body raises an error."""
    path = str(tmp_path / "job.log")
    smk = SimpleNamespace(
        log=[path], rule="prune", wildcards={}, params={}, output=[], input=[], threads=1
    )
    handlers = list(job.log.handlers)
    with pytest.raises((SystemExit, ZeroDivisionError)), job.running(smk):
        raise request.param
    for handler in set(job.log.handlers) - set(handlers):
        handler.close()
        job.log.removeHandler(handler)
    return job_logs.tail(path)


def test_a_training_tells_its_epochs() -> None:
    assert job_logs.epochs_done(BEGUN) is None
    assert job_logs.epochs_done(BEGUN + EPOCHS) == 3


@pytest.mark.parametrize("end", [DONE, DONE.replace("INFO done: 3.0", "ERROR no")])
def test_the_log_of_an_earlier_try_tells_no_epoch(end: str) -> None:
    assert job_logs.epochs_done(BEGUN + EPOCHS + end) is None


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_text(BEGUN + "x" * job_logs.TAIL + "\n" + EPOCHS)
    assert len(job_logs.tail(path)) == job_logs.TAIL
    assert job_logs.epochs_done(job_logs.tail(path)) == 3
    assert job_logs.tail(tmp_path / "none.log") == ""


def test_a_finished_job_tells_how_long_it_took(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    assert job_logs.seconds(path) is None
    path.write_text(BEGUN + EPOCHS)
    assert job_logs.seconds(path) is None
    path.write_text(BEGUN + EPOCHS + DONE)
    assert job_logs.seconds(path) == pytest.approx(9)


def test_a_job_is_under_way_between_its_first_line_and_its_last() -> None:
    assert not job_logs.is_under_way("")
    assert job_logs.is_under_way(BEGUN + EPOCHS)
    assert not job_logs.is_under_way(BEGUN + EPOCHS + DONE)


@pytest.mark.parametrize("failed", [InputError("lr: 7 is too large. Write 0.1.")], indirect=True)
def test_what_a_user_can_mend_is_its_sentence(failed: str) -> None:
    assert job_logs.failure(failed) == ["lr: 7 is too large. Write 0.1."]


@pytest.mark.parametrize("failed", [ZeroDivisionError("by nought")], indirect=True)
def test_of_another_failure_the_end_of_the_traceback_is_shown(failed: str) -> None:
    lines = job_logs.failure(failed)
    assert lines[-1] == "ZeroDivisionError: by nought"
    assert len(lines) == job_logs.LAST_LINES
    assert not any(line.startswith("Traceback") for line in lines)


def test_a_job_that_is_done_or_was_killed_tells_no_reason() -> None:
    assert job_logs.failure(BEGUN + EPOCHS + DONE) == []
    assert job_logs.failure(BEGUN) == []
    assert job_logs.failure("") == []
