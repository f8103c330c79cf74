"""How the scores of the same units differ between two networks.

The names of the partners, `DENSE` and `CONTROL`, are part of the families of tests: the findings
and the charts look for families that end with "against dense".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from prunescope.networks.coordinates import COORDINATES, DENSE, Coordinates
from prunescope.summarize import estimators, selection
from prunescope.summarize.estimates.inputs import EstimationSettings
from prunescope.summarize.estimates.rows import FEWEST, MEASURES, SCORES, statistic
from prunescope.summarize.selection import UNIT
from prunescope.summarize.study_tables import Row

CONTROL = "dense retrained alike"
# Sign flips for each network. With m tests in a family, the smallest p value that n flips can give
# is m / (1 + n) after Holm's correction.
FLIPS = 40
PAIRED = "mean over units live in both, percentile bootstrap within layers, sign-flip permutation"
CLUSTERED = "mean over units live in both, t with layers as clusters, sign flips of whole layers"


@dataclass(frozen=True)
class Pair:
    """A network beside its partner.

    Attributes
    ----------
    network
        The network.
    partner
        The other one: `DENSE` or `CONTROL`.
    changes
        One row for each unit that is live in both: `layer`, and the change of every score and
        measure from the partner to the network.
    """

    network: Coordinates
    partner: str
    changes: pl.DataFrame

    @property
    def comparison(self) -> str:
        """What is compared, in words."""
        return f"{self.network.name} against {self.partner}"


def pairs(units: pl.DataFrame) -> Iterator[Pair]:
    """Each network beside the dense one, and beside the dense one that was retrained alike."""
    by_network = dict(selection.by_network(selection.live(units)))
    for network, rows in by_network.items():
        partners = {DENSE: network.dense}
        if network.control != network.dense:
            partners[CONTROL] = network.control
        for name, partner in partners.items():
            if partner != network and partner in by_network:
                yield Pair(network, name, _change(rows, by_network[partner]))


def _change(rows: pl.DataFrame, partner: pl.DataFrame) -> pl.DataFrame:
    joined = rows.join(partner, on=UNIT, suffix="_before", maintain_order="left")
    return joined.select(
        "layer", *(pl.col(name) - pl.col(f"{name}_before") for name in (*SCORES, *MEASURES))
    )


def changes(
    units: pl.DataFrame, settings: EstimationSettings, rng: np.random.Generator
) -> Iterator[Row]:
    """Mean change of every score and measure, with tests for a change and for equivalence."""
    flips = max(settings.resamples, FLIPS * units.select(COORDINATES).n_unique())
    for pair in pairs(units):
        for columns in (SCORES, MEASURES):
            whole = replace(pair, changes=pair.changes.drop_nulls(columns))
            if len(whole.changes) >= FEWEST:
                yield from _changes(whole, columns, settings, flips, rng)
                if columns == SCORES:
                    yield from _clustered(whole, settings, flips, rng)


def _changes(
    pair: Pair,
    columns: Sequence[str],
    settings: EstimationSettings,
    flips: int,
    rng: np.random.Generator,
) -> Iterator[Row]:
    """Changes over units, as if units were independent."""
    values = pair.changes.select(columns).to_numpy()
    layers = pair.changes["layer"].to_numpy()
    means = estimators.stratified_means(values, layers, settings.resamples, rng)
    p = estimators.sign_flip_p(values, flips, rng)
    for place, column in enumerate(columns):
        size = estimators.effect_size(values[:, place])
        found = replace(means[place], p=float(p[place]), effect_size=size)
        quantity = f"{column}_change"
        family = f"{quantity} against {pair.partner}"
        yield statistic(quantity, pair.comparison, found, PAIRED, pair.network, family=family)


def _clustered(
    pair: Pair, settings: EstimationSettings, flips: int, rng: np.random.Generator
) -> Iterator[Row]:
    """Change and equivalence of the soft score; units of a layer may depend on each other."""
    soft, layers = pair.changes["mis_soft"].to_numpy(), pair.changes["layer"].to_numpy()
    mean, error, freedom = estimators.clustered_mean(soft, layers)
    if mean.n < FEWEST:
        return
    totals = estimators.cluster_totals(soft, layers)
    p = estimators.sign_flip_p(totals[:, None], flips, rng)[0]
    changed = replace(mean, p=float(p))
    same = estimators.equivalence(mean.estimate, error, freedom, settings.margin, mean.n)
    equivalence = (
        f"two one-sided t tests, layers as clusters, against a change of {settings.margin}"
    )
    for quantity, found, method in (
        ("mis_soft_change_clustered", changed, CLUSTERED),
        ("mis_soft_equivalence", same, equivalence),
    ):
        family = f"{quantity} against {pair.partner}"
        yield statistic(quantity, pair.comparison, found, method, pair.network, family=family)


def changes_by_layer(units: pl.DataFrame) -> Iterator[Row]:
    """Mean change of the soft score against dense, in each layer and in each block of layers."""
    block = pl.col("layer").str.split(".").list.first()
    for pair in pairs(units):
        if pair.partner != DENSE:
            continue
        for part, by in (("layer", pl.col("layer")), ("block", block)):
            quantity = f"mis_soft_change_by_{part}"
            for (name,), rows in pair.changes.group_by(by, maintain_order=True):
                if len(rows) < FEWEST:
                    continue
                yield statistic(
                    quantity,
                    f"{pair.network.name}, {name}",
                    estimators.mean_t(rows["mis_soft"].to_numpy()),
                    "mean over units live in both, Student's t",
                    pair.network,
                    family=f"{quantity} in {pair.network.name}",
                    layer=name,
                )


def changes_by_depth(units: pl.DataFrame) -> Iterator[Row]:
    """Does the change of the soft score grow or shrink with depth? Over the layers of a network."""
    places = {name: place for place, name in enumerate(units["layer"].unique(maintain_order=True))}
    for pair in pairs(units):
        layers = pair.changes.group_by("layer", maintain_order=True).agg(pl.col("mis_soft").mean())
        change = layers["mis_soft"].to_numpy()
        if pair.partner != DENSE or len(layers) < FEWEST or np.ptp(change) == 0:
            continue
        depth = np.array([places[name] for name in layers["layer"]], dtype=np.float64)
        quantity = "spearman(mis_soft_change, depth)"
        yield statistic(
            quantity,
            f"layers of {pair.network.name}",
            estimators.correlation(depth, change, ranks=True),
            "over layers in the order of the network, Fisher's interval",
            pair.network,
            family=quantity,
        )
