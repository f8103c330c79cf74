"""Results that workflows share (`--cache`): by the content of images, and verified."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from imagefolders import make_image_folder
from workspaces import Workspace, copy_project, temporary_project

from workflow.test_image_folders import CONFIG, FOLDER, configure

pytestmark = pytest.mark.slow

NETWORK = "results/tiny/networks/dense/none/rate0.00/seed0/network.safetensors"
LOG = "results/logs/tiny/networks/dense/none/rate0.00/seed0/train_dense.log"
DATE = 1_700_000_000_000_000_000
BYTES = 10_000


def make_images(folder: Path, seed: int) -> None:
    """Images whose names, sizes and dates are the same for every seed."""
    make_image_folder(folder, train_per_class=70, val_per_class=14, seed=seed)
    for path in folder.rglob("*.jpg"):
        content = path.read_bytes()
        path.write_bytes(content + bytes(BYTES - len(content)))
        os.utime(path, ns=(DATE, DATE))


def train(workspace: Workspace, network: str = NETWORK) -> str:
    done = workspace.snakemake("--cache", "--", network, config=CONFIG)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(folder))
        yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Workspace]:
    """A workspace whose network lies in the cache."""
    with temporary_project(tmp_path_factory, "first") as workspace:
        make_images(workspace.path(FOLDER), seed=0)
        configure(workspace)
        train(workspace)
        assert workspace.path(NETWORK).resolve().parent == cache
        yield workspace


def test_the_same_images_share_a_network_that_is_verified(first: Workspace, tmp_path: Path) -> None:
    """Also with a study of another name, as whose network it was not made."""
    second = copy_project(tmp_path)
    make_images(second.path(FOLDER), seed=0)
    configure(second, study="second")
    network = NETWORK.replace("tiny", "second")
    assert "from cache" in train(second, network)
    assert second.path(network).resolve() == first.path(NETWORK).resolve()
    for workspace, path in ((first, NETWORK), (second, network)):
        assert "Nothing to be done" in train(workspace, path)
        verified = workspace.snakemake("verify_study", config=CONFIG)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    # Without the records in `.snakemake`, the manifest tells.
    shutil.rmtree(second.path(".snakemake"))
    assert "Nothing to be done" in train(second, network)


def test_other_images_of_the_same_sizes_and_dates_are_trained_on(
    first: Workspace, tmp_path: Path
) -> None:
    second = copy_project(tmp_path)
    make_images(second.path(FOLDER), seed=1)
    configure(second)
    for path in first.path(FOLDER).rglob("*.jpg"):
        status = second.path(FOLDER).joinpath(path.relative_to(first.path(FOLDER))).stat()
        assert (status.st_size, status.st_mtime_ns) == (BYTES, DATE)
    train(second)
    assert second.path(NETWORK).read_bytes() != first.path(NETWORK).read_bytes()


def test_a_shared_result_without_its_manifest_is_made_again(
    first: Workspace, cache: Path, tmp_path: Path
) -> None:
    key = first.path(NETWORK).resolve().name.partition("_")[0]
    manifest = cache / f"{key}.sha256"
    content = manifest.read_bytes()
    manifest.unlink()
    second = copy_project(tmp_path)
    make_images(second.path(FOLDER), seed=0)
    configure(second)
    assert "Symlinking" in train(second)
    assert second.path(LOG).exists(), "the job ran"
    assert manifest.read_bytes() == content
