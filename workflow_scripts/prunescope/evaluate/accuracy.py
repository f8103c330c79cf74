"""Accuracy from predictions: of a network, and of each class."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    pass


def summarize(predictions: pl.DataFrame) -> dict[str, float | int]:
    """Top-1 and top-5 accuracy (fractions in 0..1), mean loss (nats) and number of images."""
    return predictions.select(
        top1=_hit_at_1().mean(),
        top5=pl.col("top5").list.contains(pl.col("label")).mean(),
        loss=pl.col("loss").cast(pl.Float64).mean(),
        images=pl.len().cast(pl.Int64),
    ).row(0, named=True)


def by_class(predictions: pl.DataFrame) -> pl.DataFrame:
    """Top-1 accuracy and mean loss of each class, sorted by class."""
    return (
        predictions.group_by(pl.col("label").alias("class"))
        .agg(
            images=pl.len().cast(pl.Int64),
            top1=_hit_at_1().mean(),
            loss=pl.col("loss").cast(pl.Float64).mean(),
        )
        .sort("class")
    )


def answers(predictions: pl.DataFrame) -> pl.DataFrame:
    """`image`, `label`, and the most probable class, `answer`."""
    return predictions.select("image", "label", answer=pl.col("top5").list.first())


def _hit_at_1() -> pl.Expr:
    return pl.col("top5").list.first() == pl.col("label")
