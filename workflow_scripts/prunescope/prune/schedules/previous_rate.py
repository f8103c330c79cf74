"""Prune the network of the next lower rate: a chain that begins at the dense network."""

from collections.abc import Sequence

FROM_DENSE = False


def start(lower: Sequence[str]) -> str | None:
    """The next lower rate."""
    return lower[-1] if lower else None


def fraction(rate: float, _rates: Sequence[float]) -> float:
    """The rate itself, because pieces pruned at lower rates count towards it."""
    return rate


def problem(_rates: Sequence[float]) -> str:
    """Any rates will do."""
    return ""
