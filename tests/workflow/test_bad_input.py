"""What users get wrong: one clear message, a non-zero exit, nothing half-made."""

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from workspaces import TINY, Workspace

from prunescope.networks import network_files
from prunescope.study.results import verification

pytestmark = pytest.mark.slow

NETWORK = "results/tiny/networks/structured/none/rate0.30/seed0"
SOURCE = "results/datasets/fashion_mnist_tiny/source"


@contextmanager
def hidden(path: Path) -> Iterator[None]:
    """Take a result away for a while."""
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.replace(path)


def test_a_typo_in_the_config_stops_before_any_job(
    blank: Workspace, edit: Callable[[Path, str, str], None]
) -> None:
    edit(blank.path(TINY), "tau: 0.16", "tua: 0.16")
    done = blank.snakemake()
    assert done.returncode != 0
    assert (
        "`interpretability.mis.tua` is not a key of the config. Did you mean `tau`?" in done.stderr
    )
    assert not blank.path("results").exists()


def test_a_config_that_is_missing_is_named(blank: Workspace) -> None:
    done = blank.snakemake(config="config/nothing.yaml")
    assert done.returncode != 0
    assert "config/nothing.yaml" in done.stderr
    assert not blank.path("results").exists()


@pytest.fixture
def dataset_folder(finished: Workspace, tmp_path: Path) -> Path:
    """The four real files of the dataset, in a folder of their own."""
    # A name that means something to shells, to YAML and to Snakemake: folders may have any.
    folder = tmp_path / "my 'files'; \"$(touch here)\" {study} & co"
    shutil.copytree(finished.path(SOURCE), folder)
    return folder


def fetch_from(workspace: Workspace, folder: Path) -> tuple[int, str]:
    text = workspace.path(TINY).read_text()
    workspace.path(TINY).write_text(
        text.replace("folder: null", f"folder: {json.dumps(str(folder))}")
    )
    done = workspace.snakemake(f"{SOURCE}/train-labels-idx1-ubyte", "--retries", "2")
    return done.returncode, done.stdout + done.stderr


