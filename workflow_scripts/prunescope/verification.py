"""Whether the files of a study are what its jobs wrote.

Every job leaves the checksums of its outputs beside its log. Here they are compared with the
files on disk; network files and tables are opened and checked against their schema and their
provenance too, so that a file of another study or network is recognised.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope import artifacts, checkpoints, compact_files, onnx_models, provenance, tables
from prunescope.errors import InputError, how_to_rebuild

COMPACT_TENSORS, COMPACT_DESCRIPTION = "/compact.safetensors", "/compact.json"
# What trainings, packing and the explorer keep while they run.
UNFINISHED = re.compile(r"^(\.|training\.|images\.unfinished)")


@dataclass(frozen=True)
class Finding:
    """A file that is not what it should be, why, and what to do about it."""

    path: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.advice}"


def verify(folders: Sequence[str], logs: Sequence[str]) -> tuple[int, list[Finding]]:
    """Check every file below `folders` against what the jobs with logs below `logs` wrote.

    Returns
    -------
    tuple
        How many files were checked, and what was found, sorted by path.
    """
    written: dict[str, str] = {}
    for folder in logs:
        for manifest in sorted(Path(folder).rglob("*.sha256")):
            written |= artifacts.load_checksums(manifest)
    present = {path for folder in folders for path in _files(folder)}
    expected = {path for path in written if path.startswith(tuple(f"{f}/" for f in folders))}
    findings = [finding for path in expected & present for finding in _check(path, written[path])]
    findings += [
        Finding(path, "is not there, though a job wrote it", how_to_rebuild(path))
        for path in expected - present
    ]
    findings += [
        Finding(path, "no job of this study wrote it", "Move it elsewhere, or delete it")
        for path in present - expected
    ]
    return len(present), sorted(findings, key=lambda finding: finding.path)


def _files(folder: str) -> Iterator[str]:
    for path in Path(folder).rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(UNFINISHED.match(part) for part in parts):
            yield path.as_posix()


def _check(path: str, digest: str) -> Iterator[Finding]:
    if Path(path).stat().st_size == 0:
        yield Finding(path, "is empty", how_to_rebuild(path))
        return
    try:
        stored = _open(path)
    except InputError as error:
        yield Finding(path, str(error).removeprefix(f"{path}: ").partition(". Make it")[0],
                      how_to_rebuild(path))  # fmt: skip
        return
    other = _foreign(path, stored)
    if other:
        yield Finding(path, f"belongs elsewhere: its provenance says {other}", how_to_rebuild(path))
    elif artifacts.checksum(path) != digest:
        yield Finding(path, "was changed after its job wrote it", how_to_rebuild(path))


def _open(path: str) -> dict[str, Any]:
    """Check a file against its format; return its provenance if it carries one."""
    if path.endswith(".npy"):
        artifacts.load_array(path, memory_map=True)
    elif path.endswith(COMPACT_TENSORS):
        compact_files.read_tensors(path)
        return checkpoints.read_provenance(path)
    elif path.endswith(COMPACT_DESCRIPTION):
        return dict(compact_files.read_description(path)["provenance"])
    elif path.endswith(".onnx"):
        return onnx_models.read_metadata(path).get(provenance.KEY, {})
    elif path.endswith(".safetensors"):
        checkpoints.load(path)
        return checkpoints.read_provenance(path)
    elif path.endswith(".parquet"):
        table = tables.table_of(path)
        if table is not None:
            table.read(path)
        return json.loads(tables.read_provenance(path))
    return {}


def _foreign(path: str, stored: dict[str, Any]) -> str:
    """The wildcards of a file's provenance that its path contradicts."""
    wildcards = stored.get("wildcards", {})
    parts = set(Path(path).parts)
    prefixed = {"rate": "rate", "seed": "seed"}
    wrong = [
        f"{name} {value}"
        for name, value in wildcards.items()
        if name in ("study", "method", "retraining", "rate", "seed", "dataset")
        and f"{prefixed.get(name, '')}{value}" not in parts
    ]
    return ", ".join(wrong)
