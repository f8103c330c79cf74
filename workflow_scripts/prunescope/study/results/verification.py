"""Check whether the files of a study are what its jobs wrote.

Every job writes the checksums of its outputs beside its log. Here they are compared with the files
on disk. Network files and tables are also opened, and compared with their schema and with their
provenance, so that a file of another study or network is noticed.

A new file format must be added to `_check_format` and `_provenance`; without that only its checksum
is compared.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.compact.graph import graph_files, onnx_models
from prunescope.foundation import arrays, provenance, tables, whole_files
from prunescope.foundation.errors import InputError, how_to_rebuild
from prunescope.networks import network_files
from prunescope.networks.coordinates import COLUMNS
from prunescope.networks.exported import tensors_beside
from prunescope.study.results import all_tables

# The ends of the paths of a compact network.
COMPACT_TENSORS, COMPACT_DESCRIPTION = "/compact.safetensors", "/compact.json"
# That of tensors of an exported graph.
GRAPH_TENSORS = "/graph.safetensors"
FOREIGN = "If it was copied, copy `results/logs` as well; if not, move it elsewhere, or delete it"
# The files that training, packing and the explorer keep while they run.
UNFINISHED = re.compile(r"^(\.|training\.|(images|copies)\.unfinished)")


@dataclass(frozen=True)
class Finding:
    """A file that is not as it should be, what is wrong with it, and what to do about it."""

    path: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.advice}"


def report(folders: Sequence[str], logs: Sequence[str]) -> str:
    """Say in one line that all files are sound.

    Raises
    ------
    InputError
        Some are not. The message lists all findings of `verify`.
    """
    checked, findings = verify(folders, logs)
    if findings:
        lines = "\n".join(f"  - {finding}" for finding in findings)
        raise InputError(f"{len(findings)} of {checked} files are not as they should be:\n{lines}")
    return f"{checked} files are as their jobs wrote them. `make verify` lists what is stale."


def verify(folders: Sequence[str], logs: Sequence[str]) -> tuple[int, list[Finding]]:
    """Check every file below `folders` against what the jobs with logs below `logs` wrote.

    Returns
    -------
    tuple
        The number of files that were checked, and the findings, sorted by path.
    """
    written: dict[str, str] = {}
    elsewhere: dict[str, Mapping[str, str]] = {}
    for folder in logs:
        for manifest in sorted(Path(folder).rglob("*.sha256")):
            checksums = whole_files.load_checksums(manifest)
            written |= checksums
            if made_as := whole_files.load_description(manifest).get(provenance.MADE_AS):
                elsewhere |= dict.fromkeys(checksums, made_as)
    present = {path for folder in folders for path in _files(folder)}
    expected = {path for path in written if path.startswith(tuple(f"{f}/" for f in folders))}
    findings = [
        finding
        for path in expected & present
        for finding in _check(path, written[path], elsewhere.get(path))
    ]
    findings += [
        Finding(path, "is not there, though a job wrote it", how_to_rebuild(path))
        for path in expected - present
    ]
    findings += [
        Finding(path, "no job of this study wrote it, as far as `results/logs` tells", FOREIGN)
        for path in present - expected
    ]
    return len(present), sorted(findings, key=lambda finding: finding.path)


def _files(folder: str) -> Iterator[str]:
    for path in Path(folder).rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(UNFINISHED.match(part) for part in parts):
            yield path.as_posix()


def _check(path: str, digest: str, made_as: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """What is wrong with a file; `made_as` are the wildcards of its job in another study."""
    try:
        problem = _problem(path, digest, made_as)
    except InputError as error:
        advice = f". {how_to_rebuild(path)}"
        problem = str(error).removeprefix(f"{path}: ").removesuffix(advice)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
    if problem:
        yield Finding(path, problem, how_to_rebuild(path))


def _problem(path: str, digest: str, made_as: Mapping[str, str] | None) -> str:
    """What is wrong with a file; an empty text if its job wrote it, and wrote it for this path."""
    if Path(path).stat().st_size == 0:
        return "is empty"
    # Checked first, because libraries may misbehave on a damaged file.
    changed = whole_files.checksum(path) != digest
    if not changed:
        _check_format(path)
    with whole_files.reading(path, "file of this workflow"):
        other = _foreign(path, _provenance(path), made_as)
    if other:
        return f"belongs elsewhere: its provenance says {other}"
    return "was changed after its job wrote it" if changed else ""


def _check_format(path: str) -> None:
    """Open a file, and compare it with its schema if it has one."""
    if path.endswith(".npy"):
        arrays.load_array(path, memory_map=True)
    elif path.endswith((COMPACT_TENSORS, GRAPH_TENSORS)):
        tensors_beside.read(path)
    elif path.endswith(".safetensors"):
        network_files.load(path)
    elif path.endswith(".parquet") and (table := all_tables.table_of(path)):
        table.read(path)


def _provenance(path: str) -> dict[str, Any]:
    """The provenance that a file carries; empty if it carries none."""
    if path.endswith(COMPACT_DESCRIPTION):
        return dict(graph_files.read_description(path)["provenance"])
    if path.endswith(".onnx"):
        return onnx_models.read_metadata(path).get(provenance.KEY, {})
    if path.endswith(".safetensors"):
        return network_files.read_provenance(path)
    if path.endswith(".parquet"):
        return dict(json.loads(tables.read_provenance(path)))
    return {}


def _foreign(path: str, stored: dict[str, Any], made_as: Mapping[str, str] | None) -> str:
    """The wildcards in a file's provenance that do not match its path, in words.

    A file that several studies share may have those of the job that made it for the first one.
    """
    wildcards = stored.get("wildcards", {})
    if made_as is not None and wildcards == made_as:
        return ""
    parts = set(Path(path).parts)
    prefixed = {"rate": "rate", "seed": "seed"}
    wrong = [
        f"{name} {value}"
        for name, value in wildcards.items()
        if name in (*COLUMNS, "dataset") and f"{prefixed.get(name, '')}{value}" not in parts
    ]
    return ", ".join(wrong)
