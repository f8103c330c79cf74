"""Numbers, intervals and names in words."""

from typing import Any

import polars as pl

from prunescope.networks import coordinates

Row = dict[str, Any]


# --- numbers in words ----------------------------------------------------------------------------


def percent(value: float) -> str:
    """A fraction as a percentage with one decimal."""
    return f"{value:.1%}".replace("%", " %")


def score(value: float) -> str:
    """A score with three decimals."""
    return f"{value:.3f}"


def change(value: float) -> str:
    """A change of a score with its sign; no change is +0.000."""
    return f"{round(value, 3) + 0.0:+.3f}"


def count(number: int, one: str, many: str = "") -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: list[str]) -> str:
    """Words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def human(name: str) -> str:
    """A kind of retraining in words."""
    return coordinates.RETRAINING_NAMES.get(name, coordinates.human(name))


def named(row: Row) -> str:
    """A network in words."""
    method, kind = coordinates.human(row["method"]), human(row["retraining"])
    return f"{method}, {kind}, at rate {row['rate']:.0%}".replace("%", " %")


def interval(row: Row, style: Any = score) -> str:
    """An interval with its level; nothing if there is none."""
    if row["low"] is None:
        return ""
    return f" ({row['level']:.0%} interval {style(row['low'])} to {style(row['high'])})".replace(
        "% interval", " % interval"
    )


def ends_of(values: pl.Series) -> tuple[str, str]:
    found = values.to_list()
    return score(min(found)), score(max(found))


def bounds_of(row: Row) -> str:
    return f"95 % interval {change(row['low'])} to {change(row['high'])}"


def tested_in(row: Row) -> str:
    return f" (95 % interval {change(row['low'])} to {change(row['high'])})"
