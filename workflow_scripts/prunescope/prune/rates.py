"""The pruning rates of a method, as the config gives them and as fractions of the network."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from prunescope.networks.coordinates import format_rate


def rates_of(config: Mapping[str, Any], method: str) -> list[str]:
    """The rates of a method as written in paths: its own rates, or else those of the study.

    Those of the study also for the dense network, whose chains of retraining have its rates.
    """
    pruning_settings = config["pruning"]
    own = pruning_settings["methods"].get(method, {}).get("rates") or pruning_settings["rates"]
    return [format_rate(rate) for rate in own]


def lower_rates(config: Mapping[str, Any], method: str, rate: str) -> list[str]:
    """The rates of a method below `rate`, as written in paths, in rising order."""
    return [other for other in rates_of(config, method) if float(other) < float(rate)]


def effective_rate(config: Mapping[str, Any], method: str, rate: str) -> float:
    """The fraction of the original network's pieces that a method prunes at a rate.

    For most methods this is the rate itself. A `cumulative` method applies all rates up to this
    one in turn, each to the pieces that the previous rate left: 1 - (1 - r_1) ... (1 - r_k). This
    happens if a network is not reset between rates (von Rad & Seuffert, arXiv 2409.19727).
    """
    if not config["pruning"]["methods"][method].get("cumulative", False):
        return float(rate)
    applied = lower_rates(config, method, rate)
    # Exact fractions, because counts are truncated: 0.52 of 100 channels must not become 51.
    return float(1 - math.prod(1 - Fraction(step) for step in [*applied, rate]))
