"""A chain of networks begins at the dense one, and leads from each rate to the next."""

import pytest

from prunescope.prune.schedules import previous_rate


@pytest.mark.parametrize(
    ("lower", "before"), [([], None), (["0.20"], "0.20"), (["0.20", "0.40"], "0.40")]
)
def test_a_rate_starts_from_the_one_below(lower: list[str], before: str | None) -> None:
    assert previous_rate.start(lower) == before
    assert previous_rate.fraction(0.6, [float(rate) for rate in lower]) == 0.6


def test_any_rates_will_do() -> None:
    assert previous_rate.problem([0.1, 0.35, 0.9]) == ""
