"""Read from the log of a job how far it is, and why it failed.

The patterns read the lines that `foundation.job` and the trainings write: change both.
"""

import os
import re
from pathlib import Path

from prunescope.foundation.job import FOR_GOOD
from prunescope.study import remaining_work

RECORD = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ ([A-Z]+) (.*)$")
EPOCH = re.compile(r"epoch (\d+), step")
# So much of the end of a log is read: a running training is looked at once a second.
TAIL = 16_384
# The lines of a traceback that tell most: where it happened, and what.
LAST_LINES = 3


def tail(path: str | Path) -> str:
    """The end of a log; empty if there is no such file."""
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL, 0))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def records(text: str) -> list[tuple[str, str]]:
    """The level and the message of each record, with the lines that belong to it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if match := RECORD.match(line):
            found.append((match.group(1), match.group(2)))
        elif found:
            level, message = found[-1]
            found[-1] = (level, f"{message}\n{line}")
    return found


def epochs_done(text: str) -> int | None:
    """The last epoch that a running training has finished; None if the log tells of none.

    A log that says how its job ended is that of an earlier try.
    """
    found = records(text)
    if has_ended(text):
        return None
    epochs = [match.group(1) for _, message in found if (match := EPOCH.match(message))]
    return int(epochs[-1]) if epochs else None


def has_ended(text: str) -> bool:
    """Whether the job has written that it is done or has failed."""
    return any(
        level == "ERROR" or (level == "INFO" and message.startswith("done: "))
        for level, message in records(text)
    )


def is_under_way(text: str) -> bool:
    """Whether the job has begun and has not ended."""
    return bool(text) and not has_ended(text)


def seconds(path: str | Path) -> float | None:
    """The seconds of wall time that a finished job took; None if its log does not tell."""
    try:
        found = remaining_work.read_log(Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return None if found is None else 3600 * found[1].hours


def failure(text: str) -> list[str]:
    """Why a job failed, in a few lines; empty if its log does not tell.

    What the user can mend is one sentence. Of a failure that nobody foresaw it is the end of the
    traceback.
    """
    messages = [message for level, message in records(text) if level == "ERROR"]
    if not messages:
        return []
    first, *others = [line for line in messages[-1].splitlines() if line.strip()]
    if first == "failed" and others:
        return others[-LAST_LINES:]
    return [first, *others]


def can_be_mended(text: str) -> bool:
    """Whether the job has said in a sentence what the user must mend."""
    return any(message == FOR_GOOD for _, message in records(text))
