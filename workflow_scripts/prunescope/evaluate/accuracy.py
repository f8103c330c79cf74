"""Compute accuracy from predictions, for a network and for each class."""

import polars as pl


def summarize(predictions: pl.DataFrame) -> dict[str, float | int]:
    """Accuracy and loss over all images.

    Parameters
    ----------
    predictions
        A table `network_tables.PREDICTIONS`.

    Returns
    -------
    dict
        `top1` and `top5` (fractions in 0..1), `loss` (mean, in nats) and `images` (their number).
    """
    return predictions.select(
        top1=_hit_at_1().mean(),
        top5=pl.col("top5").list.contains(pl.col("label")).mean(),
        loss=pl.col("loss").cast(pl.Float64).mean(),
        images=pl.len().cast(pl.Int64),
    ).row(0, named=True)


def by_class(predictions: pl.DataFrame) -> pl.DataFrame:
    """`class`, `images`, `top1` (0..1) and mean `loss` (nats) of each class, sorted by class."""
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
    """`image`, `label` and `answer` (the most probable class) of each prediction."""
    return predictions.select("image", "label", answer=pl.col("top5").list.first())


def _hit_at_1() -> pl.Expr:
    return pl.col("top5").list.first() == pl.col("label")
