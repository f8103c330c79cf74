"""How the scores of the same units differ between two networks of a run.

The intervals of this module are over units or layers: they tell how evenly a difference of two
networks is spread over their units. How another run would turn out, they do not tell: see
`over_runs`. So nothing is tested here but the order of layers.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from prunescope.networks.coordinates import COORDINATES, DENSE, NOT_RETRAINED, Coordinates
from prunescope.summarize import estimators, selection
from prunescope.summarize.estimates.inputs import EstimationSettings
from prunescope.summarize.estimates.rows import FEWEST, MEASURES, SCORES, statistic
from prunescope.summarize.selection import UNIT
from prunescope.summarize.study_tables import Row

CONTROL = "dense retrained alike"
# The partner where a run has no dense network.
LOWEST = "the lowest rate"
PAIRED = "mean over units live in both, percentile bootstrap within layers, this run alone"
CLUSTERED = "mean over units live in both, t with layers as clusters, this run alone"
# Of fewer clusters, or where one has more than half of the units, a mean over clusters says little.
FEWEST_CLUSTERS = 6
LARGEST_CLUSTER = 0.5


@dataclass(frozen=True)
class Pair:
    """A network beside its partner.

    Attributes
    ----------
    network
        The network.
    partner
        The other one: `DENSE`, `CONTROL` or `LOWEST`.
    changes
        One row for each unit that is live in both: `layer`, `block`, and the change of every score
        and measure from the partner to the network.
    """

    network: Coordinates
    partner: str
    changes: pl.DataFrame

    @property
    def comparison(self) -> str:
        """What is compared, in words."""
        return f"{self.network.name} against {self.partner}"

    @property
    def of_verdict(self) -> bool:
        """Whether the partner is the one that `partner_of_verdict` names."""
        plain = self.network.retraining == NOT_RETRAINED
        return self.partner in (LOWEST, DENSE if plain else CONTROL)


def pairs(units: pl.DataFrame) -> Iterator[Pair]:
    """Each network beside each of its partners."""
    # Only what changes are made of: all columns would take twice the memory.
    columns = (*COORDINATES, *UNIT, "block", *SCORES, *MEASURES)
    by_network = dict(selection.by_network(selection.live(units).select(columns)))
    for network, rows in by_network.items():
        for name, partner in partners_of(network, by_network).items():
            yield Pair(network, name, _change(rows, by_network[partner]))


def partners_of(network: Coordinates, known: Collection[Coordinates]) -> dict[str, Coordinates]:
    """The partners of a network, by their names, among the networks that are known.

    They are the dense network of the run, and the dense network that was retrained as often. Where
    a run has no dense network, the partner is the network of the lowest rate of the same method and
    retraining.
    """
    if network.dense not in known:
        return _lowest(network, known)
    partners = {DENSE: network.dense}
    controls = (network.chain_control, network.control)
    control = next((other for other in controls if other in known), network.dense)
    if control != network.dense:
        partners[CONTROL] = control
    return {name: other for name, other in partners.items() if other != network and other in known}


def _lowest(network: Coordinates, known: Collection[Coordinates]) -> dict[str, Coordinates]:
    chain = [
        other
        for other in known
        if (other.method, other.retraining, other.seed)
        == (network.method, network.retraining, network.seed)
    ]
    first = min(chain, key=lambda other: float(other.rate), default=network)
    return {} if float(first.rate) >= float(network.rate) else {LOWEST: first}


def partner_of_verdict(network: Coordinates, known: Collection[Coordinates]) -> Coordinates | None:
    """The partner that a network is judged against: for a retrained one, one retrained as often."""
    partners = partners_of(network, known)
    name = DENSE if network.retraining == NOT_RETRAINED else CONTROL
    return partners.get(LOWEST) or partners.get(name)


def _change(rows: pl.DataFrame, partner: pl.DataFrame) -> pl.DataFrame:
    joined = rows.join(partner, on=UNIT, suffix="_before", maintain_order="left")
    return joined.select(
        "layer",
        "block",
        *(pl.col(name) - pl.col(f"{name}_before") for name in (*SCORES, *MEASURES)),
    )


def changes(
    found: Sequence[Pair], settings: EstimationSettings, rng: np.random.Generator
) -> Iterator[Row]:
    """Mean change of every score and measure of each network, with intervals over units."""
    for pair in found:
        for columns in (SCORES, MEASURES):
            whole = replace(pair, changes=pair.changes.drop_nulls(columns))
            if len(whole.changes) >= FEWEST:
                yield from _changes(whole, columns, settings, rng)
                if columns == SCORES:
                    yield from _clustered(whole)


def _changes(
    pair: Pair, columns: Sequence[str], settings: EstimationSettings, rng: np.random.Generator
) -> Iterator[Row]:
    """Changes over units, as if units were independent."""
    values = pair.changes.select(columns).to_numpy()
    layers = pair.changes["layer"].to_numpy()
    means = estimators.stratified_means(values, layers, settings.resamples, rng)
    for place, column in enumerate(columns):
        found = replace(means[place], effect_size=estimators.effect_size(values[:, place]))
        quantity = f"{column}_change_over_units"
        family = f"{quantity} against {pair.partner}"
        yield statistic(quantity, pair.comparison, found, PAIRED, pair.network, family=family)


def _clustered(pair: Pair) -> Iterator[Row]:
    """Change of the soft score; units of a layer may depend on each other."""
    soft, layers = pair.changes["mis_soft"].to_numpy(), pair.changes["layer"].to_numpy()
    sizes = pair.changes["layer"].value_counts()["count"]
    if len(sizes) < FEWEST_CLUSTERS or max(sizes) > LARGEST_CLUSTER * sum(sizes):
        return
    mean, *_ = estimators.clustered_mean(soft, layers)
    quantity = "mis_soft_change_over_layers"
    family = f"{quantity} against {pair.partner}"
    yield statistic(quantity, pair.comparison, mean, CLUSTERED, pair.network, family=family)


def changes_by_layer(found: Sequence[Pair]) -> Iterator[Row]:
    """Mean change of the soft score in each layer and in each block of layers.

    Against the dense network, or the one of the lowest rate.
    """
    for pair in found:
        if pair.partner not in (DENSE, LOWEST):
            continue
        for part in ("layer", "block"):
            quantity = f"mis_soft_change_by_{part}"
            for (name,), rows in pair.changes.group_by(part, maintain_order=True):
                if len(rows) < FEWEST:
                    continue
                yield statistic(
                    quantity,
                    f"{pair.network.name}, {name}",
                    replace(estimators.mean_t(rows["mis_soft"].to_numpy()), p=None),
                    "mean over units live in both, Student's t, this run alone",
                    pair.network,
                    family=f"{quantity} in {pair.network.name}",
                    layer=name,
                )


def changes_by_depth(found: Sequence[Pair], layers: Sequence[str]) -> Iterator[Row]:
    """Does the change of the soft score grow or shrink with depth? Over the layers of a network.

    Parameters
    ----------
    found
        The pairs.
    layers
        The layers in the order of the network.
    """
    places = {name: place for place, name in enumerate(layers)}
    for pair in found:
        means = pair.changes.group_by("layer", maintain_order=True).agg(pl.col("mis_soft").mean())
        change = means["mis_soft"].to_numpy()
        if pair.partner not in (DENSE, LOWEST) or len(means) < FEWEST or np.ptp(change) == 0:
            continue
        depth = np.array([places[name] for name in means["layer"]], dtype=np.float64)
        quantity = "spearman(mis_soft_change, depth)"
        yield statistic(
            quantity,
            f"layers of {pair.network.name}",
            estimators.correlation(depth, change, ranks=True),
            "over layers in the order of the network, Fisher's interval, this run alone",
            pair.network,
            family=quantity,
        )
