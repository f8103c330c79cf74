"""Training from small copies of image files: made once, then read without the originals."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from imagefolders import make_image_folder
from workspaces import TINY, Workspace

from prunescope.data.copies.copy_table import COPIES
from prunescope.networks import network_files

pytestmark = pytest.mark.slow

CONFIG = "config/copies.yaml"
FOLDER = "data/pictures"
TRAIN = "results/datasets/pictures/train"
NETWORK = "results/tiny/networks/dense/none/rate0.00/seed0/network.safetensors"


def configure(workspace: Workspace, **changes: object) -> None:
    config = yaml.safe_load(workspace.path(TINY).read_text())
    config["dataset"] = "pictures"
    config["datasets"]["pictures"] = {
        "source": "image_folder", "folder": FOLDER, "image_size": 32, "resize": 40,
        "on_error": "fail", "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2],
        "validation": {"images": 12, "seed": 0}, "probe": {"images": 40, "seed": 0}, **changes,
    }  # fmt: skip
    config["interpretability"]["activations"]["images"] = 40
    config["interpretability"]["ablation"]["images"] = 10
    config["sensitivity"] = {"rates": [], "variants": {}}
    for recipe in config["recipes"].values():
        recipe["augmentation"] = ["random_resized_crop"]
        recipe["images_per_epoch"] = 60
    workspace.path(CONFIG).write_text(yaml.safe_dump(config))


def make(workspace: Workspace, *targets: str) -> subprocess.CompletedProcess:
    done = workspace.snakemake(*targets, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def planned(workspace: Workspace) -> str:
    done = workspace.snakemake("--dry-run", NETWORK, config=CONFIG)
    return done.stdout + done.stderr


def test_a_study_trains_on_copies_and_needs_the_originals_no_more(blank: Workspace) -> None:
    folder = make_image_folder(blank.path(FOLDER), train_per_class=20)
    configure(blank)
    assert "copy_train_images" not in planned(blank)
    make(blank, NETWORK)
    on_originals = network_files.load(blank.path(NETWORK))

    store = {"shorter_side": 48, "quality": 90}
    configure(blank, train_store=store)
    plan = planned(blank)
    assert "copy_train_images" in plan
    assert "pack_sample" not in plan
    make(blank, NETWORK)
    table = COPIES.read(blank.path(f"{TRAIN}/copies.parquet"))
    assert len(table) == 60
    assert blank.path(f"{TRAIN}/copies.bin").stat().st_size == table["bytes"].sum()
    assert not list(blank.path("results").rglob("*unfinished*"))
    first = network_files.load(blank.path(NETWORK))
    assert any(
        not np.array_equal(first.tensors[name], on_originals.tensors[name])
        for name in first.tensors
    )
    assert "Nothing to be done" in planned(blank)

    # What is left to do needs the copies alone.
    folder.rename(Path(f"{folder}-gone"))
    blank.path(NETWORK).unlink()
    make(blank, NETWORK)
    again = network_files.load(blank.path(NETWORK))
    for name in first.tensors:
        np.testing.assert_array_equal(first.tensors[name], again.tensors[name])
    Path(f"{folder}-gone").rename(folder)

    configure(blank, train_store={**store, "quality": 80})
    assert "copy_train_images" in planned(blank)
    configure(blank)
    plan = planned(blank)
    assert "copy_train_images" not in plan
    assert "train_dense" in plan
