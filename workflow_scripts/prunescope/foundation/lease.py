"""Let only one job work on a result: if two do, the older one stops.

Two jobs make the same result when a scheduler took a node for dead, or when Snakemake was killed
and started again while its job was still running. A job takes the lease when it starts. A job
that finds that another one has taken the lease changes nothing and ends.
"""

import os
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from prunescope.foundation import whole_files
from prunescope.foundation.errors import SupersededError


def _name() -> str:
    return f"{socket.gethostname()} process {os.getpid()} ({secrets.token_hex(8)})"


@dataclass(frozen=True)
class Lease:
    """A file that names its owner.

    Attributes
    ----------
    path
        The file.
    owner
        Identifies this job: host, process and a random number.
    """

    path: Path
    owner: str = field(default_factory=_name)

    def claim(self) -> None:
        """Take the lease, also from a job that holds it."""
        with whole_files.atomic(self.path) as temporary:
            temporary.write_text(self.owner)

    def taken_over_by(self) -> str | None:
        """The job that took the lease from this one; None if this job still holds it."""
        try:
            holder = self.path.read_text()
        except FileNotFoundError:
            return "a job that has finished"
        return None if holder == self.owner else holder

    def check(self, work: str) -> None:
        """Stop this job if another one has taken the lease.

        Parameters
        ----------
        work
            What the other job does, for the message, such as "trains this network".

        Raises
        ------
        SupersededError
            Another job has taken the lease.
        """
        if holder := self.taken_over_by():
            raise SupersededError(f"another job {work}: {holder}. This one stops.")

    def release(self) -> None:
        """Delete the lease when the work is done."""
        self.path.unlink(missing_ok=True)
