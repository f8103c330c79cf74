"""Downloaded weights become the dense network, over a bad line or by hand, or nothing does."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from servers import Server, serving, status, truncated
from torchvision.models import googlenet
from workspaces import TINY, Workspace, copy_project

from prunescope.data import image_tables
from prunescope.networks import network_files

pytestmark = pytest.mark.slow

TOOL = "workflow_scripts/tools/plan_study.py"

CLASSES = 10
NETWORK = "results/tiny/networks/dense/none/rate0.00/seed0/network.safetensors"
INDEX = "results/datasets/fashion_mnist_tiny/train/index.parquet"
DOWNLOAD = "downloads/net.pth"
WRONG = "0" * 64


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    module = googlenet(weights=None, num_classes=CLASSES, aux_logits=True, init_weights=False)
    return dict(module.state_dict())


@pytest.fixture(scope="module")
def body(state: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture
def server(body: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with serving(body) as running:
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The project and, of its dataset, the one file that tells the classes."""
    made = copy_project(tmp_path)
    labels = np.arange(20) % CLASSES
    index = pl.DataFrame(
        {
            "image": np.arange(20),
            "label": labels,
            "class": [f"class {label}" for label in labels],
            "source_split": "train",
            "source_index": np.arange(20),
            "file": [None] * 20,
            "bytes": None,
            "modified": None,
        }
    )
    image_tables.INDEX.write(image_tables.INDEX.conform(index), made.path(INDEX))
    return made


def configure(workspace: Workspace, url: str, sha256: str) -> None:
    text = workspace.path(TINY).read_text()
    for old, new in (
        ("checkpoint: train", f'checkpoint: {{url: "{url}", sha256: "{sha256}"}}'),
        ("  recipe: from_scratch", "  recipe: null"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    workspace.path(TINY).write_text(text)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assert_imported(workspace: Workspace, state: dict[str, torch.Tensor]) -> None:
    network = network_files.load(workspace.path(NETWORK))
    expected = {name: tensor for name, tensor in state.items() if not name.startswith("aux")}
    assert network.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert np.array_equal(network.tensors[name], tensor.numpy()), name
    assert network.description.classes == CLASSES


def failure(done: subprocess.CompletedProcess, workspace: Workspace) -> str:
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert not workspace.path(NETWORK).exists()
    return done.stderr


def test_a_bad_line(
    workspace: Workspace, server: Server, body: bytes, state: dict[str, torch.Tensor]
) -> None:
    server.script = [status(503), truncated(1_000_000)]
    configure(workspace, server.url, sha256_of(body))
    done = workspace.snakemake(NETWORK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.ranges == [None, None, "bytes=1000000-"]
    assert workspace.path(DOWNLOAD).read_bytes() == body
    assert [path.name for path in workspace.path("downloads").iterdir()] == ["net.pth"]
    assert_imported(workspace, state)
    # Nothing is stale afterwards, and forcing the download does not ask the server again.
    again = workspace.snakemake("--forcerun", "fetch_checkpoint", "--", NETWORK)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(server.ranges) == 3
    assert "Nothing to be done" in workspace.snakemake("--dry-run", NETWORK).stdout


def test_a_wrong_checksum(workspace: Workspace, server: Server, body: bytes) -> None:
    configure(workspace, server.url, WRONG)
    done = workspace.snakemake(NETWORK)
    message = failure(done, workspace)
    assert "Trying to restart job" not in message
    for part in ("net.pth", server.url, DOWNLOAD, WRONG, sha256_of(body), "wrong checksum"):
        assert part in message
    log = workspace.path("results/logs/downloads/net.pth.log").read_text()
    assert log.count("wrong checksum") == 1
    assert not list(workspace.path("downloads").rglob("*"))
    assert server.ranges == [None]


def test_without_network(
    workspace: Workspace, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with serving(body) as server:
        url = server.url
    configure(workspace, url, sha256_of(body))
    message = failure(workspace.snakemake(NETWORK), workspace)
    assert f"net.pth could not be downloaded from {url}: " in message
    assert message.count("Trying to restart job") == 2
    assert f"save {url} as {DOWNLOAD}: the SHA-256 must be {sha256_of(body)}" in message
    assert "model.checkpoint" in message


def test_a_file_put_there_by_hand(
    workspace: Workspace, server: Server, body: bytes, state: dict[str, torch.Tensor]
) -> None:
    configure(workspace, server.url, sha256_of(body))
    workspace.path("downloads").mkdir()
    workspace.path(DOWNLOAD).write_bytes(body)
    done = workspace.snakemake(NETWORK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_imported(workspace, state)
    # Not even force asks the server for it or deletes it.
    forced = workspace.snakemake("--force", DOWNLOAD)
    assert forced.returncode == 0, forced.stdout + forced.stderr
    assert workspace.path(DOWNLOAD).read_bytes() == body
    assert server.ranges == []


def test_a_wrong_file_put_there_by_hand(workspace: Workspace, server: Server, body: bytes) -> None:
    configure(workspace, server.url, sha256_of(body))
    workspace.path("downloads").mkdir()
    workspace.path(DOWNLOAD).write_bytes(body[:-1])
    message = failure(workspace.snakemake(NETWORK), workspace)
    assert f"{DOWNLOAD}: wrong checksum: its SHA-256 is {sha256_of(body[:-1])}" in message
    assert sha256_of(body) in message
    assert workspace.path(DOWNLOAD).exists()
    assert server.ranges == []


def test_a_plan_names_weights_that_are_not_there(workspace: Workspace) -> None:
    study = (
        "extends: tiny.yaml\nstudy: mine\n"
        "model: {checkpoint: {file: weights/mine.pth}, recipe: null, untrained: false}\n"
        "recipes: {from_scratch: null}\n"
    )
    workspace.path("config/mine.yaml").write_text(study)
    done = subprocess.run(
        [sys.executable, TOOL, "--configfile", "config/mine.yaml"],
        cwd=workspace.folder,
        env={**os.environ, "PYTHONPATH": "workflow_scripts"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("plan: weights/mine.pth is not there, which `model.checkpoint` names.")
    assert line.endswith("make doctor CONFIG=config/mine.yaml lists all that is missing.")
    assert "MissingInputException" not in done.stdout + done.stderr
