"""The pruning rates of a method, as the config gives them and as fractions of the network."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from prunescope.networks.coordinates import DENSE, format_rate


def rates_of(config: Mapping[str, Any], method: str) -> list[str]:
    """The rates of a method as written in paths: its own rates, or else those of the study.

    A network that was pruned elsewhere has one rate.
    """
    if method in config.get("imported", {}):
        return [format_rate(config["imported"][method]["rate"])]
    pruning_settings = config["pruning"]
    own = pruning_settings["methods"].get(method, {}).get("rates") or pruning_settings["rates"]
    return [format_rate(rate) for rate in own]


def rates_of_chain(config: Mapping[str, Any], retraining: str) -> list[str]:
    """The rates at which a chain of dense networks stands, as written in paths.

    Those of the methods that are retrained so, which all have the same (the config is checked);
    without such a method, those of the study.
    """
    methods = config["pruning"]["methods"]
    alike = [name for name, method in methods.items() if retraining in method["retraining"]]
    return rates_of(config, alike[0] if alike else DENSE)


def lower_rates(config: Mapping[str, Any], method: str, rate: str, retraining: str) -> list[str]:
    """The rates of a method below `rate`, as written in paths, in rising order.

    Those of the dense network are the rates of its chain of `retraining`.
    """
    known = levels(config, method, retraining)
    return [other for other in known if float(other) < float(rate)]


def levels(config: Mapping[str, Any], method: str, retraining: str) -> list[str]:
    """The rates of a method, or of the dense network's chain of `retraining`, as in paths."""
    return rates_of_chain(config, retraining) if method == DENSE else rates_of(config, method)


def effective_rate(config: Mapping[str, Any], method: str, rate: str) -> float:
    """The fraction of the original network's pieces that a method prunes at a rate.

    For most methods this is the rate itself. A `cumulative` method applies all rates up to this
    one in turn, each to the pieces that the previous rate left: 1 - (1 - r_1) ... (1 - r_k). This
    happens if a network is not reset between rates (von Rad & Seuffert, arXiv 2409.19727).
    """
    if not config["pruning"]["methods"][method].get("cumulative", False):
        return float(rate)
    applied = [step for step in rates_of(config, method) if float(step) < float(rate)]
    # Exact fractions, because counts are truncated: 0.52 of 100 channels must not become 51.
    return float(1 - math.prod(1 - Fraction(step) for step in [*applied, rate]))
