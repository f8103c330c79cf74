"""Prune the network of the rate before: a chain, which begins at the dense network."""

from collections.abc import Sequence


def start(lower: Sequence[str]) -> str | None:
    """The network of the next lower rate."""
    return lower[-1] if lower else None


def fraction(rate: float, _lower: Sequence[float]) -> float:
    """The rate itself: what earlier rates took counts towards it."""
    return rate
