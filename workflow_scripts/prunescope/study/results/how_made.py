"""How the files of a job were made, as far as they tell: by what they carry, and by its manifest.

Every job writes a manifest beside its log: how its files were made, and their checksums. Tables,
networks and specifications of charts also carry the first of these in themselves.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.foundation import provenance, tables, whole_files
from prunescope.foundation.errors import InputError
from prunescope.networks import network_files

MANIFEST = "{log}.sha256"


@dataclass(frozen=True)
class Making:
    """How a file was made.

    Attributes
    ----------
    rule, wildcards, params
        The job, with its params as JSON holds them.
    input
        Its input files; None where only the file itself tells how it was made.
    """

    rule: str
    wildcards: Mapping[str, str]
    params: Mapping[str, Any]
    input: tuple[str, ...] | None = None

    @classmethod
    def read(cls, description: Mapping[str, Any]) -> "Making | None":
        """What a description says; None if it says nothing."""
        if not {"rule", "wildcards", "params"} <= description.keys():
            return None
        made_of = description.get("input")
        return cls(
            description["rule"],
            description["wildcards"],
            description["params"],
            None if made_of is None else tuple(made_of),
        )

    def is_alike(self, other: "Making") -> bool:
        """Whether both say the same of the job, whatever they know of its input."""
        ours, theirs = (
            json.dumps([made.rule, made.wildcards, made.params], sort_keys=True)
            for made in (self, other)
        )
        return ours == theirs


def find(outputs: Sequence[str], log: str) -> dict[str, Making]:
    """How each output of a job was made; empty where neither they nor the manifest tell.

    What files carry counts for more than a manifest, which may be that of other files: results may
    have been copied without it, or over older ones. The manifest counts if they carry the same, or
    if its checksums are theirs. A file that carries nothing was made with those that do.
    """
    carried = {path: made for path in outputs if (made := Making.read(_carried(path)))}
    manifest = Path(MANIFEST.format(log=log))
    listed = Making.read(whole_files.load_description(manifest)) if manifest.is_file() else None
    if listed and (
        _all_alike(listed, carried) or _are_listed(outputs, whole_files.load_checksums(manifest))
    ):
        return dict.fromkeys(outputs, listed)
    return {path: carried.get(path) or next(iter(carried.values())) for path in outputs if carried}


def _all_alike(listed: Making, carried: Mapping[str, Making]) -> bool:
    return bool(carried) and all(listed.is_alike(made) for made in carried.values())


def _are_listed(outputs: Sequence[str], checksums: Mapping[str, str]) -> bool:
    """Whether the outputs, files or folders, are those of a manifest, byte for byte."""
    named = all(
        any(path == output or path.startswith(f"{output}/") for path in checksums)
        for output in outputs
    )
    return named and all(
        Path(path).is_file() and whole_files.checksum(path) == digest
        for path, digest in checksums.items()
    )


def _carried(path: str) -> Mapping[str, Any]:
    """What a file says of itself; empty if it carries nothing, or is damaged."""
    try:
        if path.endswith(".parquet"):
            return dict(json.loads(tables.read_provenance(path)))
        if path.endswith(".safetensors"):
            return network_files.read_provenance(path)
        if path.endswith(".json"):
            return _of_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except (InputError, ValueError, TypeError, AttributeError):
        pass
    return {}


def _of_json(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A chart has it in its metadata, a compact network under a key; beside an array it is all."""
    of_chart = content.get("usermeta", {}).get(provenance.KEY)
    return dict(of_chart or content.get("provenance") or content)
