"""Tell which jobs of a run failed for a reason that stays, so that no other try can help.

All that the main process knows of a job on another node is that it failed. Its log, on the file
system that they share, says more.
"""

from collections.abc import Iterable
from pathlib import Path

from prunescope.foundation import job


class Refusals:
    """The jobs that failed for a reason that the user must mend, by their logs.

    Create it before the first job starts: logs that end so already are of earlier runs. A job that
    dies before it has opened its log leaves the older one as it is.
    """

    def __init__(self, logs: Iterable[str]) -> None:
        self._earlier = {log: _written(log) for log in logs if _ends_for_good(log)}

    def have(self, log: str) -> bool:
        """Whether the job with this log has failed for good in this run."""
        return _ends_for_good(log) and self._earlier.get(log) != _written(log)


def _ends_for_good(log: str) -> bool:
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return bool(lines) and lines[-1].endswith(job.FOR_GOOD)


def _written(log: str) -> int:
    return Path(log).stat().st_mtime_ns
