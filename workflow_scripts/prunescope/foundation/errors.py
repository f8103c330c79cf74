"""The errors that are shown to the user as a message, without a traceback, and words of them."""

import difflib
from collections.abc import Iterable, Sequence

# How many names a message proposes.
NEAREST = 3


class InputError(ValueError):
    """A value, file or setting of the user cannot be used.

    The message names the file or config key, the value, what is allowed, and what to do.
    Scripts print it without a traceback and exit with status 1. The job is not tried again.
    """


class NetworkError(InputError):
    """A server could not be reached, or the connection broke.

    The user may have to mend that, but it may also have gone by itself: scripts exit with status
    75, as after a `StoppedError`.
    """


class StoppedError(RuntimeError):
    """A job was asked to stop. It saved its state; the next run continues from there.

    Scripts print the message without a traceback and exit with status 75 (`EX_TEMPFAIL`), a
    failure that Snakemake's `retries` repeats.
    """


class SupersededError(StoppedError):
    """Another job makes the same result, or has already made it. This job stops.

    If the result exists, the script ends with status 0. With any other status, the Snakemake
    process inside a cluster job would delete the outputs, even though another job wrote them.
    """


def how_to_rebuild(path: object) -> str:
    """The advice how to rebuild a damaged result, as the end of an error message.

    The user must repeat `--configfile`: Snakemake knows the paths of a study only from its
    config. The option goes after the path, because it takes several values.
    """
    return (
        f"Rebuild it: `.venv/bin/snakemake --cores all --force {path}` "
        "(and after that the `--configfile` and `--profile` of the study, if it has any)"
    )


def nearest(name: str, known: Iterable[str], number: int = NEAREST) -> list[str]:
    """The names that are spelled like `name`, the most like it first."""
    return difflib.get_close_matches(name, list(known), n=number)


def meant(names: Sequence[str]) -> str:
    """The question which of some names was meant, with a blank after it; empty without names."""
    return f"Did you mean {' or '.join(f'`{name}`' for name in names)}? " if names else ""
