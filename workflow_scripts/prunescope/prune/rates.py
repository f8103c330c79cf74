"""Pruning rates of a study: those of each method, and what a cumulative rate reaches."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from prunescope.networks.coordinates import format_rate


def rates_of(config: Mapping[str, Any], method: str) -> list[str]:
    """The rates of a method as they stand in paths: its own, or those of the study."""
    pruning_settings = config["pruning"]
    own = pruning_settings["methods"][method].get("rates") or pruning_settings["rates"]
    return [format_rate(rate) for rate in own]


def lower_rates(config: Mapping[str, Any], method: str, rate: str) -> list[str]:
    """The rates of a method below one of them, as they stand in paths, rising."""
    return [other for other in rates_of(config, method) if float(other) < float(rate)]


def effective_rate(config: Mapping[str, Any], method: str, rate: str) -> float:
    """Fraction of the original network's pieces that a method prunes at a rate.

    This is the rate itself. For a method that is `cumulative`, every rate up to this one is
    applied in turn to what the one before left, as where a network is not reset between rates
    (von Rad & Seuffert, arXiv 2409.19727): 1 - (1 - r_1) ... (1 - r_k).
    """
    if not config["pruning"]["methods"][method].get("cumulative", False):
        return float(rate)
    applied = lower_rates(config, method, rate)
    # Exact, because counts are rounded: 0.52 times 100 channels must not become 51.
    return float(1 - math.prod(1 - Fraction(step) for step in [*applied, rate]))
