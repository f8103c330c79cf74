"""How far survivorship explains the change of a mean over live units.

The live units of a pruned network are others than those of its partner. So the change of their mean
is the sum of what became of the units that both have, of the loss of the others, and of those that
only came alive. It is an identity. Let A be the live units of the partner, with the scores a, B
those of the network, with the scores b, and S those in both:

    mean_B(b) - mean_A(a) = [mean_S(b) - mean_S(a)] + [mean_S(a) - mean_A(a)]
                            + [mean_B(b) - mean_S(b)]

The second bracket is |A without S| / |A| times the mean a of S minus that of the lost units.

Sources: Price, "Selection and covariance", Nature 227, 1970 (the first two parts, selection and
transmission), and Kerr & Godfrey-Smith, "Generalization of the Price equation for evolutionary
change", Evolution 63, 2009, for individuals without an ancestor; the same sum for survivors, exits
and entries in Melitz & Polanec, "Dynamic Olley-Pakes productivity decomposition with entry and
exit", RAND Journal of Economics 46, 2015.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from prunescope.networks.coordinates import COORDINATES, KIND, NOT_RETRAINED, name_kind
from prunescope.summarize import estimators, selection
from prunescope.summarize.estimates.paired_changes import partners_of
from prunescope.summarize.estimates.rows import statistic
from prunescope.summarize.estimates.runs.over_runs import (
    OVER_RUNS,
    Layout,
    columns_of,
    how_known,
    kind_of,
    tested,
)
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.selection import UNIT
from prunescope.summarize.study_tables import Row

# The quantities of the table of statistics: the change of the mean, and its parts.
CHANGE = "mis_soft_live_change"
SAME, LOST, NEW = (f"{CHANGE}_by_{units}_units" for units in ("same", "lost", "new"))
PARTS = (SAME, LOST, NEW)


@dataclass(frozen=True)
class Change:
    """The change of a mean over live units, and its parts.

    Attributes
    ----------
    change
        The mean over the live units of the network minus that of its partner.
    same, lost, new
        The parts owed to units that are live in both, in the partner only, in the network only.
    n_live, n_same, n_lost, n_new
        The numbers of units: live in the network, and behind each part.
    """

    change: float
    same: float
    lost: float
    new: float
    n_live: int
    n_same: int
    n_lost: int
    n_new: int

    @classmethod
    def between(cls, before: pl.DataFrame, after: pl.DataFrame) -> "Change | None":
        """The change from one network to another; None if no unit is live in both.

        Parameters
        ----------
        before, after
            The live units of the partner and of the network: the columns `UNIT` and `mis_soft`.
        """
        columns = (*UNIT, "mis_soft")
        joined = before.select(columns).join(
            after.select(columns), on=UNIT, how="full", suffix="_after", maintain_order="left_right"
        )
        a, b = (
            joined[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name in ("mis_soft", "mis_soft_after")
        )
        was, is_live = ~np.isnan(a), ~np.isnan(b)
        same = was & is_live
        if not same.any():
            return None
        start, stayed = a[was].mean(), a[same].mean()
        end, became = b[is_live].mean(), b[same].mean()
        return cls(
            float(end - start),
            float(became - stayed),
            float(stayed - start),
            float(end - became),
            int(is_live.sum()),
            int(same.sum()),
            int((was & ~is_live).sum()),
            int((is_live & ~was).sum()),
        )

    @property
    def parts(self) -> dict[str, tuple[float, int]]:
        """The change and its parts, by their quantities, with the numbers of units behind them."""
        return {
            CHANGE: (self.change, self.n_live),
            SAME: (self.same, self.n_same),
            LOST: (self.lost, self.n_lost),
            NEW: (self.new, self.n_new),
        }


def survivorship(units: pl.DataFrame) -> Iterator[Row]:
    """The change of the mean score over live units of each pruned network, and its three parts.

    Against each of its partners, of each run and over runs. Only the part of the lost units is
    tested over runs: `over_runs.changes_over_runs` tests that of the same units.

    Parameters
    ----------
    units
        As `study_tables.UNITS`, without class logits.
    """
    scores = selection.live(units).select(*COORDINATES, *UNIT, "mis_soft")
    by_network = dict(selection.by_network(scores))
    pruned = {network for network, _ in selection.by_network(selection.pruned(scores))}
    found = []
    for network, rows in by_network.items():
        partners = partners_of(network, by_network) if network in pruned else {}
        for partner, other in partners.items():
            change = Change.between(by_network[other], rows)
            if change is None:
                continue
            for quantity, (value, number) in change.parts.items():
                yield statistic(
                    quantity,
                    f"{network.name} against {partner}",
                    Estimate(value, None, None, None, number, level=None),
                    "means over live units, exact, this run alone",
                    network,
                    family=f"{quantity} against {partner}",
                )
                found.append(
                    {**kind_of(network), "seed": network.seed, "partner": partner,
                     "retrained": network.retraining != NOT_RETRAINED,
                     "quantity": quantity, "value": value}
                )  # fmt: skip
    yield from _over_runs(pl.DataFrame(found, infer_schema_length=None)) if found else ()


def _over_runs(found: pl.DataFrame) -> Iterator[Row]:
    """Each model is of the networks that were retrained, or of those that were not."""
    models = found.group_by("partner", "retrained", "quantity", maintain_order=True)
    for (partner, _, quantity), rows in models:
        layout = Layout.of(rows.select(*KIND, "seed", "value"))
        if layout is None:
            continue
        for place, kind in enumerate(layout.kinds.to_dicts()):
            if quantity in (CHANGE, SAME):
                known = tested(layout.model.mean(place), layout.model.runs)
                estimate, method = replace(known, p=None), how_known(layout.model)
            else:
                estimate = _alone(layout.model.values[place])
                method = "mean over runs, Student's t, of this kind alone"
            name = name_kind(kind["method"], kind["retraining"], kind["rate"])
            yield statistic(
                str(quantity),
                f"{name} against {partner}, {OVER_RUNS}",
                estimate if quantity == LOST else replace(estimate, p=None),
                method,
                family=f"{quantity} against {partner}, {OVER_RUNS}",
                **columns_of(kind),
            )


def _alone(values: np.ndarray) -> Estimate:
    """The mean of a part over runs, known from its own kind alone.

    The more units go, the more their part varies, and where none goes it is 0. So kinds do not
    tell of each other how much they vary.
    """
    if not values.any():
        return Estimate(0.0, None, None, None, len(values), level=None)
    return estimators.mean_t(values)
