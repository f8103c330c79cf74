"""The same networks under variants of the score: do conclusions change?"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import COORDINATES, Coordinates
from prunescope.summarize import estimators, selection, study_tables
from prunescope.summarize.estimates.paired_changes import partner_of_verdict
from prunescope.summarize.estimates.rows import FEWEST, SCORES, statistic
from prunescope.summarize.selection import UNIT
from prunescope.summarize.study_tables import Row

MEAN = "mean over units, normal interval from the variance within layers"
SHIFT = "mean change against the partner over units live in both, t with layers as clusters"


def variants(scores: pl.DataFrame) -> Iterator[Row]:
    """Mean score, and mean change against the partner of the verdict, under every variant.

    Parameters
    ----------
    scores
        The live units, as in `StudyTables.variants`.
    """
    found = {
        (network, variant): rows.select(*UNIT, *SCORES)
        for network, own in selection.by_network(scores)
        for (variant,), rows in own.group_by("variant", maintain_order=True)
    }
    known = {network for network, _ in found}
    for (network, variant), rows in found.items():
        comparison = f"{network.name}, {variant}"
        layers = rows["layer"].to_numpy()
        for column in SCORES:
            mean = estimators.stratified_normal_mean(rows[column].to_numpy(), layers)
            yield statistic(f"{column}_live", comparison, mean, MEAN, network, variant=variant)
        partner = partner_of_verdict(network, known)
        if partner is not None:
            yield from _shifts(network, variant, rows, found[partner, variant])


def _shifts(
    network: Coordinates, variant: str, rows: pl.DataFrame, partner: pl.DataFrame
) -> Iterator[Row]:
    joined = rows.join(partner, on=UNIT, suffix="_before", maintain_order="left")
    if joined["layer"].n_unique() < 2:
        return
    layers = joined["layer"].to_numpy()
    for column in SCORES:
        change = joined.select(pl.col(column) - pl.col(f"{column}_before"))[column].to_numpy()
        shift, *_ = estimators.clustered_mean(change, layers)
        yield statistic(
            f"{column}_shift", f"{network.name}, {variant}", shift, SHIFT, network, variant=variant
        )


def conclusions(scores: pl.DataFrame) -> Iterator[Row]:
    """Does a variant order the networks as the study's own score does? From the live units."""
    by_variant = scores.group_by([*COORDINATES, "variant"], maintain_order=True)
    means = by_variant.agg(pl.col("mis_soft").mean())
    own = means.filter(variant=score_variants.UNCHANGED).drop("variant")
    for (variant,), rows in means.group_by(["variant"], maintain_order=True):
        if variant != score_variants.UNCHANGED:
            yield from _order(str(variant), rows, own)


def _order(variant: str, rows: pl.DataFrame, own: pl.DataFrame) -> Iterator[Row]:
    """How much a variant orders the networks as the study's own score does."""
    joined = rows.join(own, on=COORDINATES, suffix="_own", maintain_order="left")
    x, y = joined["mis_soft_own"].to_numpy(), joined["mis_soft"].to_numpy()
    if len(joined) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    yield statistic(
        study_tables.ORDER_UNDER_VARIANT,
        f"networks, {variant}",
        estimators.correlation(x, y, ranks=True),
        "over networks, Fisher's interval",
        family=study_tables.ORDER_UNDER_VARIANT,
        variant=variant,
    )
