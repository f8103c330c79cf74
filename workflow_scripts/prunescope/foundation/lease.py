"""Who works on a result: where two jobs do, the older one stops.

It happens when a scheduler took a node for dead, or Snakemake was killed and started again: the
job of before is still running. Whoever starts takes the lease; whoever finds that it has lost it
leaves everything as it is and ends.
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
        This job among all that may want it: host, process and a random number.
    """

    path: Path
    owner: str = field(default_factory=_name)

    def claim(self) -> None:
        """Take the lease: from now on any other job is a late one."""
        with whole_files.atomic(self.path) as temporary:
            temporary.write_text(self.owner)

    def taken_over_by(self) -> str | None:
        """The job that has taken the lease from this one, if one has."""
        try:
            holder = self.path.read_text()
        except FileNotFoundError:
            return "a job that has finished"
        return None if holder == self.owner else holder

    def check(self, work: str) -> None:
        """Stop this job if another one has taken the lease; `work` is what that one does.

        Raises
        ------
        SupersededError
            It has.
        """
        if holder := self.taken_over_by():
            raise SupersededError(f"another job {work}: {holder}. This one stops.")

    def release(self) -> None:
        """Give it back: the work is done."""
        self.path.unlink(missing_ok=True)
