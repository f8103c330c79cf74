"""Find jobs in SLURM's queue that an earlier run of a study left there.

A job that was still pending when its Snakemake died may start long after a newer run has made the
same result. It would delete that result and make it again, while other jobs read it.
"""

import re
import subprocess

from prunescope.foundation.errors import InputError

# The number, the name and the folder of a job. The folder is last because it may contain spaces.
FORMAT = "%i %j %Z"
# A UUID, after the prefix that a profile may set.
RUN = "([A-Za-z0-9_-]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def name_of_run(study: str, run: str) -> str:
    """The name of all jobs of a run.

    Parameters
    ----------
    study
        The name of the study, which contains no hyphen.
    run
        Snakemake's own name of the run.
    """
    return f"{study}-{run}"


def left_over(queue: str, study: str, folder: str) -> list[str]:
    """The numbers of the jobs in a queue that a run of this study submitted in this folder.

    An array job, which squeue shows as `20_[0-3]`, is given by the number of the whole array.

    Parameters
    ----------
    queue
        The output of squeue in `FORMAT`, one job on each line.
    """
    jobs = (line.split(" ", 2) for line in queue.splitlines())
    name = re.compile(name_of_run(re.escape(study), RUN))
    own = (number for number, job, place in jobs if name.fullmatch(job) and place == folder)
    return list(dict.fromkeys(number.partition("_")[0] for number in own))


def stop_at_leftovers(study: str, folder: str) -> None:
    """Raise an error that names this study's pending jobs, if there are any.

    Call it before the run submits its first job.

    Raises
    ------
    InputError
        Jobs of an earlier run are pending, or squeue does not answer.
    """
    if jobs := left_over(_pending(), study, folder):
        raise InputError(
            f"squeue: {len(jobs)} jobs of an earlier run of {study} in this folder are still "
            "pending. They would delete results of this run and make them anew. If that run has "
            f"ended, cancel them and start again: scancel {' '.join(jobs)}"
        )


def _pending() -> str:
    """The user's pending jobs, in `FORMAT`."""
    try:
        asked = subprocess.run(
            ["squeue", "--me", "--noheader", "--states=PENDING", f"--format={FORMAT}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise InputError(
            "squeue: it cannot be known whether jobs of an earlier run are still pending: "
            f"{str(reason).strip()}. Start again where SLURM answers."
        ) from error
    return asked.stdout
