"""Every kind of damage is found and named, and a sound study is left in peace."""

import errno
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prunescope.compact.graph import graph_files, onnx_models
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node
from prunescope.data import image_tables
from prunescope.evaluate import network_tables
from prunescope.foundation import arrays, provenance, tables, whole_files
from prunescope.foundation.errors import InputError
from prunescope.networks import network_files
from prunescope.networks.description import Description, Network
from prunescope.study.results import all_tables, verification
from prunescope.summarize import study_tables

FOLDER = "results/small/networks/dense/none/rate0.00/seed0"
NETWORK = f"{FOLDER}/network.safetensors"
TABLE = f"{FOLDER}/accounting.parquet"
ARRAY = "results/datasets/clothes/test/images.npy"
FOLDERS = ["results/small", "results/datasets/clothes"]
MANIFEST = "results/logs/small/train_dense.log.sha256"
LOGS = ["results/logs/small", "results/logs/datasets/clothes"]
COORDINATES = {
    "study": "small", "method": "dense", "retraining": "none", "rate": "0.00", "seed": "0"
}  # fmt: skip


def small_network() -> Network:
    description = Description("torchvision:googlenet", 10, 32, (0.3,) * 3, (0.4,) * 3, options={"init_weights": False})
    return Network(description, {"fc.weight": np.arange(6000, dtype=np.float32)})


def write_table(path: str) -> None:
    row = {key: [0] for key in network_tables.ACCOUNTING.columns}
    network_tables.ACCOUNTING.write(network_tables.ACCOUNTING.conform(pl.DataFrame(row)), path)


COMPACT = [f"{FOLDER}/compact.{kind}" for kind in ("safetensors", "json", "onnx")]


def write_compact(path: str) -> None:
    """The three files of a compact network, the first of which is at `path`."""
    mean = {"kind": "mean", "over": (2, 3), "keep": False}
    graph = Graph(
        (
            Node("mean", "reduce", (INPUT,), mean, (1, 3)),
            Node("fc", "linear", ("mean",), {}, (1, 1000)),
        )
    )
    tensors = {"fc.weight": np.arange(3000, dtype=np.float32).reshape(1000, 3)}
    description = Description("torchvision:googlenet", 1000, 32, (0.3,) * 3, (0.4,) * 3, options={"init_weights": False})
    compact = graph_files.CompactNetwork(description, graph, tensors)
    graph_files.save(compact, Path(path).with_suffix(".json"), path)
    model = onnx_models.to_onnx(graph, tensors, description)
    Path(path).with_suffix(".onnx").write_bytes(model)


def write_as(wildcards: dict[str, str], write: Callable[[str], None], path: str) -> None:
    before = provenance.current()
    provenance.set_current({"wildcards": wildcards})
    write(path)
    provenance.set_current(before)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, a table and an array, as jobs leave them, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_as(COORDINATES, lambda path: network_files.save(small_network(), path), NETWORK)
    write_as(COORDINATES, write_table, TABLE)
    arrays.save_array(np.arange(1000), ARRAY)
    write_as(COORDINATES, write_compact, COMPACT[0])
    save_manifest([NETWORK, TABLE, *COMPACT], MANIFEST)
    save_manifest([ARRAY], f"{LOGS[1]}/pack.log.sha256")
    return tmp_path


def save_manifest(paths: list[str], manifest: str, **more: object) -> None:
    checksums = {path: whole_files.checksum(path) for path in paths}
    description = {"rule": "train_dense", "wildcards": COORDINATES, "params": {"code": "abc"}}
    whole_files.save_checksums(checksums, manifest, {**description, **more})


def findings() -> list[verification.Finding]:
    return verification.verify(FOLDERS, LOGS)[1]


def test_a_sound_study(study: Path) -> None:
    Path(f"{FOLDER}/training.abc.safetensors").write_bytes(b"under way")
    unfinished = Path(f"{FOLDERS[0]}/.explorer.0123456789abcdef/data/study.js")
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"under way")
    assert verification.verify(FOLDERS, LOGS) == (6, [])


def test_manifests_are_those_of_sha256sum(study: Path) -> None:
    """The line that says how the files were made is a comment to it."""
    assert whole_files.load_description(MANIFEST)["params"] == {"code": "abc"}
    command = ["sha256sum", "--check", "--strict", MANIFEST]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"{path}: OK" for path in (NETWORK, TABLE, *COMPACT)]
    assert done.stderr == ""


@pytest.mark.parametrize("first", ["", "# ", "# {", "# []", "# 3", "# null", "0123  a path"])
def test_a_manifest_that_does_not_tell_how_files_were_made(tmp_path: Path, first: str) -> None:
    """Such as one of an older version, or a damaged one."""
    manifest = tmp_path / "job.log.sha256"
    manifest.write_text(f"{first}\n{'0' * 64}  a file\n")
    assert whole_files.load_description(manifest) == {}
    assert whole_files.load_checksums(manifest)["a file"] == "0" * 64


