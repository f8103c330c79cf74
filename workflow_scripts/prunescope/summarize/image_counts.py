"""Count the images that a study really has, and check them against what its steps need.

A dataset may have fewer images than the config asks for: files may be missing, or damaged and left
out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from prunescope.data import image_tables
from prunescope.data.file_names import shown
from prunescope.foundation.errors import InputError
from prunescope.foundation.tables import Column, Table

COUNTS = Table(
    "results/{study}/tables/images.parquet",
    "A class of the images of a split.",
    {
        "split": Column(pl.String, "`train`, `validation`, `probe`"),
        "label": Column(pl.Int16, "class index"),
        "class": Column(pl.String, "class name"),
        "images": Column(pl.Int32, "images that are there"),
        "damaged": Column(
            pl.Int32,
            "images that were drawn too, but are left out because their files are damaged; not "
            "known for image files of `train`, which are read while networks train",
            nullable=True,
        ),
    },
)
# How many classes a message names.
NAMED = 5


@dataclass(frozen=True)
class Need:
    """A number of images that a step of the study needs.

    Attributes
    ----------
    key
        The key of the config that asks for them.
    split
        The split that they are taken from.
    images
        The smallest number of images that the split must have.
    said
        The start of a message: what the key says, in words.
    """

    key: str
    split: str
    images: int
    said: str


def count(split: str, index: pl.DataFrame, report: pl.DataFrame | None) -> pl.DataFrame:
    """Count the images of a split, class by class.

    Parameters
    ----------
    split
        Its name.
    index
        `image_tables.INDEX` of the split.
    report
        `image_tables.REPORT` of the split; None if no file was left out, or if that is not known.

    Returns
    -------
    polars.DataFrame
        `COUNTS`, sorted by class. A class of which all images are left out has a row too.
    """
    kind = ["label", "class"]
    there = index.group_by(kind).agg(images=pl.len())
    damaged = pl.lit(None) if report is None and index["file"].null_count() == 0 else pl.lit(0)
    if report is None:
        joined = there.with_columns(damaged=damaged)
    else:
        skipped = report.filter(action=image_tables.SKIPPED).group_by(kind).agg(damaged=pl.len())
        joined = there.join(skipped, on=kind, how="full", coalesce=True).fill_null(0)
    return COUNTS.conform(joined.with_columns(split=pl.lit(split)).sort("label"))


def check(counts: pl.DataFrame, needs: Iterable[Need], dataset: str) -> None:
    """Check that every step of a study has the images that it needs.

    Parameters
    ----------
    counts
        `COUNTS` of the splits of the study.
    needs
        What its steps need.
    dataset
        The name of the dataset in the config.

    Raises
    ------
    InputError
        A split has too few images. The message names the keys that ask for more, and how many
        images of which classes are left out.
    """
    wrong = list(_shortfalls(counts, needs, dataset))
    if wrong:
        raise InputError(
            "\n".join(wrong) + "\nLower these numbers, or put whole files in the place of the "
            "damaged ones, or take images from more files, and run again."
        )


def _shortfalls(counts: pl.DataFrame, needs: Iterable[Need], dataset: str) -> Iterator[str]:
    for need in needs:
        rows = counts.filter(split=need.split)
        there = int(rows["images"].sum())
        if need.images > there:
            lost = left_out(rows)
            more = (
                f": {lost}. The files are listed in results/datasets/{dataset}/{need.split}/"
                "report.parquet."
            )
            yield (
                f"{need.key}: {need.said}, but the {need.split} split of {dataset} has "
                f"{there}{more if lost else '.'}"
            )


def left_out(counts: pl.DataFrame) -> str:
    """How many of the drawn images of a split are left out, and of which classes.

    Parameters
    ----------
    counts
        The rows of `COUNTS` of one split.

    Returns
    -------
    str
        A part of a sentence; empty if none is left out.
    """
    damaged = counts.filter(pl.col("damaged") > 0).sort(
        "damaged", "label", descending=[True, False]
    )
    if damaged.is_empty():
        return ""
    lost, there = int(damaged["damaged"].sum()), int(counts["images"].sum())
    named = [f"{shown(row['class'])} {row['damaged']}" for row in damaged.head(NAMED).to_dicts()]
    rest = damaged.height - len(named)
    classes = ", ".join([*named, *([f"{rest} more classes"] if rest else [])])
    gone = counts.filter(images=0).height
    without = f"; {gone} of {counts.height} classes have none left" if gone else ""
    return (
        f"{lost:,} of the {lost + there:,} images that were drawn are left out "
        f"because their files are damaged ({classes}{without})"
    )
