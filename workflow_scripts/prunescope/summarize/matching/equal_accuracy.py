"""Compare methods at equal accuracy, within runs, by interpolation between their networks.

How accurate a network still is decides whether anyone would use it. Rates do not tell: the same
rate costs one method more than another. So each method is looked at where it has lost so much
accuracy from the dense network of its run. In front of the networks of a method, in order of their
rates, stands the dense network that is the partner of the first one: that is the rate 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from prunescope.foundation.tables import Table
from prunescope.networks.coordinates import DENSE, NOT_RETRAINED, Coordinates
from prunescope.summarize import selection
from prunescope.summarize.estimates.paired_changes import Pair, pairs, partner_of_verdict
from prunescope.summarize.estimates.rows import FEWEST
from prunescope.summarize.estimates.runs.over_runs import tested
from prunescope.summarize.matching.interpolation import last_place
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED
from prunescope.summarize.run_model import RunModel
from prunescope.summarize.study_tables import Row

# What is interpolated and has an interval over runs.
ESTIMATED = ("sparsity", "mis_soft", "mis_soft_change")
NO_DENSE = "the accuracy of a dense network of this run is not known"
NO_ACCURACY = "the accuracy of its networks is not known"
STILL_MORE = "still more accurate at its highest rate"
ALWAYS_LESS = "less accurate at all of its rates"
NOT_KNOWN = "sparsity or score of a network beside this accuracy is not known"


@dataclass(frozen=True)
class Chain:
    """The networks of a method in a run, in order of their rates, from the dense one on.

    Attributes
    ----------
    method, retraining, seed
        What the networks have in common.
    dense
        Accuracy of the dense network of the run; None where it is not known.
    values
        float64 `(networks,)` by name: `rate`, `top1` (without NaN), and `ESTIMATED`.
    """

    method: str
    retraining: str
    seed: int
    dense: float | None
    values: Mapping[str, np.ndarray]

    @property
    def named(self) -> Row:
        """What the networks have in common, as columns."""
        return {"method": self.method, "retraining": self.retraining, "seed": self.seed}

    def at(self, drop: float) -> Row:
        """The method where it has lost so much accuracy: a row of `EQUAL_ACCURACY`.

        Where it cannot be matched: a row of `UNMATCHED`, which has a `reason`.
        """
        top1 = self.values["top1"]
        if not len(top1):
            return self._unmatched(drop, NO_ACCURACY)
        if self.dense is None:
            return self._unmatched(drop, NO_DENSE)
        level = self.dense - drop
        place = last_place(top1, level)
        if place is None:
            reason = STILL_MORE if top1[-1] > level else ALWAYS_LESS
            return self._unmatched(drop, reason, level)
        found = {name: place.of(self.values[name]) for name in ("rate", *ESTIMATED)}
        if np.isnan(found["sparsity"]) or np.isnan(found["mis_soft"]):
            return self._unmatched(drop, NOT_KNOWN, level)
        below, above = (float(self.values["rate"][index]) for index in place.neighbours)
        row = {**self.named, "drop": drop, "top1": level, "runs": 1}
        return {**row, **found, "rate_below": below, "rate_above": above}

    def _unmatched(self, drop: float, reason: str, level: float | None = None) -> Row:
        row = {**self.named, "drop": drop, "top1": level, "reason": reason}
        if level is None:
            return row
        nearest = int(np.argmin(np.abs(self.values["top1"] - level)))
        return row | {f"nearest_{name}": self.values[name][nearest] for name in ("rate", "top1")}


def match(
    networks: pl.DataFrame, units: pl.DataFrame, drops: Sequence[float]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each method at each accuracy: in each run, and over runs.

    Parameters
    ----------
    networks, units
        As `study_tables.NETWORKS` and `study_tables.UNITS`.
    drops
        What of the dense network's accuracy is given up, as fractions of all images.

    Returns
    -------
    EQUAL_ACCURACY, UNMATCHED
        Tables as `matched_tables` declares them.
    """
    known = list(chains(networks, units))
    found = [chain.at(drop) for drop in drops for chain in known]
    matched = [row for row in found if "reason" not in row]
    runs = networks["seed"].n_unique()
    of_all = [row for drop in drops for row in over_runs(matched, drop, runs)]
    study = networks["study"][0]
    return (
        _frame(EQUAL_ACCURACY, [*matched, *of_all], study),
        _frame(UNMATCHED, [row for row in found if "reason" in row], study),
    )


