"""A made-up study of two methods that remove channels, and what is estimated of it."""

from typing import Any

import polars as pl

from prunescope.foundation.tables import Table
from prunescope.interpret.trivial_units import TRIVIAL_UNITS
from prunescope.summarize import image_counts, study_tables
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.findings.facts import Facts

Kind = tuple[str, str, float]
DENSE: list[Kind] = [("dense", "none", 0.0), ("dense", "one_shot", 0.0)]
LOW: Kind = ("filters", "none", 0.4)
HIGH: Kind = ("filters", "none", 0.8)
CHAIN: Kind = ("filters", "iterative", 0.8)
RETRAINED: Kind = ("filters", "one_shot", 0.8)
RANDOM: Kind = ("chance", "one_shot", 0.8)
SMALL_P, LARGE_P = 0.01, 0.4


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in table.columns.items()}
    return pl.DataFrame(rows, schema=schema, strict=False)


def networks(kinds: list[Kind], runs: int) -> pl.DataFrame:
    blank = dict.fromkeys(study_tables.NETWORKS.columns, 0) | {"study": "toy", "images": 100}
    rows = [
        {**blank, "method": method, "retraining": retraining, "rate": rate, "seed": seed,
         "top1": 0.5 + place / 100, "mis_soft_live": 0.7, "epochs": int(retraining != "none")}
        for place, (method, retraining, rate) in enumerate([*DENSE, *kinds])
        for seed in range(runs)
    ]  # fmt: skip
    return frame(study_tables.NETWORKS, rows)


def _row(kind: Kind, quantity: str, value: float, seed: int | None, **more: Any) -> dict[str, Any]:
    about = dict(zip(("pruning", "retraining", "rate"), kind, strict=True))
    return {"study": "toy", "quantity": quantity, "comparison": "", "method": "", "n": 3,
            "estimate": value, "seed": seed, **about, **more}  # fmt: skip


def choice(kind: Kind, measure: str, value: float, p: float, runs: int = 3) -> list[dict[str, Any]]:
    """A difference of each run, and one over runs where there are several."""
    seeds: list[int | None] = list(range(runs)) if runs == 1 else [*range(runs), None]
    return [
        _row(kind, f"removed_minus_kept({measure})", value if seed is None or runs == 1 else 9.0,
             seed, low=value - 0.1, high=value + 0.1, p_holm=p)
        for seed in seeds
    ]  # fmt: skip


def parts(
    kind: Kind, same: float, lost: float, new: float = 0.0, p: float = LARGE_P, runs: int = 3
) -> list[dict[str, Any]]:
    """The parts of a change against the partner of the verdict; 9 against the other partner."""
    found = []
    values = {"": same + lost + new, "_by_same_units": same, "_by_lost_units": lost,
              "_by_new_units": new}  # fmt: skip
    for partner in ("dense", "dense retrained alike"):
        if partner != "dense" and kind[1] == "none":
            continue
        of_verdict = partner != "dense" or kind[1] == "none"
        for part, value in values.items():
            quantity = f"mis_soft_live_change{part}"
            family = f"{quantity} against {partner}"
            shown = value if of_verdict else 9.0
            found.append(_row(kind, quantity, shown if runs == 1 else 9.0, 0, family=family))
            if runs > 1:
                found.append(_row(kind, quantity, shown, None, low=value - 0.01, high=value + 0.01,
                                  p_holm=p, family=f"{family}, over runs"))  # fmt: skip
    return found


def facts(kinds: list[Kind], rows: list[dict[str, Any]], runs: int = 3) -> Facts:
    return Facts(
        networks(kinds, runs),
        frame(study_tables.STATISTICS, rows),
        image_counts.COUNTS.empty(),
        study_tables.HISTORIES.empty(),
        TRIVIAL_UNITS.empty(),
        "pictures",
        "timm:net",
        0.02,
        50,
        ("chance",),
    )


def chart_data(kinds: list[Kind], rows: list[dict[str, Any]], runs: int = 3) -> ChartData:
    of = facts(kinds, rows, runs)
    return ChartData(of.networks, of.history, "pictures", 2000, statistics=of.statistics)
