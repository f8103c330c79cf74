"""Accuracies and losses, over all images and by class, by hand."""

import math

import polars as pl
import pytest

from prunescope.evaluate import accuracy, network_tables
from prunescope.summarize import study_tables


@pytest.fixture
def predictions() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "image": [0, 1, 2, 3],
            "label": [4, 4, 0, 6],
            "top5": [[4, 1, 2, 3, 0], [1, 2, 3, 0, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]],
            "loss": [0.5, 2.0, 0.25, 4.0],
            "p_label": [math.exp(-loss) for loss in (0.5, 2.0, 0.25, 4.0)],
        },
        schema={key: column.dtype for key, column in network_tables.PREDICTIONS.columns.items()},
    )


def test_summary_by_hand(predictions: pl.DataFrame) -> None:
    assert accuracy.summarize(predictions) == {
        "top1": 2 / 4,  # images 0 and 2
        "top5": 3 / 4,  # and image 1
        "loss": 6.75 / 4,
        "images": 4,
    }


def test_classes_by_hand(predictions: pl.DataFrame) -> None:
    by_class = accuracy.by_class(predictions)
    assert by_class.rows(named=True) == [
        {"class": 0, "images": 1, "top1": 1.0, "loss": 0.25},
        {"class": 4, "images": 2, "top1": 0.5, "loss": 1.25},
        {"class": 6, "images": 1, "top1": 0.0, "loss": 4.0},
    ]
    declared = study_tables.CLASSES.columns
    assert all(by_class.schema[name] == declared[name].dtype for name in by_class.columns)
