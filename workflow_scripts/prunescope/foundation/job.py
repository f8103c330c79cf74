"""What a script needs around its work: logging, threads, provenance, and clear failures."""

import errno
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.foundation import provenance, whole_files
from prunescope.foundation.errors import InputError, StoppedError, SupersededError

log = logging.getLogger("prunescope")

# The disk is full, the quota used up, or the file larger than the limit of the process.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def running(smk: Any) -> Iterator[None]:
    """Run the body of a script as a job of the workflow.

    Messages go to the job's log file. A failure that the user can mend is printed without a
    traceback, in the log and on the terminal, and ends the script with status 1.
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
        whole_files.save_checksums(made, f"{smk.log[0]}.sha256")
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
    except BaseException:
        log.exception("failed")
        raise
    log.info("done: %s", _usage())


def _usage() -> str:
    """What the job took, for whoever plans a larger study.

    Snakemake's `benchmark` would look through all processes of the machine twice a second, work
    that jobs of a few seconds on two cores compete with.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (
        f"{time.process_time():.1f} s of CPU time, "
        f"{used.ru_maxrss / 1024:.0f} MiB of memory at its peak"
    )


def _fail(smk: Any, message: str, status: int = 1) -> None:
    log.error(message)
    print(f"{smk.rule}: {message}", file=sys.stderr)
    sys.exit(status)


def _start_logging(path: str) -> None:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)


def _limit_torch(threads: int) -> None:
    """Keep torch, where the script has imported it, to the job's threads."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def catch_signals() -> Callable[[], bool]:
    """From now on SIGTERM and SIGINT no longer end the job: they ask it to stop by itself.

    SIGTERM is what a scheduler sends before it kills: SLURM more than once, so that a second one
    must not end the job before it has saved. SIGINT is what Ctrl-C does; a second one ends the job
    at once. Returns whether one has come.
    """
    caught: list[int] = []

    def note(number: int, _frame: object) -> None:
        caught.append(number)
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return lambda: bool(caught)


def follow(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Run training to its end, one line of the log for each epoch; return its history."""
    history = []
    for row in rows:
        history.append(row)
        log.info(
            "epoch %d, step %d: training loss %s, validation top-1 %.4f, sparsity %.4f",
            row["epoch"],
            row["step"],
            "-" if row["train_loss"] is None else f"{row['train_loss']:.4f}",
            row["validation_top1"],
            row["sparsity"],
        )
    return pl.DataFrame(history, infer_schema_length=None)