def test_a_network_that_another_study_made_may_be_shared(study: Path) -> None:
    there = COORDINATES | {"study": "other"}
    write_as(there, lambda path: network_files.save(small_network(), path), NETWORK)
    save_manifest([NETWORK, TABLE, *COMPACT], MANIFEST)
    assert "belongs elsewhere" in str(findings()[0])
    save_manifest([NETWORK], f"{LOGS[0]}/shared.log.sha256", made_as=there)
    assert findings() == []
    write_as(there | {"seed": "3"}, lambda path: network_files.save(small_network(), path), NETWORK)
    (found,) = findings()
    assert "belongs elsewhere: its provenance says seed 3" in str(found)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty])
@pytest.mark.parametrize("path", [NETWORK, TABLE, ARRAY, *COMPACT])
def test_damage_is_named_with_the_command_that_mends_it(
    study: Path, path: str, damage: Callable[[Path], None]
) -> None:
    damage(Path(path))
    (found,) = findings()
    assert found.path == path
    assert f"snakemake --cores all --force {path}` (and after that the `--configfile`" in str(found)
    assert str(found).count("--force") == 1


READERS: dict[str, Callable[[str], object]] = {
    NETWORK: network_files.load,
    TABLE: network_tables.ACCOUNTING.read,
    ARRAY: arrays.load_array,
    COMPACT[0]: lambda _path: graph_files.load(COMPACT[1]),
    COMPACT[1]: graph_files.load,
    COMPACT[2]: onnx_models.read_metadata,
}


def some_bits(path: str, count: int = 100) -> np.ndarray:
    """Bits of a file, drawn once for all: more of them where its header or its footer is."""
    length = Path(path).stat().st_size
    near = min(length, 1500)
    draw = np.random.default_rng(7).integers
    places = np.stack([draw(near, size=count), length - 1 - draw(near, size=count)])
    return np.concatenate([places.ravel(), draw(length, size=count)]) * 8 + draw(8, size=3 * count)


@pytest.mark.parametrize("path", READERS)
def test_any_flipped_bit_is_an_input_error_or_none(study: Path, path: str) -> None:
    """What reads it may not notice a bit of a value; `verify` notices each."""
    whole = Path(path).read_bytes()
    digest = whole_files.checksum(path)
    messages = []
    for bit in some_bits(path):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        Path(path).write_bytes(content)
        assert [found.path for found in findings_of(path, digest)] == [path], bit
        messages += refusals(path)
    assert messages
    assert all(path in text and "snakemake --cores all --force" in text for text in messages)


def refusals(path: str) -> list[str]:
    """What its reader says against a file, if anything."""
    try:
        READERS[path](path)
    except InputError as error:
        return [str(error)]
    return []


def findings_of(path: str, digest: str) -> list[verification.Finding]:
    """Of one file only: reading all of them for every bit would take long."""
    return list(verification._check(path, digest))


def test_a_damaged_manifest_stops_nothing(study: Path) -> None:
    manifest = Path(MANIFEST)
    content = bytearray(manifest.read_bytes())
    content[content.index(b"\n") + 1] = 0xFF
    manifest.write_bytes(content)
    (found,) = findings()
    assert found.path == NETWORK


def test_a_file_that_cannot_be_read_is_listed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: str) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(whole_files, "checksum", fail)
    assert len(findings()) == 6
    assert all("cannot be read (Input/output error)" in str(found) for found in findings())


def test_a_file_of_another_network_is_foreign(study: Path) -> None:
    write_as(
        COORDINATES | {"study": "other", "seed": "3"},
        lambda path: network_files.save(small_network(), path),
        NETWORK,
    )
    (found,) = findings()
    assert "belongs elsewhere: its provenance says seed 3, study other" in str(found)


@pytest.mark.parametrize("number", range(3))
def test_a_compact_network_of_another_one_is_foreign(study: Path, number: int) -> None:
    kept = {path: Path(path).read_bytes() for path in COMPACT}
    write_as(COORDINATES | {"seed": "3"}, write_compact, COMPACT[0])
    for path in COMPACT:
        if path != COMPACT[number]:
            Path(path).write_bytes(kept[path])
    (found,) = findings()
    assert found.path == COMPACT[number]
    assert "belongs elsewhere: its provenance says seed 3" in str(found)


def test_a_network_that_was_changed_by_hand(study: Path) -> None:
    changed = replace(small_network(), tensors={"fc.weight": np.zeros(6000, np.float32)})
    write_as(COORDINATES, lambda path: network_files.save(changed, path), NETWORK)
    (found,) = findings()
    assert "was changed after its job wrote it" in str(found)


def test_missing_and_additional_files(study: Path) -> None:
    Path(TABLE).unlink()
    Path("results/small/notes.txt").write_text("mine")
    missing, additional = findings()
    assert missing.path == TABLE
    assert "is not there, though a job wrote it" in str(missing)
    assert additional.path == "results/small/notes.txt"
    assert "no job of this study wrote it" in str(additional)


@pytest.mark.parametrize(
    ("path", "table"),
    [
        (TABLE, network_tables.ACCOUNTING),
        ("results/small/tables/units.parquet", study_tables.UNITS),
        ("results/datasets/clothes/probe/index.parquet", image_tables.INDEX),
        ("results/small/tables/other.parquet", None),
    ],
)
def test_tables_by_path(path: str, table: tables.Table | None) -> None:
    assert all_tables.table_of(path) is table
