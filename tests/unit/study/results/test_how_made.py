"""How files were made: what they carry counts, then the manifest, if it is theirs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prunescope.evaluate import network_tables
from prunescope.foundation import arrays, provenance, whole_files
from prunescope.networks import network_files
from prunescope.networks.description import Description, Network
from prunescope.study.results import how_made
from prunescope.study.results.how_made import Making

LOG = "logs/job.log"
WILDCARDS = {"seed": "0", "study": "small"}


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str) -> None:
    """A file of the kind that its name tells."""
    if path.endswith(".parquet"):
        row = pl.DataFrame({key: [0] for key in network_tables.ACCOUNTING.columns})
        network_tables.ACCOUNTING.write(network_tables.ACCOUNTING.conform(row), path)
    elif path.endswith(".safetensors"):
        description = Description("torchvision:googlenet", 10, 32, (0.3,) * 3, (0.4,) * 3, options={"init_weights": False})
        network = Network(description, {"fc.weight": np.arange(6, dtype=np.float32)})
        network_files.save(network, path)
    elif path.endswith("chart.json"):
        spec = {"mark": "point", "usermeta": {provenance.KEY: provenance.current()}}
        Path(path).write_text(json.dumps(spec))
    elif path.endswith("compact.json"):
        Path(path).write_text(json.dumps({"nodes": [], "provenance": provenance.current()}))
    elif path.endswith(".json"):
        arrays.save_provenance(path)
    else:
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(json.dumps(provenance.current()["params"]))


def run(*outputs: str, log: str = LOG, **params: Any) -> Making:
    """What a job leaves that writes files with these params."""
    before = provenance.current()
    provenance.set_current(provenance.record("make", WILDCARDS, params))
    for path in outputs:
        write(path)
    files = [str(file) for path in outputs for file in whole_files.files_of(path)]
    description = {**provenance.current(), "input": ["a", "b"]}
    checksums = {path: whole_files.checksum(path) for path in files}
    whole_files.save_checksums(checksums, f"{log}.sha256", description)
    provenance.set_current(before)
    made = Making.read(description)
    assert made is not None
    return made


KINDS = ["table.parquet", "network.safetensors", "chart.json", "compact.json", "array.json"]
MUTE = ["array.npy", "chart.svg", "page.html", "folder/page.html"]


@pytest.mark.parametrize("path", KINDS + MUTE)
def test_the_manifest_tells_of_its_files(path: str) -> None:
    made = run(path, tau=0.16)
    assert how_made.find([path], LOG) == {path: made}
    assert made.input == ("a", "b")


@pytest.mark.parametrize("path", KINDS)
def test_without_a_manifest_a_file_tells_of_itself(path: str) -> None:
    made = run(path, tau=0.16)
    Path(f"{LOG}.sha256").unlink()
    (found,) = how_made.find([path], LOG).values()
    assert found.is_alike(made)
    assert found.input is None


@pytest.mark.parametrize("path", MUTE)
def test_without_a_manifest_some_files_tell_nothing_but_by_their_siblings(path: str) -> None:
    made = run(path, "table.parquet", tau=0.16)
    Path(f"{LOG}.sha256").unlink()
    assert how_made.find([path], LOG) == {}
    found = how_made.find([path, "table.parquet"], LOG)
    assert found.keys() == {path, "table.parquet"}
    assert all(other.is_alike(made) for other in found.values())


@pytest.mark.parametrize("path", KINDS)
def test_a_file_that_was_copied_over_another_one_tells_of_itself(path: str) -> None:
    other = run(path, log="logs/other.log", tau=0.2)
    content = Path(path).read_bytes()
    run(path, tau=0.16)
    Path(path).write_bytes(content)
    assert how_made.find([path], LOG)[path].is_alike(other)


@pytest.mark.parametrize("path", MUTE)
def test_the_manifest_of_another_file_tells_nothing(path: str) -> None:
    run(path, tau=0.16)
    Path(path).write_text("of another job")
    assert how_made.find([path], LOG) == {}


def test_a_manifest_must_know_every_output(tmp_path: Path) -> None:
    run("a.npy", tau=0.16)
    Path("b.npy").write_text("of another job")
    assert how_made.find(["a.npy", "b.npy"], LOG) == {}
    folder = run("folder/page.html", tau=0.16)
    assert how_made.find(["folder"], LOG) == {"folder": folder}
    Path("folder/page.html").unlink()
    assert how_made.find(["folder"], LOG) == {}


def test_a_manifest_counts_for_a_file_that_was_taken_over_from_another_job() -> None:
    """`keep_pruned` copies a network with its provenance, and so does the cache of workflows."""
    run("network.safetensors", log="logs/other.log", code="of pruning")
    description = {"rule": "keep", "wildcards": WILDCARDS, "params": {"code": "of keeping"}}
    checksums = {"network.safetensors": whole_files.checksum("network.safetensors")}
    whole_files.save_checksums(checksums, f"{LOG}.sha256", description)
    (found,) = how_made.find(["network.safetensors"], LOG).values()
    assert found.rule == "keep"


def test_an_older_manifest_leaves_it_to_the_files() -> None:
    made = run("table.parquet", "array.npy", tau=0.16)
    manifest = Path(f"{LOG}.sha256")
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[1:]))
    found = how_made.find(["table.parquet", "array.npy"], LOG)
    assert all(other.is_alike(made) for other in found.values())
    assert how_made.find(["array.npy"], LOG) == {}


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"null", b'{"usermeta": 3}', b"\xff\xfe"])
def test_damaged_and_foreign_files_tell_nothing(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    assert how_made.find([path], LOG) == {}
