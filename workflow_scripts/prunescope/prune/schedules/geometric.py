"""Prune the same share of what is left at each level: a chain that ends at the highest rate.

With n levels up to the rate r, (1 - r)^(k / n) of the pieces are left after level k: each level
prunes 1 - (1 - r)^(1 / n) of what the one before left. So J. Frankle and M. Carbin, "The Lottery
Ticket Hypothesis", ICLR 2019, prune iteratively.
"""

from collections.abc import Sequence

FROM_DENSE = False

# Fractions are computed with an error in the last digits, and counts of pieces may be truncated.
DIGITS = 12


def start(lower: Sequence[str]) -> str | None:
    """The level before."""
    return lower[-1] if lower else None


def fraction(rate: float, rates: Sequence[float]) -> float:
    """What the levels up to this one prune, exactly; the rate names it in two decimals."""
    return _levels(rates[-1], len(rates))[rates.index(rate)]


def problem(rates: Sequence[float]) -> str:
    """They must be the levels that lead to the last one, in two decimals."""
    needed = [round(level, 2) for level in _levels(rates[-1], len(rates))]
    if needed == list(rates):
        return ""
    told = (
        f"are not {len(rates)} levels up to {rates[-1]} that prune the same share of what is left"
    )
    if len(set(needed)) < len(needed):
        return f"{told}: in two decimals, some would have the same name. Give fewer levels"
    return f"{told}. Write {needed}"


def _levels(last: float, number: int) -> list[float]:
    share = [round(1 - (1 - last) ** (level / number), DIGITS) for level in range(1, number)]
    return [*share, last]
