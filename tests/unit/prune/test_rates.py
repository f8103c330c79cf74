"""Rates of a method, and the fractions that they remove, by hand."""

from typing import Any

import pytest

from prunescope.prune import rates
from prunescope.study.study import Study


def with_own_rates(cumulative: bool = False) -> dict[str, Any]:
    """One method with the rates of the study, and one with its own."""
    methods = {
        "plain": {"retraining": ["none"]},
        "steps": {"retraining": ["none"], "rates": [0.2, 0.4, 0.6], "cumulative": cumulative},
    }
    return {
        "seeds": [0],
        "model": {"retraining": [], "untrained": False},
        "retraining": {"none": {"start": "dense"}},
        "pruning": {"rates": [0.1, 0.5], "methods": methods},
    }


def test_a_method_may_have_rates_of_its_own() -> None:
    config = with_own_rates()
    assert rates.rates_of(config, "plain") == ["0.10", "0.50"]
    assert rates.rates_of(config, "steps") == ["0.20", "0.40", "0.60"]
    listed = [(network.method, network.rate) for network in Study(config).networks[1:]]
    assert listed == [
        ("plain", "0.10"),
        ("plain", "0.50"),
        ("steps", "0.20"),
        ("steps", "0.40"),
        ("steps", "0.60"),
    ]


@pytest.mark.parametrize(
    ("method", "rate", "before"),
    [
        ("plain", "0.10", None),
        ("plain", "0.50", "0.10"),
        ("steps", "0.20", None),
        ("steps", "0.60", "0.40"),
    ],
)
def test_a_chain_follows_the_rates_of_its_method(
    method: str, rate: str, before: str | None
) -> None:
    assert (rates.lower_rates(with_own_rates(), method, rate, "none") or [None])[-1] == before


def test_a_chain_of_dense_networks_has_the_rates_of_what_it_is_the_partner_of() -> None:
    config = with_own_rates()
    config["pruning"]["methods"]["steps"]["retraining"] = ["none", "chain"]
    assert rates.rates_of_chain(config, "chain") == ["0.20", "0.40", "0.60"]
    assert rates.rates_of_chain(config, "other") == ["0.10", "0.50"]
    assert rates.lower_rates(config, "dense", "0.60", "chain") == ["0.20", "0.40"]


def test_rates_are_fractions_of_the_original_network() -> None:
    config = with_own_rates(cumulative=False)
    assert [rates.effective_rate(config, "steps", rate) for rate in ("0.20", "0.60")] == [0.2, 0.6]


def test_cumulative_rates_take_their_share_of_what_is_left() -> None:
    config = with_own_rates(cumulative=True)
    # 0.8, 0.8 * 0.6 = 0.48 and 0.48 * 0.4 = 0.192 are left. Exactly: int(0.52 * 100) is 52.
    reached = [rates.effective_rate(config, "steps", rate) for rate in ("0.20", "0.40", "0.60")]
    assert reached == [0.2, 0.52, 0.808]
    assert rates.effective_rate(config, "plain", "0.50") == 0.5
