"""Put numbers, intervals and networks into words.

Every summary and caption is made of these words, so a change of one changes them all.
"""

from collections.abc import Callable

from prunescope.summarize.study_tables import Row
from prunescope.summarize.words import describe_retraining, human

# --- numbers -------------------------------------------------------------------------------------


def percent(value: float, decimals: int = 1) -> str:
    """A fraction as a percentage."""
    return f"{value:.{decimals}%}".replace("%", " %")


def score(value: float) -> str:
    """A score with three decimals."""
    return f"{value:.3f}"


def change(value: float) -> str:
    """A change of a score with its sign; no change is +0.000."""
    return f"{round(value, 3) + 0.0:+.3f}"


def points(value: float) -> str:
    """A change of a fraction in percentage points, with its sign."""
    return f"{round(100 * value, 1) + 0.0:+.1f} points"


def count(number: int, one: str) -> str:
    """A number of things, given the word for one of them: `3 networks`."""
    return f"{number:,} {one if number == 1 else f'{one}s'}"


def be(number: int) -> str:
    """The verb after a number of things."""
    return "is" if number == 1 else "are"


# --- intervals -----------------------------------------------------------------------------------


def interval(row: Row, style: Callable[[float], str] = score) -> str:
    """The interval of an estimate with its level, in parentheses; nothing if there is none."""
    if row["low"] is None:
        return ""
    level = percent(row["level"], 0)
    return f" ({level} interval {style(row['low'])} to {style(row['high'])})"


def change_interval(row: Row) -> str:
    """The 95 % interval of a change or a correlation."""
    return f"95 % interval {change(row['low'])} to {change(row['high'])}"


def correlation(row: Row) -> str:
    """What a correlation over the networks of runs is, with its interval if there are several."""
    text = f"{change(row['estimate'])} (Spearman"
    if row["low"] is None:
        return f"{text}, over the networks of one run)"
    return f"{text}, mean of {row['n']} runs; {change_interval(row)})"


# --- names ---------------------------------------------------------------------------------------


def listed(words: list[str]) -> str:
    """Words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def named(row: Row) -> str:
    """The networks of a method, a retraining and a rate in words."""
    method, retraining = human(row["method"]), describe_retraining(row["retraining"])
    return f"{method}, {retraining}, at rate {percent(row['rate'], 0)}"


def capitalised(text: str) -> str:
    """A sentence that begins with a capital letter and ends with a full stop."""
    return f"{text[0].upper()}{text[1:]}."
