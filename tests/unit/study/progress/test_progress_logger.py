"""The logger `prunescope`, fed with what Snakemake logged in a run that was stopped with SIGTERM.

`recorded_events.jsonl` holds the records of that run, of Snakemake 9.27.1 on the tiny study,
without the fields that the logger does not read.
"""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import snakemake_logger_plugin_prunescope as plugin
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase
from snakemake_logger_plugin_prunescope import LogHandler

from prunescope.study.progress.run_progress import PlannedJob

RECORDED = [
    json.loads(line)
    for line in Path(__file__).with_name("recorded_events.jsonl").read_text().splitlines()
]
STAGES = {"describe_config": "study", "count_images": "gather", "embed_probe": "interpret"}


class TestInterface(TestLogHandlerBase):
    """What Snakemake's interface asks of every logger."""

    __test__ = True

    def get_log_handler_cls(self) -> type[LogHandler]:
        return LogHandler

    def get_log_handler_settings(self) -> None:
        return None


class Stream(io.StringIO):
    """A stream that may be a terminal."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal


def record(**fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, fields.pop("msg", ""), (), None)
    vars(made).update(fields)
    return made


def jobs() -> list[PlannedJob]:
    """The jobs of the recorded run that started, and one that never did."""
    told = [event for event in RECORDED if event.get("event") == LogEvent.JOB_INFO]
    started = [
        PlannedJob(
            event["jobid"], event["rule_name"], STAGES.get(event["rule_name"], "data"),
            " ".join(event["wildcards"].values()), event["log"][0], 1,
        )
        for event in told
    ]  # fmt: skip
    return [*started, PlannedJob(1000, "score_mis", "interpret", "", "", 1)]


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def logger(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LogHandler]]:
    """A function that makes the logger with settings of Snakemake, writing to `stream`."""
    made = []

    def make(**settings: Any) -> LogHandler:
        monkeypatch.setattr("sys.stderr", stream)
        made.append(LogHandler(OutputSettings(**settings), None))
        return made[-1]

    yield make
    for handler in made:
        handler.close()


def begin(handler: LogHandler, planned: list[PlannedJob] | None = None) -> None:
    handler.handle(record(event=LogEvent.WORKFLOW_STARTED))
    handler.begin("tiny", planned or jobs(), {}, 2, ["run.log"], "run.jobs")


def play(handler: LogHandler) -> None:
    """Feed the recorded run; it tells its plan where `onstart` ran, before the first job."""
    for event in RECORDED:
        if event.get("event") == LogEvent.JOB_STARTED and handler._progress is None:
            handler.begin("tiny", jobs(), {}, 2, ["run.log"], "run.jobs")
        handler.handle(record(**event))
    handler.close()


def test_snakemake_finds_it_by_its_name() -> None:
    assert "prunescope" in LoggerPluginRegistry().get_registered_plugins()


def test_the_recorded_run_in_a_few_lines(logger: Callable[..., LogHandler], stream: Stream) -> None:
    play(logger())
    lines = stream.getvalue().splitlines()
    begun = lines.index("looking for what is left to do")
    assert lines[begun + 1].startswith("tiny: 9 jobs on 2 cores")
    assert lines[begun + 2] == "log: run.log"
    after = [line.partition("] ")[2] or line for line in lines[begun + 3 :]]
    assert after[:2] == ["study: its job is done", "gather: its job is done"]
    # Snakemake said this eight times.
    assert after.count("Will exit after finishing currently running jobs (scheduler).") == 1
    assert "FAILED embed_probe fashion_mnist_tiny probe pixels-correlation-32px" in after
    assert after[-2:] == [
        "6 of 9 jobs done in 0:00, 2 failed",
        "Mend what the lines with FAILED say, then run again: what is done is kept.",
    ]
    text = "\n".join(after)
    for noise in (
        "RuleException",
        "Select jobs",
        "Complete log",
        "WorkflowError",
        "Finished jobid",
    ):
        assert noise not in text
    assert len(lines) < 25


@pytest.mark.parametrize("settings", [{"dryrun": True}, {}], ids=["dry run", "no run"])
def test_what_is_no_run_is_printed_as_ever(
    logger: Callable[..., LogHandler], stream: Stream, settings: dict[str, Any]
) -> None:
    handler = logger(**settings)
    if settings:
        handler.handle(record(event=LogEvent.PROGRESS, done=1, total=2))
    handler.handle(record(msg="Unlocking working directory."))
    handler.handle(record(msg="seen too", levelno=logging.WARNING, levelname="WARNING"))
    expected = "1 of 2 steps (50%) done\n" if settings else ""
    assert stream.getvalue() == f"{expected}Unlocking working directory.\nseen too\n"


def test_a_failure_stands_out(
    logger: Callable[..., LogHandler], stream: Stream, tmp_path: Path
) -> None:
    log = tmp_path / "job.log"
    log.write_text("2026-01-01 10:00:00,100 ERROR lr: 7 is too large. Write 0.1.\n")
    handler = logger()
    begin(handler, [PlannedJob(7, "train_dense", "train", "seed0", str(log), 1)])
    handler.handle(record(event=LogEvent.JOB_INFO, jobid=7))
    told = {"rule_name": "train_dense", "jobid": 7, "log": [str(log)]}
    handler.handle(record(event=LogEvent.JOB_ERROR, levelno=logging.ERROR, **told))
    first, *others = stream.getvalue().splitlines()[-3:]
    assert first.endswith("] FAILED train_dense seed0")
    assert others == ["    lr: 7 is too large. Write 0.1.", f"    log: {log}"]


def test_a_group_of_a_cluster_fails_job_by_job(
    logger: Callable[..., LogHandler], stream: Stream
) -> None:
    handler = logger()
    begin(handler, [PlannedJob(n, "score_mis", "interpret", f"seed{n}", "", 1) for n in (1, 2)])
    failed = [{"rule_name": "score_mis", "jobid": number, "log": []} for number in (1, 2)]
    handler.handle(record(event=LogEvent.GROUP_ERROR, job_error_info=failed))
    assert stream.getvalue().count("FAILED score_mis seed") == 2
    assert stream.getvalue().count("What jobs printed: run.jobs") == 2


def test_where_an_input_lacks_it_is_said_what_helps(
    logger: Callable[..., LogHandler], stream: Stream
) -> None:
    handler = logger()
    handler.handle(record(event=LogEvent.WORKFLOW_STARTED))
    missing = record(msg="MissingInputException in rule import_checkpoint: weights/a.pth")
    missing.levelno = logging.ERROR
    handler.handle(missing)
    assert stream.getvalue().splitlines()[-1].startswith("If the config names it: make doctor")


def test_many_failures_take_few_lines(logger: Callable[..., LogHandler], stream: Stream) -> None:
    handler = logger()
    many = [PlannedJob(n, "score_mis", "interpret", "", "", 1) for n in range(500)]
    begin(handler, many)
    for job in many:
        told = {"rule_name": job.rule, "jobid": job.number, "log": []}
        handler.handle(record(event=LogEvent.JOB_ERROR, **told))
    handler.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) < 60
    assert "500 failed" in lines[-2]


def test_off_a_terminal_there_is_a_line_for_each_minute(
    logger: Callable[..., LogHandler], stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logger()
    ticks = wait_for_ticks(handler, monkeypatch, number=2)
    begin(handler)
    handler.handle(record(event=LogEvent.JOB_INFO, jobid=113))
    ticks()
    lines = [line for line in stream.getvalue().splitlines() if " gone, " in line]
    assert len(lines) == 2
    assert lines[-1].startswith("0 of 9 jobs, 0:00 gone, 9 jobs of unknown time left; now: ")
    assert lines[-1].endswith("now: describe_config tiny")
    assert "\x1b" not in stream.getvalue()


def wait_for_ticks(
    handler: LogHandler, monkeypatch: pytest.MonkeyPatch, number: int
) -> Callable[[], None]:
    """Let no time pass but when the returned function is called: then `number` ticks pass."""
    go, gone = threading.Event(), threading.Semaphore(0)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        go.wait(10)
        waited.append(seconds)
        if len(waited) > 1:
            gone.release()
        return len(waited) > number

    monkeypatch.setattr(handler._over, "wait", wait)

    def pass_by() -> None:
        go.set()
        for _ in range(number):
            assert gone.acquire(timeout=10)
        every = plugin.DRAW_EVERY if handler._display.is_live else plugin.SAY_EVERY
        assert set(waited) == {every}

    return pass_by


@pytest.mark.parametrize("width", ["200", "20"])
def test_on_a_terminal_a_bar_stands_below(
    logger: Callable[..., LogHandler],
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    width: str,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", width)
    stream.terminal = True
    handler = logger()
    ticks = wait_for_ticks(handler, monkeypatch, number=2)
    begin(handler)
    handler.handle(record(event=LogEvent.JOB_INFO, jobid=113))
    ticks()
    drawn = stream.getvalue()
    assert ("0 of 9 jobs, 0:00 gone" in drawn) == (width == "200")
    assert "now: describe" in drawn
    handler.close()
    # The cursor is there, and the last lines are not drawn over.
    assert drawn.count("\x1b[?25l") <= drawn.count("\x1b[?25h")
    assert "Not finished. Run again" in stream.getvalue()[len(drawn) :]


@pytest.mark.parametrize("name", ["dumb", ""])
def test_a_terminal_without_a_cursor_is_none(
    logger: Callable[..., LogHandler], stream: Stream, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TERM", name)
    stream.terminal = True
    play(logger())
    assert "\x1b" not in stream.getvalue()


def test_colours_can_be_forbidden(
    logger: Callable[..., LogHandler], stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream.terminal = True
    play(logger())
    assert "\x1b[32m" in stream.getvalue()
    stream.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    play(logger())
    assert "\x1b[3" not in stream.getvalue()


def test_a_run_goes_on_when_nobody_reads_it(
    logger: Callable[..., LogHandler], stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_text: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(stream, "write", broken)
    handler = logger()
    play(handler)
    assert handler._progress is not None
    assert handler._progress.done == 6
