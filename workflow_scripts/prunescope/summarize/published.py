"""Read published numbers, and set those of a study beside them.

`resources/README.md` describes the columns of the file, `SCHEMA` declares them: change both.
"""

from pathlib import Path

import polars as pl

from prunescope.foundation.errors import InputError

# The columns that name the counterpart of a published number in a study.
COUNTERPART = ("our_method", "our_retraining", "our_rate")
# The columns of `study_tables.NETWORKS` that correspond to published quantities. The published
# scores leave out pruned filters, so ours leave out constant units.
OF_NETWORKS = {"top1": "top1", "mis_soft": "mis_soft_live", "mis_hard": "mis_hard_live"}
AFTER_EPOCH = "top1_after_epoch"
BEFORE_RETRAINING = "top1_before_retraining"
QUANTITIES = (*OF_NETWORKS, AFTER_EPOCH, BEFORE_RETRAINING)
SCHEMA = {
    "figure": pl.Int32,
    "method": pl.String,
    "retraining": pl.String,
    "optimizer": pl.String,
    "epochs": pl.Int32,
    "rate_requested": pl.Float64,
    "weight_sparsity_all_conv": pl.Float64,
    "metric": pl.String,
    "value": pl.Float64,
    "our_method": pl.String,
    "our_retraining": pl.String,
    "our_rate": pl.Float64,
    "note": pl.String,
}
_REQUIRED = ("figure", "method", "retraining", "metric", "value")


def read(path: str | Path) -> pl.DataFrame:
    """Read a file of published numbers; resources/README.md describes its columns.

    Returns
    -------
    polars.DataFrame
        One row for each number, in the order of the file: `figure`, `method`, `retraining`,
        `optimizer`, `rate` (the rate that was asked for, or else the sparsity that was reached),
        `epoch` (of `top1_after_epoch`, else null), `quantity`, `value` (fraction), the columns
        `COUNTERPART` (null if there is no counterpart), `note`.

    Raises
    ------
    InputError
        The file is not such a table, or a value in it cannot be used.
    """
    try:
        header = pl.read_csv(path, n_rows=0).columns
        if header != list(SCHEMA):
            raise _refuse(path, f"columns {header} instead of {list(SCHEMA)}")
        frame = pl.read_csv(path, schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise _refuse(path, str(error).partition("\n")[0]) from error
    _check(frame, path)
    return frame.select(
        "figure",
        "method",
        "retraining",
        "optimizer",
        rate=pl.coalesce("rate_requested", "weight_sparsity_all_conv"),
        epoch=pl.when(pl.col("metric") == AFTER_EPOCH).then("epochs"),
        quantity="metric",
        value="value",
        our_method="our_method",
        our_retraining="our_retraining",
        our_rate="our_rate",
        note=pl.col("note").fill_null(""),
    )


def _refuse(path: str | Path, reason: str) -> InputError:
    return InputError(
        f"{path}: no table of published numbers: {reason}. resources/README.md describes the "
        "columns. Mend the file, or set `published` to null."
    )


def _check(frame: pl.DataFrame, path: str | Path) -> None:
    empty = [name for name in _REQUIRED if frame[name].null_count()]
    if empty:
        raise _refuse(path, f"empty cells in {', '.join(empty)}")
    unknown = sorted(set(frame["metric"]) - set(QUANTITIES))
    if unknown:
        raise _refuse(path, f"metric {unknown[0]!r}; known: {', '.join(QUANTITIES)}")
    outside = frame.filter(~pl.col("value").is_between(0, 1))["value"].to_list()
    if outside:
        raise _refuse(path, f"value {outside[0]} is no fraction between 0 and 1")
    named = pl.sum_horizontal(pl.col(name).is_not_null() for name in COUNTERPART)
    if not frame.filter(~named.is_in([0, len(COUNTERPART)])).is_empty():
        raise _refuse(path, f"give {', '.join(COUNTERPART)} together, or none of them")
    if frame.filter(metric=AFTER_EPOCH)["epochs"].null_count():
        raise _refuse(path, f"`epochs` is empty for a {AFTER_EPOCH}")


def compare(published: pl.DataFrame, networks: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Set the means over seeds of a study beside published numbers.

    Parameters
    ----------
    published
        From `read`.
    networks, history
        The study's `study_tables.NETWORKS` and `study_tables.HISTORIES`.

    Returns
    -------
    polars.DataFrame
        The rows of `published` in their order. `value` is renamed to `published`. Added are
        `ours`, `difference` (`ours` minus `published`), both null without a counterpart, and
        `seeds`, the number of networks that `ours` is the mean of.
    """
    counterparts = pl.concat([_of_networks(networks), _of_epochs(history)])
    means = counterparts.group_by(*COUNTERPART, "quantity", "epoch").agg(
        ours=pl.col("ours").mean(), seeds=pl.col("ours").count().cast(pl.Int64)
    )
    return (
        published.rename({"value": "published"})
        .join(
            means,
            on=[*COUNTERPART, "quantity", "epoch"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .with_columns(
            difference=pl.col("ours") - pl.col("published"), seeds=pl.col("seeds").fill_null(0)
        )
    )


def _of_networks(networks: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        _counterparts(networks, quantity, pl.col(column), pl.lit(None, dtype=pl.Int32))
        for quantity, column in OF_NETWORKS.items()
    )


def _of_epochs(history: pl.DataFrame) -> pl.DataFrame:
    top1 = pl.col("validation_top1")
    before = history.filter(epoch=0)
    return pl.concat(
        [
            _counterparts(history, AFTER_EPOCH, top1, pl.col("epoch")),
            _counterparts(before, BEFORE_RETRAINING, top1, pl.lit(None, dtype=pl.Int32)),
        ]
    )


def _counterparts(
    frame: pl.DataFrame, quantity: str, value: pl.Expr, epoch: pl.Expr
) -> pl.DataFrame:
    return frame.select(
        our_method="method",
        our_retraining="retraining",
        our_rate="rate",
        quantity=pl.lit(quantity),
        epoch=epoch,
        ours=value,
    )
