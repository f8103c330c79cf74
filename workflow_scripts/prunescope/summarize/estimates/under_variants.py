"""The same networks scored in other ways: do conclusions change?"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.interpret import score_variants
from prunescope.summarize import estimators
from prunescope.summarize.estimates.rows import (
    FEWEST,
    OWN,
    SCORES,
    UNIT,
    Row,
    about_network,
    make_row,
    name_of,
)
from prunescope.summarize.estimators import Estimate

SHIFT = "mean change against dense over units live in both, t with layers as clusters"


# --- other ways to score, other measures ----------------------------------------------------------


def variants(scores: pl.DataFrame) -> Iterator[Row]:
    """Mean score, and mean change against dense, under every variant."""
    live = scores.filter(~pl.col("constant"))
    by_network = dict(live.group_by([*OWN, "variant"], maintain_order=True))
    method = "mean over units, normal interval from the variance within layers"
    for key, rows in by_network.items():
        own, variant = key[:4], key[4]
        about = {**about_network(own), "variant": variant}
        label = f"{name_of(own)}, {variant}"
        for column in SCORES:
            yield make_row(f"{column}_live", label, _normal(rows, column), method, **about)
        partner = ("dense", "none", 0.0, own[3], variant)
        if own[:2] == ("dense", "none") or partner not in by_network:
            continue
        joined = rows.join(by_network[partner], on=UNIT, suffix="_before", maintain_order="left")
        for column in SCORES if joined["layer"].n_unique() > 1 else ():
            pairs = joined.with_columns(pl.col(column) - pl.col(f"{column}_before"))
            found, *_ = estimators.clustered_mean(
                pairs[column].to_numpy(), pairs["layer"].to_numpy()
            )
            yield make_row(f"{column}_shift", label, found, SHIFT, **about)


def conclusions(scores: pl.DataFrame) -> Iterator[Row]:
    """Does a variant order networks as the study's own score does, and shift pruned ones alike?"""
    live = scores.filter(~pl.col("constant"))
    means = live.group_by([*OWN, "variant"], maintain_order=True).agg(pl.col("mis_soft").mean())
    own = means.filter(variant=score_variants.UNCHANGED).drop("variant")
    dense = pl.col("method") == "dense", pl.col("retraining") == "none"
    before = means.filter(*dense).select("seed", "variant", before="mis_soft")
    for (variant,), rows in means.group_by(["variant"], maintain_order=True):
        joined = rows.join(own, on=OWN, suffix="_own", maintain_order="left")
        x, y = joined["mis_soft_own"].to_numpy(), joined["mis_soft"].to_numpy()
        varied = variant != score_variants.UNCHANGED
        if varied and len(joined) >= FEWEST and np.ptp(x) > 0 and np.ptp(y) > 0:
            yield make_row("spearman(mis_soft_live, unchanged)", f"networks, {variant}",
                       estimators.correlation(x, y, ranks=True),
                       "over networks, Fisher's interval",
                       family="spearman(mis_soft_live, unchanged)", variant=variant)  # fmt: skip
        pruned = rows.filter(pl.col("rate") > 0, pl.col("retraining") != "none")
        shifts = pruned.join(before, on=["seed", "variant"], maintain_order="left").select(
            pl.col("mis_soft") - pl.col("before")
        )["mis_soft"]
        if len(shifts) > 1:
            found = replace(estimators.mean_t(shifts.to_numpy()), p=None)
            comparison = f"retrained pruned networks, {variant}"
            yield make_row("mis_soft_live_difference", comparison, found,
                       "difference of means to dense, mean over networks, Student's t",
                       variant=variant)  # fmt: skip


def _normal(rows: pl.DataFrame, column: str) -> Estimate:
    return estimators.stratified_normal_mean(rows[column].to_numpy(), rows["layer"].to_numpy())
