"""A logger of Snakemake that shows how far a run is: `snakemake --logger prunescope`.

Snakemake finds it by the name of this folder, if `workflow_scripts` is on the path of Python. All
that Snakemake logs itself goes to its log file as ever. What is no run that does something (a dry
run, `--unlock`, a report) is printed as Snakemake prints it.

A run that has told its plan (`begin`) gets a line for each stage that is finished, for each job
that has failed, and for each warning. On a terminal the time and what runs now stand below, and
change every second, on a cluster every ten. Elsewhere they are a line for each minute.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from prunescope.study.progress import job_logs, wording
from prunescope.study.progress.display import Display
from prunescope.study.progress.run_progress import PlannedJob, RunProgress

# Seconds between two drawings on a terminal (on a cluster each looks at many logs, perhaps over a
# network), and between two lines elsewhere.
DRAW_EVERY, DRAW_CLUSTER_EVERY, SAY_EVERY = 1.0, 10.0, 60.0
STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red", logging.CRITICAL: "bold red"}
# So many failures are shown with their reasons, so many more in one line.
MOST_REASONS, MOST_FAILURES = 5, 25
# Of what Snakemake says without a kind of event, the beginnings of what a user should read.
SAID = ("Nothing to be done", "Will exit after finishing", "Terminating processes")
# What helps with what Snakemake says, by its beginning.
HINTS = {
    "MissingInputException": "If the config names it: make doctor, with the same CONFIG, tells "
    "which key does, and what else is missing.",
}
# What the failure of a job says once more.
OF_JOBS = (
    "RuleException",
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete successfully.",
)


class LogHandler(LogHandlerBase):
    """Prints what Snakemake logs, or in a run that has begun how far it is."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        self._display = Display(stream, colours=not settings.nocolor)
        # What prints all that is no run.
        self._plain = ColorizingTextHandler(not self._display.has_colours, stream)
        self._plain.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self._plain.addFilter(
            DefaultFilter(
                settings.quiet,
                settings.debug_dag,
                settings.verbose,
                settings.dryrun,
                settings.printshellcmds,
            )
        )
        self._runs = False
        self._progress: RunProgress | None = None
        self._printed = ""
        self._said: set[str] = set()
        self._reasons = self._failures = 0
        self._over = threading.Event()

    # --- what Snakemake asks a logger ---

    @property
    def writes_to_stream(self) -> bool:
        """Whether it writes to the standard error stream: instead of Snakemake's own logger."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Whether it writes to a file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether it chooses itself what it prints."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether it words itself what it prints."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Whether Snakemake must send the graph of rules."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, or take note of it. No failure of this may touch the run."""
        try:
            self._take(record, time.monotonic())
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say how the run ended; Snakemake calls this last."""
        self.end()
        super().close()

    # --- what the hooks of the workflow call ---

    def begin(
        self,
        study: str,
        jobs: Iterable[PlannedJob],
        expected: Mapping[str, float],
        cores: int | None,
        logs: Iterable[str],
        printed: str,
    ) -> None:
        """A run starts its first job.

        Parameters
        ----------
        study
            The name of the study.
        jobs, expected, cores
            As of `RunProgress`.
        logs
            The files that Snakemake writes its log to.
        printed
            The file that holds what scripts print.
        """
        with self._locked():
            now = time.monotonic()
            self._progress = RunProgress(jobs, expected, cores, now)
            self._printed = printed
            self._display.say([wording.beginning(self._progress, study, now)])
            self._display.say([f"log: {log}" for log in logs])
        threading.Thread(target=self._tick, name="progress", daemon=True).start()

    def end(self) -> None:
        """The run has started its last job: say what has become of it."""
        with self._locked():
            if self._progress is None or self._over.is_set():
                return
            self._over.set()
            self._display.close()
            good = self._progress.done == self._progress.total
            lines = wording.ending(self._progress, time.monotonic())
            self._display.say(lines, "bold green" if good else "bold red")

    # --- records ---

    def _take(self, record: logging.LogRecord, now: float) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.WORKFLOW_STARTED and not self.common_settings.dryrun:
            self._runs = True
            self._display.say(["looking for what is left to do"])
        elif not self._runs:
            if self._plain.filter(record):
                self._plain.emit(record)
        elif event is None or event == LogEvent.ERROR:
            self._pass_on(record)
        elif self._progress is not None:
            self._note(event, vars(record), now)

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Print what a user should read of what is not about one job, each sentence once."""
        text = str(record.getMessage()).strip()
        told = record.levelno >= logging.WARNING or text.startswith(SAID)
        if not told or text in self._said or text.startswith(OF_JOBS):
            return
        self._said.add(text)
        hints = [hint for beginning, hint in HINTS.items() if text.startswith(beginning)]
        self._say([text, *hints], STYLES.get(record.levelno, ""))

    def _note(self, event: LogEvent, told: Mapping[str, Any], now: float) -> None:
        """Take note of what happened to a job."""
        assert self._progress is not None
        if event == LogEvent.JOB_INFO:
            self._progress.start(told["jobid"], now)
        elif event == LogEvent.JOB_FINISHED:
            if stage := self._progress.finish(told["job_id"], now):
                jobs = self._progress.jobs_of(stage)
                self._say([wording.finished_stage(stage, jobs)], "green")
        elif event == LogEvent.JOB_ERROR:
            self._fail(told)
        elif event == LogEvent.GROUP_ERROR:
            for of_job in told["job_error_info"]:
                self._fail(of_job)

    def _fail(self, told: Mapping[str, Any]) -> None:
        assert self._progress is not None
        job = self._progress.fail(told["jobid"])
        name, logs = (job.name if job else told["rule_name"]), list(told["log"])
        self._failures += 1
        if self._failures > MOST_FAILURES:
            return
        reason: list[str] = []
        if self._failures <= MOST_REASONS:
            reason = next(filter(None, map(job_logs.failure, map(job_logs.tail, logs))), [])
            if not reason:
                reason = ["its log does not say why. What jobs printed: " + self._printed]
        self._say(wording.failed_job(name, reason, ", ".join(logs)), "bold red")

    # --- what changes ---

    def _say(self, lines: list[str], style: str = "") -> None:
        """Write lines that stay, in a run that has begun with the time that has gone."""
        if self._progress is not None:
            gone = wording.clock(time.monotonic() - self._progress.began)
            lines = [f"[{gone:>7}] {lines[0]}", *lines[1:]]
        self._display.say(lines, style)

    def _tick(self) -> None:
        assert self._progress is not None
        drawing = DRAW_EVERY if self._progress.cores else DRAW_CLUSTER_EVERY
        every = drawing if self._display.is_live else SAY_EVERY
        while not self._over.wait(every):
            with self._locked():
                if not self._over.is_set():
                    self._draw()

    def _draw(self) -> None:
        assert self._progress is not None
        progress = self._progress
        so_far = wording.so_far(progress, time.monotonic())
        jobs = progress.running()
        running = wording.running(jobs, progress.started - len(jobs))
        if self._display.is_live:
            below = [f"now: {line}" for line in running]
            self._display.show(progress.done, progress.total, so_far, below)
        else:
            self._display.say([f"{so_far}; now: {'; '.join(running) or 'nothing'}"])

    def _locked(self) -> threading.RLock:
        """The lock that is held while a record is handled."""
        assert self.lock is not None
        return self.lock
