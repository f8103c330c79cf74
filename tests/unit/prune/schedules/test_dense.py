"""Every rate is one of the dense network."""

import pytest

from prunescope.prune.schedules import dense


@pytest.mark.parametrize("lower", [[], ["0.20"], ["0.20", "0.40"]])
def test_every_rate_starts_from_the_dense_network(lower: list[str]) -> None:
    assert dense.start(lower) is None
    assert dense.fraction(0.6, [float(rate) for rate in lower]) == 0.6


def test_any_rates_will_do() -> None:
    assert dense.problem([0.1, 0.35, 0.9]) == ""
