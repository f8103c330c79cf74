"""The exceptions that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message names the file or config key, the value, what is allowed, and what to do.
    Scripts print it without a traceback and exit with status 1.
    """


class StoppedError(RuntimeError):
    """A job was asked to stop and kept what it had; run again, it goes on from there.

    Scripts print the message without a traceback and exit with status 75 (`EX_TEMPFAIL`), a
    failure that Snakemake's `retries` repeats.
    """


class SupersededError(StoppedError):
    """Another job makes the same result, or has made it: this one is late and stops.

    If the result is there, the script ends with status 0: the Snakemake inside a job of a cluster
    deletes the outputs of a script that fails, whoever wrote them.
    """


def how_to_rebuild(path: object) -> str:
    """The command that makes a damaged result anew, and then whatever depends on it.

    Paths of a study exist for Snakemake only with the config of that study. `--configfile` takes
    several values, so that it must not stand before the path.
    """
    return (
        f"Make it anew: `.venv/bin/snakemake --cores all --force {path}` "
        "(and after that the `--configfile` and `--profile` that you run the study with, if any)"
    )
