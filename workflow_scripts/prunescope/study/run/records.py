"""Tell Snakemake how files were made that its own records do not know, or know wrongly.

Snakemake keeps the params of jobs in `.snakemake/` alone. In another copy of the workflow they are
missing; of a file that was copied over another one, they are those of the other one. Then nothing
would be stale, whatever the config says. Here such a file is looked up in what it carries and in
the manifest of its job (`how_made`), as if Snakemake had recorded it. All triggers and reasons are
Snakemake's own. Written for Snakemake 9.27: newer versions may rename what is used here.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord, PersistenceBase
from snakemake.settings.types import ExecMode

if TYPE_CHECKING:
    from prunescope.study.results.how_made import Making

# What a dry run gives as the reason why a file is made again.
UNKNOWN = "nothing tells how it was made"
# Where Snakemake keeps the date of a folder.
DATE_OF_FOLDER = ".snakemake_timestamp"


class _Records(PersistenceBase):
    """Records of Snakemake that are compared with the files that they describe."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._looked_up: dict[str, MetadataRecord | None] = {}
        super().__init__(*args, **kwargs)

    def metadata(self, target: Any) -> MetadataRecord | None:
        """The record of a file; None if there is none, or if it is that of another file."""
        key = self._get_key(target)
        if key not in self._looked_up:
            record = super().metadata(target)
            # Snakemake notes the date that a file had when its job had ended.
            same = record is not None and record.endtime == _date(key)
            self._looked_up[key] = record if same else None
        return self._looked_up[key]

    def has_metadata(self, job: Any) -> bool:
        """Whether there are records of the outputs of a job; looks up those that are missing."""
        missing = [path for path in job.output if self.metadata(path) is None]
        if missing and (watched := _watched_params(job)):
            for path, record in _look_up(job, watched).items():
                if path in missing:
                    self._keep(path, record)
        return super().has_metadata(job)

    def _keep(self, path: str, record: MetadataRecord) -> None:
        """Keep what was looked up: a file without provenance must be read for it as a whole."""
        self._looked_up[path] = record
        workflow = self.dag.workflow
        if workflow.exec_mode == ExecMode.DEFAULT and not workflow.dryrun:
            self._write_record(path, record)

    def _clear_cache(self) -> None:
        self._looked_up.clear()
        super()._clear_cache()


def compare_with_files() -> None:
    """Let Snakemake compare its records with the files that they describe, from now on."""
    from snakemake import workflow  # a circle of imports, unless Snakemake was started

    for name in ("FilePersistence", "DbPersistence"):
        # Whatever stands there: `snakemake_notes` changes the same classes.
        own = type(name, (_Records, getattr(workflow, name)), {})
        setattr(workflow, name, own)


def _date(path: str) -> float | None:
    """The date of a file as Snakemake notes it; None if it is not there."""
    try:
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode) and (Path(path) / DATE_OF_FOLDER).exists():
            status = (Path(path) / DATE_OF_FOLDER).stat()
    except FileNotFoundError:
        return None
    return status.st_mtime


def _watched_params(job: Any) -> dict[str, Any]:
    """The params of a job whose change makes it stale, by name."""
    given = dict(job.rule.params._allitems())
    return {
        name: value
        for name, value in job.params._allitems()
        if not job.rule._is_deriving_function(given[name])
    }


def _look_up(job: Any, watched: Mapping[str, Any]) -> dict[str, MetadataRecord]:
    """The records that Snakemake would have of the outputs of a job."""
    from prunescope.study.results import how_made  # slow to import, and not always needed

    outputs = [str(path) for path in job.output]
    if not all(map(os.path.lexists, outputs)):
        return {}
    made = how_made.find(outputs, str(job.log[0]))
    return {path: _record(job, watched, made.get(path), path) for path in outputs}


def _record(
    job: Any, watched: Mapping[str, Any], made: "Making | None", path: str
) -> MetadataRecord:
    """A record. The params are Snakemake's texts where they are those of the job, else ours."""
    record = MetadataRecord(
        rule=job.rule.name,
        params=[UNKNOWN],
        record_format_version=RECORD_FORMAT_VERSION,
        endtime=_date(path),
        incomplete=False,
    )
    if made is None:
        return record
    record.input = None if made.input is None else list(made.input)
    if (made.rule, dict(made.wildcards)) != (job.rule.name, dict(job.wildcards.items())):
        record.params = [f"made by {made.rule} {made.wildcards}"]
        return record
    unwatched = job.params.keys() - watched.keys()
    record.params = [
        repr(watched[name])
        if name in watched and _is_alike(watched[name], value)
        else f"{name}={value!r}"
        for name, value in sorted(made.params.items())
        if name not in unwatched
    ]
    record.params += [f"no {name}" for name in sorted(watched.keys() - made.params.keys())]
    return record


def _is_alike(value: Any, stored: Any) -> bool:
    """Whether a param is one that was stored as JSON, which has no tuples."""
    return json.dumps(value, sort_keys=True) == json.dumps(stored, sort_keys=True)
