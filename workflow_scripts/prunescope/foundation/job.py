"""Run the body of a script as a job: logging, threads, provenance, and readable failures."""

import errno
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunescope.foundation import provenance, whole_files
from prunescope.foundation.errors import InputError, NetworkError, StoppedError, SupersededError

log = logging.getLogger("prunescope")

# The disk is full, the quota used up, or the file larger than the limit of the process.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
GPU_IS_FULL = (
    "Let one job at a time use the GPU (`--resources gpu=1`). If a training is alone on it, divide "
    "its batches (`recipes.<name>.accumulate`), or lower `batch`, which changes the result more."
)
# The last line in the log of a job that no other try can help.
FOR_GOOD = "not tried again: another try would end like this one"


@contextmanager
def running(smk: Any) -> Iterator[None]:
    """Run the body of a script as a job of the workflow.

    Messages go to the job's log file. If the user can correct the failure (`InputError`, or no
    disk space), a message without traceback goes to the log and to the terminal, and the script
    ends with status 1, and `study.run.refusals` finds the line `FOR_GOOD` in the log. After a
    `StoppedError` or a `NetworkError`, or where a GPU has no room, it ends with status 75.
    `retries` repeats that, as it does after failures that nobody foresaw.
    """
    _start_logging(smk.log[0])
    provenance.set_current(
        provenance.record(smk.rule, dict(smk.wildcards.items()), dict(smk.params.items()))
    )
    _limit_torch(smk.threads)
    for path in smk.output:
        whole_files.remove_leftovers(path)
    log.info("%s %s", smk.rule, dict(smk.wildcards.items()))
    try:
        yield
        made = [file for path in smk.output for file in whole_files.files_of(path)]
        # Where Snakemake's own records are missing, this tells whether the files are stale.
        whole_files.save_checksums(
            {str(path): whole_files.checksum(path) for path in made},
            f"{smk.log[0]}.sha256",
            {**provenance.current(), "input": sorted(smk.input)},
        )
    except NetworkError as error:
        _fail(smk, str(error), status=os.EX_TEMPFAIL)
    except InputError as error:
        _fail(smk, str(error))
    except SupersededError as error:
        if not all(Path(path).exists() for path in smk.output):
            _fail(smk, str(error), status=os.EX_TEMPFAIL)
        message = f"{error} The result is there."
        log.info(message)
        print(f"{smk.rule}: {message}", file=sys.stderr)
        return
    except StoppedError as error:
        _fail(smk, str(error), status=os.EX_TEMPFAIL)
    except OSError as error:
        if error.errno not in NO_ROOM:
            log.exception("failed")
            raise
        _fail(
            smk,
            f"no room to write {error.filename or ', '.join(smk.output)} ({error.strerror}). "
            "Make room or raise the quota, then run again.",
        )
    except BaseException as error:
        if _is_gpu_full(error):
            first = str(error).partition(". ")[0]
            # Another job may have left the GPU when it is tried again.
            _fail(smk, f"{first}. {GPU_IS_FULL}", status=os.EX_TEMPFAIL)
        log.exception("failed")
        raise
    log.info("done: %s", _usage())


def _is_gpu_full(error: BaseException) -> bool:
    """Whether torch found no room on the GPU. Jobs that need no torch do not load it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _usage() -> str:
    """CPU time and peak memory of the job, for planning larger studies.

    Snakemake's `benchmark` is not used: it scans all processes of the machine twice a second,
    which slows down short jobs on a machine with few cores.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (
        f"{time.process_time():.1f} s of CPU time, "
        f"{used.ru_maxrss / 1024:.0f} MiB of memory at its peak"
    )


def _fail(smk: Any, message: str, status: int = 1) -> None:
    log.error(message)
    print(f"{smk.rule}: {message}", file=sys.stderr)
    if status != os.EX_TEMPFAIL:
        log.info(FOR_GOOD)
    sys.exit(status)


def _start_logging(path: str) -> None:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)


def _limit_torch(threads: int) -> None:
    """Limit torch to the threads of the job, if the script has imported it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def catch_signals() -> Callable[[], bool]:
    """Catch SIGTERM and SIGINT from now on, so that the job can save its state and stop.

    A scheduler sends SIGTERM before it kills a job. SLURM sends it more than once, so no SIGTERM
    may end the job before it has saved its state. Ctrl-C sends SIGINT; the second SIGINT ends the
    job at once.

    Returns
    -------
    callable
        Tells whether a signal has arrived.
    """
    caught: list[int] = []

    def note(number: int, _frame: object) -> None:
        caught.append(number)
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return lambda: bool(caught)
