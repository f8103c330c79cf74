"""Where Snakemake takes its notes: on locks, and on which job made which file.

Snakemake takes notes even when it only plans. Here it learns to plan a study in a folder that may
not be written, to refuse to run it there, and to find its locks in a folder with braces in its
path. This changes the insides of Snakemake 9.27.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.jobs import Job
from snakemake.persistence.file import FilePersistence

NOTES = Path(".snakemake")
# The notes that a plan needs: on which job made which file, and which file is not complete.
READ = ("metadata", "incomplete")
# The notes that a plan writes.
WRITTEN = ("", "locks", "iocache", "iocache/latest.pkl", *READ)


def take_notes_anywhere(workflow: Any) -> None:
    """Let Snakemake take notes in any folder; a plan may put them into a temporary one.

    If this is no plan and notes may not be written, Snakemake stops with a message when it opens
    them.
    """
    # Not at the top: this module of Snakemake must be imported after others.
    from snakemake import workflow as snakemake_workflow

    only_plan = workflow.output_settings.dryrun

    class Notes(FilePersistence):
        def __init__(self, **given: Any) -> None:
            refused = unwritable()
            if refused is None:
                super().__init__(**given)
                return
            if not only_plan:
                raise WorkflowError(
                    f"{refused} may not be written, but a run takes notes there. Run in a copy "
                    "of the project, or let its owner run. `make verify` and `make plan` need to "
                    "write nothing."
                )
            # It is removed with this object, when Snakemake ends.
            self._elsewhere = tempfile.TemporaryDirectory(prefix="prunescope-plan-")
            for name in READ:
                if (NOTES / name).is_dir():
                    (Path(self._elsewhere.name) / name).symlink_to((NOTES / name).absolute())
            super().__init__(**given | {"path": Path(self._elsewhere.name)})

        def _read_locks(self) -> Iterator[tuple[str, str]]:
            """The kinds and the paths of what is locked. Snakemake takes braces for wildcards."""
            for lock in sorted(Path(self._lockdir).glob("*.*.lock")):
                for path in lock.read_text(encoding="utf-8").splitlines():
                    yield lock.name.split(".")[1], path

    snakemake_workflow.FilePersistence = Notes
    if only_plan:
        Job.check_protected_output = _protects_nothing


async def _protects_nothing(job: Job) -> None:
    """A plan lists what is stale, whether or not its files may be overwritten."""


def unwritable() -> Path | None:
    """What Snakemake would write here and may not; None if it may write all."""
    for path in (NOTES / name for name in WRITTEN):
        if path.exists() and not os.access(path, os.W_OK):
            return path.absolute()
    here = Path.cwd()
    return None if NOTES.exists() or os.access(here, os.W_OK) else here