def test_a_folder_with_the_files_serves(blank: Workspace, dataset_folder: Path) -> None:
    code, _ = fetch_from(blank, dataset_folder)
    assert code == 0
    assert len(list(blank.path(SOURCE).iterdir())) == 4
    assert not blank.path("here").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "holds neither t10k-labels-idx1-ubyte.gz nor"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "wrong checksum"),
        (lambda path: path.write_bytes(b"\0" * path.stat().st_size), "wrong checksum"),
    ],
    ids=["missing", "truncated", "other content"],
)
def test_a_damaged_dataset_file_is_named(
    blank: Workspace, dataset_folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(dataset_folder / "t10k-labels-idx1-ubyte")
    code, output = fetch_from(blank, dataset_folder)
    assert code != 0
    assert message in output
    assert "t10k-labels-idx1-ubyte" in output
    assert "datasets.<name>.folder" in output
    assert "Trying to restart job" not in output
    assert "Traceback" not in output
    assert not any(blank.path("results/datasets").rglob("*-ubyte"))


def keep_date(path: Path) -> None:
    """With another date, Snakemake would make a file again that does not tell how it was made."""
    status = path.with_name(f"{path.name}.aside").stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_network_of_another_architecture_is_refused(finished: Workspace) -> None:
    path = finished.path(f"{NETWORK}/network.safetensors")
    predictions = finished.path(f"{NETWORK}/predictions.parquet")
    original = network_files.load(path)
    fewer = {name: value for name, value in original.tensors.items() if name != "fc.weight"}
    with hidden(path), hidden(predictions):
        network_files.save(replace(original, tensors=fewer, masks={}), path)
        keep_date(path)
        done = finished.snakemake(str(predictions.relative_to(finished.folder)))
        assert done.returncode != 0
        assert "fc.weight" in done.stderr
        assert "not those of a torchvision:googlenet with 10 classes" in done.stderr
        assert "Traceback" not in done.stderr
        assert not predictions.exists()


def test_a_truncated_network_is_named(finished: Workspace) -> None:
    path = finished.path(f"{NETWORK}/network.safetensors")
    accounting = finished.path(f"{NETWORK}/accounting.parquet")
    with hidden(path), hidden(accounting):
        path.write_bytes(path.with_name(f"{path.name}.aside").read_bytes()[:1_000_000])
        keep_date(path)
        done = finished.results("--", str(accounting.relative_to(finished.folder)))
        assert done.returncode != 0
        assert f"{NETWORK}/network.safetensors: not a whole safetensors file" in done.stderr
        assert not accounting.exists()
    # It stands out among few lines, and tells where more is written.
    lines = done.stderr.splitlines()
    (failed,) = (number for number, line in enumerate(lines) if "FAILED account_network" in line)
    assert lines[failed].endswith(NETWORK.removeprefix("results/tiny/networks/"))
    assert "not a whole safetensors file" in lines[failed + 1]
    assert lines[failed + 2].startswith("    log: results/logs/tiny/networks/")
    assert lines[-1].startswith("Mend what the lines with FAILED say")
    assert len(lines) < 20


def test_a_full_disk_leaves_no_half_file_and_is_mended_by_a_rerun(finished: Workspace) -> None:
    target = f"{NETWORK}/pruned.safetensors"
    path = finished.path(target)
    limit = 5_000_000

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with hidden(path):
        done = finished.snakemake(target, before=no_room)
        assert done.returncode != 0
        assert "no room to write" in done.stderr
        assert target in done.stderr
        assert [entry.name for entry in path.parent.iterdir() if "pruned" in entry.name] == [
            f"{path.name}.aside"
        ]
        again = finished.snakemake(target)
        assert again.returncode == 0
        assert path.read_bytes() == path.with_name(f"{path.name}.aside").read_bytes()


def verify(workspace: Workspace) -> tuple[int, str]:
    done = workspace.snakemake("verify_study")
    return done.returncode, done.stdout + done.stderr


def test_a_finished_study_verifies(finished: Workspace) -> None:
    code, output = verify(finished)
    assert code == 0, output
    assert "files are as their jobs wrote them" in output


def spoil(content: bytes, number: int) -> bytes:
    """Empty, truncated, or with one bit flipped in the middle, by turns."""
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 4]) + content[half + 1 :]
    return (flipped, content[:half], flipped, b"")[number % 4]


def test_every_kind_of_file_is_verified(
    finished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of each kind is damaged, and named with the command that makes it again."""
    monkeypatch.chdir(finished.folder)
    folders = ["results/tiny", "results/datasets/fashion_mnist_tiny"]
    logs = ["results/logs/tiny", "results/logs/datasets/fashion_mnist_tiny"]
    found = [path for folder in folders for path in Path(folder).rglob("*")]
    # What begins with a dot is Snakemake's own.
    files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    kinds = {(path.parent.name, path.name) if "datasets" in path.parts else path.name: path
             for path in sorted(files)}  # fmt: skip
    assert {path.suffix for path in kinds.values()} >= {".npy", ".parquet", ".safetensors", ".json"}
    kept = {path: (path.read_bytes(), path.stat()) for path in kinds.values()}
    try:
        for number, (path, (content, _)) in enumerate(kept.items()):
            path.write_bytes(spoil(content, number))
        _, findings = verification.verify(folders, logs)
    finally:
        for path, (content, status) in kept.items():
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [finding.path for finding in findings] == sorted(path.as_posix() for path in kept)
    for finding in findings:
        assert f"--force {finding.path}" in finding.advice


def test_a_damaged_result_is_named_and_mended_by_the_command_that_is_given(
    finished: Workspace,
) -> None:
    path = finished.path(f"{NETWORK}/pruned.safetensors")
    original = path.read_bytes()
    path.write_bytes(original[:-100] + b"?" + original[-99:])
    code, output = verify(finished)
    assert code != 0
    assert f"{NETWORK}/pruned.safetensors: was changed after its job wrote it" in output
    assert f"--force {NETWORK}/pruned.safetensors" in output
    assert "Traceback" not in output
    done = finished.snakemake("--force", f"{NETWORK}/pruned.safetensors")
    assert done.returncode == 0
    assert path.read_bytes() == original
    assert finished.snakemake().returncode == 0
    assert verify(finished)[0] == 0
