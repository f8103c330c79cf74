"""The margin: its units, and how it is given in them."""

import numpy as np
import polars as pl
import pytest

from prunescope.foundation.errors import InputError
from prunescope.networks.coordinates import Coordinates
from prunescope.summarize.estimates.paired_changes import CONTROL, Pair
from prunescope.summarize.estimates.runs import margin
from prunescope.summarize.estimators import Estimate

# By hand: two kinds with variances 0.0001 and 0.0004, so that their mean is 0.00025.
CHANGES = {"a": (0.01, 0.02, 0.03), "b": (0.0, 0.02, 0.04)}


def networks(*rows: tuple[str, int, float]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["method", "seed", "mis_soft_live"], orient="row")
    return frame.with_columns(retraining=pl.lit("none"), rate=pl.lit(0.0))


def paired(partner: str = CONTROL, retraining: str = "one_shot") -> list[Pair]:
    spread = np.array([-0.1, 0.1])
    return [
        Pair(
            Coordinates(method, retraining, "0.80", seed),
            partner,
            pl.DataFrame({"mis_soft": change + spread}),
        )
        for method, changes in CHANGES.items()
        for seed, change in enumerate(changes)
    ]


def known(value: float) -> Estimate:
    return Estimate(value, None, None, None, 3, level=None)


def test_training_gives_the_dense_score_minus_the_untrained_one_within_a_run() -> None:
    rows = networks(("dense", 0, 0.80), ("dense", 1, 0.78), ("dense", 2, 0.9),
                    ("untrained", 1, 0.70), ("untrained", 0, 0.74))  # fmt: skip
    training = margin.units_of(rows, []).training
    assert training is not None
    assert training.estimate == pytest.approx((0.06 + 0.08) / 2)
    assert training.n == 2
    (_, row) = margin.rows(0.02, 0.02, margin.units_of(rows, []))
    assert row["quantity"] == margin.TRAINING


def test_without_an_untrained_network_nothing_is_said_of_training() -> None:
    assert margin.units_of(networks(("dense", 0, 0.8)), []) == margin.Units(None, None)


def test_the_spread_is_that_of_the_changes_of_a_kind_over_runs() -> None:
    spread = margin.units_of(networks(("dense", 0, 0.8)), paired()).spread
    assert spread is not None
    assert spread.estimate == pytest.approx(np.sqrt(0.00025))


def test_networks_that_were_not_retrained_count_only_where_no_others_are() -> None:
    rows = networks(("dense", 0, 0.8))
    alone = margin.units_of(rows, paired("dense", "none")).spread
    both = margin.units_of(rows, paired("dense", "none")[:3] + paired()).spread
    assert alone is not None
    assert both is not None
    assert alone.estimate == both.estimate == pytest.approx(np.sqrt(0.00025))
    # A retrained network beside the network that was not retrained varies in another way.
    assert margin.units_of(rows, paired("dense", "one_shot")).spread is None


def test_one_run_has_no_spread() -> None:
    first = [pair for pair in paired() if pair.network.seed == 0]
    assert margin.units_of(networks(("dense", 0, 0.8)), first).spread is None


@pytest.mark.parametrize(
    ("given", "value"),
    [(0.02, 0.02), ({"of_training": 0.25}, 0.03), ({"of_runs": 3.0}, 0.015)],
)
def test_the_margin_can_be_given_in_its_units(given, value: float) -> None:
    units = margin.Units(known(0.12), known(0.005))
    assert margin.resolve(given, units) == pytest.approx(value)
    rows = list(margin.rows(given, value, units))
    assert [row["quantity"] for row in rows] == [margin.MARGIN, margin.TRAINING, margin.SPREAD]
    assert [row["estimate"] for row in rows] == [value, 0.12, 0.005]


@pytest.mark.parametrize(
    ("given", "units", "why"),
    [
        ({"of_training": 0.25}, margin.Units(known(-0.01), None), "dense minus untrained is: -0.0"),
        ({"of_training": 0.25}, margin.Units(None, None), "too few networks"),
        ({"of_runs": 3.0}, margin.Units(None, None), "the spread of runs is: the study has too"),
    ],
)
def test_a_unit_that_is_not_there_is_named(given, units: margin.Units, why: str) -> None:
    with pytest.raises(InputError, match=why) as error:
        margin.resolve(given, units)
    assert "`statistics.margin`" in str(error.value)
