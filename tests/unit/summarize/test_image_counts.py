"""Images are counted where they are, and what a study needs of them is checked."""

from collections.abc import Sequence

import polars as pl
import pytest

from prunescope.data import image_tables
from prunescope.foundation.errors import InputError
from prunescope.summarize import image_counts
from prunescope.summarize.image_counts import Need

CLASSES = ("ant", "bee", "cat")


def index(numbers: Sequence[int], *, files: bool = True) -> pl.DataFrame:
    """So many images of each class."""
    labels = [label for label, number in enumerate(numbers) for _ in range(number)]
    frame = pl.DataFrame(
        {
            "image": range(len(labels)),
            "label": labels,
            "class": [CLASSES[label] for label in labels],
            "source_split": "train",
            "source_index": range(len(labels)),
            "file": [f"train/{number}.png" if files else None for number in range(len(labels))],
            "bytes": None,
            "modified": None,
        }
    )
    return image_tables.INDEX.conform(frame)


def report(numbers: Sequence[int], action: str = "skipped") -> pl.DataFrame:
    """So many files of each class that were treated like this, and one that was rotated."""
    rows = [
        {"file": f"train/{label}-{place}.png", "label": label, "class": CLASSES[label],
         "kind": "truncated", "action": action, "message": "cut short"}
        for label, number in enumerate(numbers)
        for place in range(number)
    ]  # fmt: skip
    rows.append(
        {"file": "train/turned.png", "label": 0, "class": "ant", "kind": "exif_rotated",
         "action": "rotated", "message": "turned"}
    )  # fmt: skip
    return image_tables.REPORT.conform(pl.DataFrame(rows))


def test_images_and_damaged_files_are_counted_by_class() -> None:
    found = image_counts.count("probe", index([3, 0, 5]), report([1, 4, 0]))
    assert found.to_dicts() == [
        {"split": "probe", "label": 0, "class": "ant", "images": 3, "damaged": 1},
        {"split": "probe", "label": 1, "class": "bee", "images": 0, "damaged": 4},
        {"split": "probe", "label": 2, "class": "cat", "images": 5, "damaged": 0},
    ]


def test_files_that_are_used_all_the_same_are_not_left_out() -> None:
    found = image_counts.count("probe", index([3, 1, 5]), report([2, 1, 0], action="converted"))
    assert found["damaged"].to_list() == [0, 0, 0]
    assert image_counts.left_out(found) == ""


def test_what_is_not_known_is_not_said_to_be_zero() -> None:
    assert image_counts.count("train", index([1, 2]), None)["damaged"].to_list() == [None, None]
    packed = image_counts.count("train", index([1, 2], files=False), None)
    assert packed["damaged"].to_list() == [0, 0]


def test_what_is_left_out_in_words() -> None:
    found = image_counts.count("probe", index([3, 0, 5]), report([1, 4, 0]))
    assert image_counts.left_out(found) == (
        "5 of the 13 images that were drawn are left out because their files are damaged (bee 4, "
        "ant 1; 1 of 3 classes have none left)"
    )
    many = pl.concat(
        found.filter(label=0).with_columns(pl.lit(f"class {label}").alias("class"))
        for label in range(8)
    )
    assert "(class 0 1, class 1 1, class 2 1, class 3 1, class 4 1, 3 more classes)" in (
        image_counts.left_out(many)
    )


def test_a_need_is_met_to_the_last_image() -> None:
    counts = image_counts.count("probe", index([3, 0, 5]), None)
    image_counts.check(counts, [Need("a.b", "probe", 8, "8"), Need("c", "probe", 1, "1")], "d")
    with pytest.raises(InputError, match=r"^a\.b: 9, but the probe split of d has 8\.\n"):
        image_counts.check(counts, [Need("a.b", "probe", 9, "9")], "d")


def test_every_need_that_is_not_met_is_named() -> None:
    counts = pl.concat(
        [
            image_counts.count("train", index([9, 9]), None),
            image_counts.count("validation", index([2, 2]), report([0, 0])),
            image_counts.count("probe", index([2, 2]), report([3, 0])),
        ]
    )
    needs = [
        Need("recipes.r.batch", "train", 18, "18"),
        Need("recipes.r.images_per_epoch", "train", 19, "19"),
        Need("interpretability.ablation.images", "validation", 5, "5"),
        Need("interpretability.exemplars.per_side", "probe", 6, "3 and 3 need 6"),
    ]
    with pytest.raises(InputError) as raised:
        image_counts.check(counts, needs, "noise")
    lines = str(raised.value).splitlines()
    assert lines[:3] == [
        "recipes.r.images_per_epoch: 19, but the train split of noise has 18.",
        "interpretability.ablation.images: 5, but the validation split of noise has 4.",
        "interpretability.exemplars.per_side: 3 and 3 need 6, but the probe split of noise has 4: "
        "3 of the 7 images that were drawn are left out because their files are damaged (ant 3). "
        "The files are listed in results/datasets/noise/probe/report.parquet.",
    ]
    assert "batch" not in str(raised.value)
    assert lines[3].startswith("Lower these numbers, or put whole files")
