"""Prune the dense network at every rate: the networks of different rates are independent."""

from collections.abc import Sequence

FROM_DENSE = True


def start(_lower: Sequence[str]) -> str | None:
    """The dense network."""
    return None


def fraction(rate: float, _rates: Sequence[float]) -> float:
    """The rate itself."""
    return rate


def problem(_rates: Sequence[float]) -> str:
    """Any rates will do."""
    return ""
