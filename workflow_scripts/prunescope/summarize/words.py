"""The keys of the config in words, for charts, findings and the report."""

import polars as pl

from prunescope.networks.coordinates import COLUMNS, KIND, NOT_RETRAINED, ONE_SHOT

RETRAINING_NAMES = {
    NOT_RETRAINED: "not retrained",
    ONE_SHOT: "one-shot",
    "one_shot_adam": "one-shot, Adam",
    "one_shot_60": "one-shot, 60 epochs",
}

# Granularities whose plural is not that of their name.
PIECES_NAMES = {"n_of_m": "N:M patterns", "channel_group": "groups of channels"}


def human(name: str) -> str:
    """A key of the config with spaces instead of underscores."""
    return name.replace("_", " ")


def describe_retraining(kind: str) -> str:
    """A kind of retraining in words."""
    return RETRAINING_NAMES.get(kind, human(kind))


def describe_pieces(granularity: str) -> str:
    """What a pruning method removes, in words: `filters`."""
    return PIECES_NAMES.get(granularity, f"{human(granularity)}s")


def kept_masked(networks: pl.DataFrame) -> str:
    """Which networks could not be made compact, and why, in sentences; empty if all could.

    Parameters
    ----------
    networks
        `study_tables.STUDY_SIZES` or `STUDY_COSTS`.
    """
    each = networks.unique(COLUMNS, keep="first", maintain_order=True)
    kept = each.filter(pl.col("kept_masked") != "")
    if kept.is_empty():
        return ""
    operations = ", ".join(f"`{operation}`" for operation in sorted(set(kept["kept_masked"])))
    number = "No network was made compact, all stay masked"
    if len(kept) < len(each):
        kinds = kept.unique(KIND, keep="first", maintain_order=True).iter_rows(named=True)
        named = "; ".join(
            f"{human(row['method'])}, {describe_retraining(row['retraining'])}, {row['rate']:.0%}"
            for row in kinds
        )
        number = f"{len(kept)} of {len(each)} networks stay masked ({named})"
    return (
        f"{number}: compact networks have no counterpart of {operations} yet. They were timed with "
        "their zeros in place, in PyTorch only."
    )
