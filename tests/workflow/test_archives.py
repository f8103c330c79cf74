"""Archives from a folder, fetched and packed by the workflow; other content is refused."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from tars import write_tar
from workspaces import TINY, Workspace

from prunescope.data import image_tables
from prunescope.foundation import arrays

pytestmark = pytest.mark.slow

CONFIG = "config/cifar10.yaml"
RESULTS = "results/datasets/cifar10"
ARCHIVE = "cifar-10-binary.tar.gz"
SOURCE = "workflow_scripts/prunescope/data/sources/cifar10.py"
# Three images in each of the six batches; every pixel of an image has the value of its number.
FILES = {"batches.meta.txt": "".join(f"class {number}\n".replace(" ", "_") for number in range(10))}
BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


@pytest.fixture
def workspace(blank: Workspace) -> Workspace:
    """A study of CIFAR-10, of which a folder holds an archive of a few images."""
    folder = blank.path("my {archives}")
    folder.mkdir()
    contents = {f"cifar-10-batches-bin/{name}": text.encode() for name, text in FILES.items()}
    for number, name in enumerate(BATCHES):
        records = [bytes([row]) + bytes([10 * number + row]) * 3072 for row in range(3)]
        contents[f"cifar-10-batches-bin/{name}"] = b"".join(records)
    archive = write_tar(folder / ARCHIVE, contents)
    _expect(blank.path(SOURCE), hashlib.sha256(archive.read_bytes()).hexdigest())
    config = yaml.safe_load(blank.path(TINY).read_text())
    (dataset,) = config["datasets"].values()
    dataset |= {"source": "cifar10", "folder": "my {archives}", "image_size": 32}
    dataset |= {"validation": {"images": 3, "seed": 0}, "probe": {"images": 15, "seed": 0}}
    config |= {"dataset": "cifar10", "datasets": {"cifar10": dataset}}
    config["interpretability"] |= {
        "exemplars": {"per_side": 6, "ties": "random", "seed": 0},
        "activations": {"images": 15, "seed": 0},
        "mis": {"explanations": 1, "tasks": 2, "tau": 0.16, "draw": "imi", "seed": 0},
        "ablation": {"units": 6, "images": 3, "seed": 0},
    }
    config["sensitivity"] = {"rates": [], "variants": {}}
    for recipe in config["recipes"].values():
        recipe |= {"batch": 5, "images_per_epoch": 15, "history_images": 3}
    blank.path(CONFIG).write_text(yaml.safe_dump(config))
    return blank


def _expect(source: Path, sha256: str) -> None:
    """Let the registry's file expect the small archive."""
    text, number = re.subn('"[0-9a-f]{64}"', f'"{sha256}"', source.read_text())
    assert number == 1
    text = text.replace('{"train": 50_000, "test": 10_000}', '{"train": 15, "test": 3}')
    source.write_text(text)


def test_an_archive_of_a_folder_is_fetched_and_packed(workspace: Workspace) -> None:
    done = workspace.snakemake(f"{RESULTS}/train/images.npy", config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (workspace.path(RESULTS) / "source" / ARCHIVE).is_file()
    images = arrays.load_array(workspace.path(f"{RESULTS}/train/images.npy"))
    assert images.shape == (15, 3, 32, 32)
    values = [10 * number + row for number in range(5) for row in range(3)]
    np.testing.assert_array_equal(images.reshape(15, -1).T, np.tile(values, (3072, 1)))
    index = image_tables.INDEX.read(workspace.path(f"{RESULTS}/test/index.parquet"))
    assert index["class"].to_list() == ["class_0", "class_1", "class_2"]
    # Packed once: of the dataset nothing is left to do, wherever the archive comes from.
    (workspace.path("my {archives}") / ARCHIVE).unlink()
    stale = workspace.stale(CONFIG)
    assert not {"fetch_archive", "pack_dataset"} & stale.keys()
    assert stale["sample_split"] == 2


def test_another_archive_is_refused_by_its_checksum(workspace: Workspace) -> None:
    path = workspace.path("my {archives}") / ARCHIVE
    path.write_bytes(path.read_bytes()[:-1])
    done = workspace.snakemake("fetch", config=CONFIG)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"my {{archives}}/{ARCHIVE}: wrong checksum" in output
    assert "Traceback" not in output
    assert not (workspace.path(RESULTS) / "source" / ARCHIVE).exists()
