"""What findings are drawn from, and the rows that they ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from prunescope.networks import coordinates
from prunescope.summarize import gathering
from prunescope.summarize.duplicates import distinct
from prunescope.summarize.findings.wording import Row

ALPHA = 0.05
OWN = ["method", "retraining", "rate", "seed"]
RETRAINED = "all retrained pruned networks"


@dataclass(frozen=True)
class Facts:
    """What findings are drawn from.

    Attributes
    ----------
    networks, statistics
        As in `tables.NETWORKS` and `tables.STATISTICS`.
    dataset
        Its name.
    classes
        Its classes: one over their number is the level of guessing.
    probe_images
        Images among which exemplars are looked for.
    metric
        The metric of similarity.
    margin
        Change of the score that is too small to matter.
    random_methods
        Pruning methods that choose at random.
    """

    networks: pl.DataFrame
    statistics: pl.DataFrame
    dataset: str
    classes: int
    probe_images: int
    metric: str
    margin: float
    random_methods: tuple[str, ...] = ()


def gather(networks: pl.DataFrame, statistics: pl.DataFrame, settings: Mapping[str, Any]) -> Facts:
    """The facts of a study, from its tables and from what the workflow knows of its config."""
    random = tuple(settings["random_methods"])
    return Facts(networks, statistics, **{**settings, "random_methods": random})


# --- what is looked up ---------------------------------------------------------------------------


def pruned(facts: Facts) -> pl.DataFrame:
    """Pruned networks, none of them twice."""
    return distinct(facts.networks.filter(pl.col("rate") > 0))


def retrained(facts: Facts) -> pl.DataFrame:
    """Pruned networks that were trained after pruning."""
    return pruned(facts).filter(pl.col("epochs") > 0)


def kinds(networks: pl.DataFrame, column: str) -> pl.DataFrame:
    """Means over seeds of a column, by kind of network."""
    scored = networks.filter(pl.col(column).is_finite().fill_null(False))
    return scored.group_by(OWN[:3], maintain_order=True).agg(pl.col(column).mean())


def estimate_of(facts: Facts, quantity: str, method: str, retraining: str) -> Row | None:
    """An estimate of networks that are not pruned: over seeds, or of the one seed."""
    rows = facts.statistics.filter(
        pl.col("variant").is_null(),
        quantity=quantity,
        pruning=method,
        retraining=retraining,
        rate=0.0,
    ).sort("seed", nulls_last=False, maintain_order=True)
    return rows.row(0, named=True) if rows.height else None


def dense_retrainings(facts: Facts) -> list[str]:
    dense = facts.networks.filter(
        pl.col("retraining") != coordinates.NOT_RETRAINED, method=coordinates.DENSE
    )
    return gathering.present(dense["retraining"])


def relation(facts: Facts, quantity: str) -> Row | None:
    """A relation over the retrained pruned networks, or over all pruned ones if all are."""
    for group in (RETRAINED, "all pruned networks"):
        rows = facts.statistics.filter(quantity=quantity, comparison=group)
        if rows.height:
            return rows.row(0, named=True)
    return None
