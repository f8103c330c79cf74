"""A job that failed for a reason that stays is told from one that another try may help."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunescope.foundation import job
from prunescope.foundation.errors import InputError, NetworkError, StoppedError
from prunescope.study.run import snakemake_hooks
from prunescope.study.run.refusals import Refusals

MESSAGE = "2026-11-29 20:00:00,000 INFO "


def write(path: Path, last: str) -> str:
    path.write_text(f"{MESSAGE}train_dense {{}}\n{MESSAGE}{last}\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("last", "refused"),
    [
        (job.FOR_GOOD, True),
        ("saved the state", False),
        (f"{job.FOR_GOOD}\n{MESSAGE}going on", False),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE} {braces}", False),
    ],
)
def test_the_last_line_tells(tmp_path: Path, last: str, refused: bool) -> None:
    log = tmp_path / "job.log"
    refusals = Refusals([str(log)])
    assert refusals.have(write(log, last)) == refused


def test_a_job_without_a_log_may_be_tried_again(tmp_path: Path) -> None:
    for name, content in (("gone", None), ("empty", b""), ("binary", b"\xff\xfe\n")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert not Refusals([]).have(str(tmp_path / name))


def test_the_log_of_an_earlier_run_counts_for_nothing(tmp_path: Path) -> None:
    """A job that is killed before it has opened its log leaves it as it was."""
    log = write(tmp_path / "job.log", job.FOR_GOOD)
    refusals = Refusals([log])
    assert not refusals.have(log)
    write(tmp_path / "job.log", job.FOR_GOOD)
    os.utime(log, ns=(1, 1))
    assert refusals.have(log)


@dataclass
class Script:
    """What Snakemake hands to a script, as far as `job` reads it."""

    log: list[str]
    rule: str = "retrain_network"
    threads: int = 1
    output: list[str] = field(default_factory=list)
    wildcards: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (InputError("epoch 3: the loss is not finite"), True),
        (OSError(28, "No space left on device"), True),
        (NetworkError("net.pth could not be downloaded"), False),
        (StoppedError("asked to stop"), False),
        (MemoryError(), False),
        (RuntimeError("CUDA error"), False),
    ],
)
def test_what_a_script_fails_with_decides(tmp_path: Path, error: Exception, refused: bool) -> None:
    log = str(tmp_path / "job.log")
    handlers = list(job.log.handlers)
    refusals = Refusals([log])
    with pytest.raises((SystemExit, type(error))), job.running(Script([log])):
        raise error
    for handler in set(job.log.handlers) - set(handlers):
        job.log.removeHandler(handler)
        handler.close()
    assert refusals.have(log) == refused


@dataclass
class Job:
    """A job as the scheduler knows it, or a group of jobs."""

    log: list[str]
    jobs: list["Job"] = field(default_factory=list)
    restart_times: int = 2
    attempt: int = 1

    def is_group(self) -> bool:
        return bool(self.jobs)

    @property
    def _attempt(self) -> int:
        return self.attempt

    @_attempt.setter
    def _attempt(self, number: int) -> None:
        self.attempt = number


@pytest.fixture
def failed(tmp_path: Path) -> Callable[[Job], bool]:
    """Let the scheduler of a run handle a failed job, and tell whether it tries it again."""
    again: list[bool] = []

    def handle_error(job: Job, postprocess_job: bool = True) -> None:
        again.append(job.restart_times > job.attempt - 1)

    scheduler = SimpleNamespace(_handle_error=handle_error)
    workflow = SimpleNamespace(
        scheduler=scheduler, dag=SimpleNamespace(needrun_jobs=lambda: iter(()))
    )
    snakemake_hooks.try_again_what_was_interrupted(workflow)

    def handle(job: Job) -> bool:
        scheduler._handle_error(job, postprocess_job=False)
        return again[-1]

    return handle


def test_only_a_job_that_was_interrupted_is_tried_again(
    tmp_path: Path, failed: Callable[[Job], bool]
) -> None:
    refused = Job([write(tmp_path / "refused.log", job.FOR_GOOD)])
    stopped = Job([write(tmp_path / "stopped.log", "saved the state")])
    assert not failed(refused)
    assert failed(stopped)
    assert failed(Job([str(tmp_path / "killed.log")]))
    assert not failed(Job([], jobs=[stopped, refused]))
    assert failed(Job([], jobs=[stopped, Job([])]))
