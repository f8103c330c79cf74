"""Rates as they stand in paths."""

import pytest

from prunescope.networks import coordinates


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0.00"), (0.07, "0.07"), (0.2, "0.20"), (0.29, "0.29"), (0.99, "0.99")]
)
def test_rates_in_paths(rate: float, text: str) -> None:
    assert coordinates.format_rate(rate) == text
