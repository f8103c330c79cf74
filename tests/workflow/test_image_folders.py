"""Datasets of image files: from a folder to packed splits; missing folders and damaged files."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from imagefolders import add_oddities, make_image_folder, make_imagenet
from workspaces import TINY, Workspace

from prunescope.data import decoding, image_tables, packed_images
from prunescope.summarize import image_counts

pytestmark = pytest.mark.slow

CONFIG = "config/images.yaml"
RESULTS = "results/datasets/pictures"
FOLDER = "data/my 'pictures'; $(x) {dataset} {0}"
TARGETS = [f"{RESULTS}/{split}/images.npy" for split in ("validation", "probe")]
PICTURES = {
    "source": "image_folder", "folder": FOLDER, "image_size": 32, "resize": 40,
    "on_error": "fail", "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2],
    "validation": {"images": None, "seed": 0}, "probe": {"images": 40, "seed": 0},
}  # fmt: skip


def configure(workspace: Workspace, *, study: str = "tiny", **changes: object) -> None:
    config = yaml.safe_load(workspace.path(TINY).read_text())
    config["study"] = study
    config["dataset"] = "pictures"
    config["datasets"]["pictures"] = PICTURES | changes
    config["interpretability"]["activations"]["images"] = 40
    config["interpretability"]["ablation"]["images"] = 10
    config["sensitivity"] = {"rates": [], "variants": {}}
    workspace.path(CONFIG).write_text(yaml.safe_dump(config))


def packed(workspace: Workspace, split: str) -> packed_images.PackedImages:
    folder = workspace.path(RESULTS) / split
    return packed_images.PackedImages.open(folder / "images.npy", folder / "labels.npy")


def check(workspace: Workspace, split: str, number: int) -> None:
    """Every packed image is that of its file, with the label of its folder."""
    images = packed(workspace, split)
    index = image_tables.INDEX.read(workspace.path(f"{RESULTS}/{split}/index.parquet"))
    assert len(images) == len(index) == number
    assert index["image"].to_list() == list(range(number))
    assert index["label"].to_list() == images.labels.tolist()
    for image, file in zip(images.images, index["file"], strict=True):
        path = workspace.path(f"{FOLDER}/{file}")
        np.testing.assert_array_equal(image, decoding.prepare(path, 40, 32)[0])


def test_a_folder_of_images_is_packed_and_damaged_files_are_treated_as_said(
    blank: Workspace,
) -> None:
    folder = make_image_folder(blank.path(FOLDER), train_per_class=20)
    configure(blank)
    done = blank.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    check(blank, "validation", 12)
    check(blank, "probe", 40)
    assert sorted(np.bincount(packed(blank, "probe").labels).tolist()) == [13, 13, 14]
    assert not list(blank.path("results").rglob("*unfinished*"))
    again = blank.snakemake(*TARGETS, config=CONFIG)
    assert "Nothing to be done" in again.stdout + again.stderr

    odd = add_oddities(folder / "val" / "ant")
    done = blank.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode != 0
    assert "odd_corrupt.jpg: not a JPEG or PNG file (corrupt). Replace the file" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Trying to restart job" not in done.stderr
    assert not blank.path(TARGETS[0]).exists()

    configure(blank, on_error="skip")
    done = blank.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    check(blank, "validation", 12 + len(odd) - 2)
    report = image_tables.REPORT.read(blank.path(f"{RESULTS}/validation/report.parquet"))
    assert set(report["kind"]) == set(odd)


def test_flat_imagenet_gets_its_labels_from_the_devkit(blank: Workspace) -> None:
    make_imagenet(blank.path(FOLDER), 5, 8, 4, flat_validation=True)
    kit = f"{FOLDER}/devkit"
    configure(blank, source="imagenet", validation_labels=kit, validation={"images": 10, "seed": 1})
    done = blank.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    check(blank, "validation", 10)
    assert np.bincount(packed(blank, "validation").labels).tolist() == [2] * 5


def test_a_plan_needs_no_folder_and_a_run_names_it(blank: Workspace) -> None:
    configure(blank)
    plan = blank.snakemake("--dry-run", *TARGETS, config=CONFIG)
    assert plan.returncode == 0
    assert "This is only a plan" in plan.stdout + plan.stderr
    assert f"{FOLDER} (`datasets.pictures.folder`)" in plan.stdout + plan.stderr
    assert "pack_sample" in plan.stdout
    done = blank.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode != 0
    assert done.stderr.count("the images of dataset 'pictures' are not there") == 1
    assert f"seen from {blank.folder}" in done.stderr
    assert "docs/imagenet.md" in done.stderr
    assert "Traceback" not in done.stderr
    assert not blank.path("results").exists()


def test_what_needs_no_image_runs_without_the_folder(blank: Workspace) -> None:
    folder = make_image_folder(blank.path(FOLDER), train_per_class=20)
    configure(blank)
    assert blank.snakemake(*TARGETS, config=CONFIG).returncode == 0
    folder.rename(Path(f"{folder}-gone"))
    done = blank.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr
    lint = blank.snakemake("--lint", config=CONFIG)
    assert "are not there" not in lint.stdout + lint.stderr


COUNTS = "results/tiny/tables/images.parquet"
NETWORK = "results/tiny/networks/dense/none/rate0.00/seed0/network.safetensors"


def cut_short(folder: Path, pattern: str) -> int:
    """Cut files short; returns their number."""
    files = sorted(folder.glob(pattern))
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return len(files)


def test_too_few_whole_images_stop_the_study_before_it_trains(blank: Workspace) -> None:
    folder = make_image_folder(blank.path(FOLDER), train_per_class=20)
    cut_short(folder, "train/bee/*")
    lost = cut_short(folder, "val/ant/*0000[01]*")
    # Without a probe image of class bee, some 27 of 40 are left.
    configure(blank, on_error="skip")
    config = yaml.safe_load(blank.path(CONFIG).read_text())
    config["recipes"]["short"]["images_per_epoch"] = 60
    config["recipes"]["from_scratch"]["images_per_epoch"] = 61
    blank.path(CONFIG).write_text(yaml.safe_dump(config))
    done = blank.snakemake(COUNTS, NETWORK, config=CONFIG)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    there = len(packed(blank, "probe"))
    said = (
        f"interpretability.activations.images: 40, but the probe split of pictures has {there}: "
        f"{40 - there} of the 40 images that were drawn are left out because their files are "
        f"damaged (bee {40 - there}; 1 of 3 classes have none left). The files are listed in "
        f"{RESULTS}/probe/report.parquet."
    )
    assert said in done.stderr
    assert (
        "recipes.from_scratch.images_per_epoch: 61, but the train split of pictures has 60."
    ) in done.stderr
    assert "recipes.short" not in done.stderr
    assert "ablation" not in done.stderr
    assert not blank.path(NETWORK).exists()
    assert not blank.path(COUNTS).exists()

    config["recipes"]["from_scratch"]["images_per_epoch"] = 60
    config["interpretability"]["activations"]["images"] = there
    config["interpretability"]["ablation"]["images"] = 11
    config["interpretability"]["exemplars"]["per_side"] = 10
    config["interpretability"]["mis"] |= {"tasks": 2}
    blank.path(CONFIG).write_text(yaml.safe_dump(config))
    done = blank.snakemake(COUNTS, config=CONFIG)
    assert "interpretability.ablation.images: 11, but the validation split" in done.stderr
    assert f"{lost} of the 12 images that were drawn are left out" in done.stderr
    assert "(ant 2)" in done.stderr
    assert "activations" not in done.stderr

    config["interpretability"]["ablation"]["images"] = 10
    blank.path(CONFIG).write_text(yaml.safe_dump(config))
    done = blank.snakemake(COUNTS, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = image_counts.COUNTS.read(blank.path(COUNTS)).filter(split="validation")
    assert counts["images"].to_list() == [2, 4, 4]
    assert counts["damaged"].to_list() == [2, 0, 0]