def chains(networks: pl.DataFrame, units: pl.DataFrame) -> Iterator[Chain]:
    """The networks of each method and kind of retraining in each run."""
    changes = changes_of_verdicts(pairs(selection.channels(units)))
    known = {Coordinates.from_row(row): row for row in networks.iter_rows(named=True)}
    pruned = selection.pruned(networks)
    for _, rows in pruned.group_by("method", "retraining", "seed", maintain_order=True):
        members = [Coordinates.from_row(row) for row in rows.sort("rate").iter_rows(named=True)]
        first = members[0]
        partner = partner_of_verdict(first, known)
        if partner is not None and partner.method == DENSE:
            members = [partner, *members]
        accurate = [one for one in members if known[one]["top1"] is not None]
        dense = known[first.dense]["top1"] if first.dense in known else None
        values = {
            "rate": [0.0 if one == partner else known[one]["rate"] for one in accurate],
            "top1": [known[one]["top1"] for one in accurate],
            "sparsity": [known[one]["sparsity_prunable"] for one in accurate],
            "mis_soft": [known[one]["mis_soft_live"] for one in accurate],
            "mis_soft_change": [0.0 if one == partner else changes.get(one) for one in accurate],
        }
        arrays = {name: np.array(column, dtype=np.float64) for name, column in values.items()}
        yield Chain(first.method, first.retraining, first.seed, dense, arrays)


def changes_of_verdicts(found: Iterable[Pair]) -> dict[Coordinates, float]:
    """The mean change of each network's score from the partner that it is judged against."""
    changes = {
        pair.network: pair.changes["mis_soft"].drop_nulls() for pair in found if pair.of_verdict
    }
    return {
        network: float(values.mean())  # type: ignore[arg-type]
        for network, values in changes.items()
        if len(values) >= FEWEST
    }


def over_runs(matched: Sequence[Row], drop: float, runs: int) -> Iterator[Row]:
    """The methods that are matched in all runs, with intervals over runs: `run_model`.

    Methods that were retrained, and others, vary differently between runs: each group is a model of
    its own. So is each accuracy. Of two runs at least.
    """
    if runs < 2:
        return
    for retrained in (False, True):
        by_method: dict[tuple[str, str], list[Row]] = {}
        for row in sorted(matched, key=lambda row: row["seed"]):
            if row["drop"] == drop and (row["retraining"] != NOT_RETRAINED) == retrained:
                by_method.setdefault((row["method"], row["retraining"]), []).append(row)
        whole = [rows for rows in by_method.values() if len(rows) == runs]
        for place, estimates in enumerate(_estimates(whole)):
            rows = whole[place]
            shared = {name: rows[0][name] for name in ("method", "retraining")}
            means = {name: float(np.mean([row[name] for row in rows])) for name in ("top1", "rate")}
            ends = {
                "rate_below": min(row["rate_below"] for row in rows),
                "rate_above": max(row["rate_above"] for row in rows),
            }
            yield {
                **shared, "drop": drop, "seed": None, "runs": runs, **means, **ends, **estimates
            }  # fmt: skip


def _estimates(methods: Sequence[Sequence[Row]]) -> list[Row]:
    """The columns of `ESTIMATED` and of their intervals, for methods that all runs have."""
    made: list[Row] = [{} for _ in methods]
    for name in ESTIMATED:
        values = np.array([[row[name] for row in rows] for rows in methods])
        complete = [place for place, row in enumerate(values) if not np.isnan(row).any()]
        if not complete:
            continue
        model = RunModel(values[complete])
        for kind, place in enumerate(complete):
            found = tested(model.mean(kind), model.runs)
            made[place] |= {
                name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high
            }  # fmt: skip
    return made


def _frame(table: Table, rows: Sequence[Row], study: str) -> pl.DataFrame:
    blank: dict[str, Any] = dict.fromkeys(table.columns)
    schema = {name: column.dtype for name, column in table.columns.items()}
    whole = [{**blank, **row, "study": study} for row in rows]
    frame = pl.DataFrame(whole, schema=schema)
    return frame.fill_nan(None)
