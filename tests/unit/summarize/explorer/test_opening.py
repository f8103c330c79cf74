"""Where the explorer opens: at the networks that changed most and can still classify."""

from typing import Any

import polars as pl
import pytest

from prunescope.networks.coordinates import Coordinates
from prunescope.summarize.explorer import opening
from prunescope.summarize.explorer.report_copy import ReportCopy

# Name, accuracy in both runs, change of its units in both runs. Of two classes, chance is 0.5; the
# dense networks have 0.9 and 0.8, so that 0.70 and 0.65 are the least that can still classify.
ROWS: list[tuple[str, tuple[float, float], tuple[float | None, float | None]]] = [
    ("dense/none/0.00", (0.9, 0.8), (0.0, 0.0)),
    ("dense/one_shot/0.00", (0.9, 0.8), (0.02, 0.04)),
    ("untrained/none/0.00", (0.9, 0.8), (0.9, 0.9)),
    ("structured/none/0.80", (0.5, 0.5), (0.8, 0.8)),  # changed most, and guesses
    ("structured/one_shot/0.80", (0.9, 0.64), (0.7, 0.7)),  # too low in the second run
    ("structured/one_shot/0.60", (0.71, 0.66), (0.1, 0.3)),  # just enough
    ("structured/one_shot/0.40", (0.9, 0.8), (0.25, 0.1)),  # more only in the first run
]


def study(
    rows: list[Any],
) -> tuple[list[Coordinates], dict[Coordinates, float], dict[Coordinates, float | None]]:
    networks, top1, changes = [], {}, {}
    for name, accuracies, moved in rows:
        for seed in (0, 1):
            networks.append(Coordinates(*name.split("/"), seed))
            top1[networks[-1]], changes[networks[-1]] = accuracies[seed], moved[seed]
    return networks, top1, changes


def test_the_kind_that_changed_most_and_can_still_classify_is_chosen() -> None:
    assert opening.find(*study(ROWS), classes=2) == {
        "network": "structured/one_shot/rate0.60/seed0",
        "change": pytest.approx(0.2),
        "runs": 2,
        "control": pytest.approx(0.03),
        "able": 2,
        "kinds": 4,
    }


def test_where_none_can_classify_all_count() -> None:
    found = opening.find(*study(ROWS[:5]), classes=2)
    assert found is not None
    assert (found["network"], found["able"]) == ("structured/none/rate0.80/seed0", 0)
    assert found["control"] is None  # it was not retrained


def test_a_network_without_live_units_is_not_opened() -> None:
    dead = ("structured/one_shot/0.70", (0.9, 0.8), (None, None))
    found = opening.find(*study([*ROWS, dead]), classes=2)
    assert found is not None
    assert found["network"] == "structured/one_shot/rate0.60/seed0"
    assert found["able"] == 3
    assert opening.find(*study([*ROWS[:3], dead]), classes=2) is None


def test_a_chain_is_compared_with_the_chain_of_its_length() -> None:
    chain = [
        ("dense/iterative/0.40", (0.9, 0.8), (0.1, 0.1)),
        ("dense/iterative/0.60", (0.9, 0.8), (0.2, 0.2)),
        ("structured/iterative/0.60", (0.9, 0.8), (0.5, 0.5)),
    ]
    found = opening.find(*study([*ROWS, *chain]), classes=2)
    assert found is not None
    assert found["control"] == pytest.approx(0.2)


def test_a_dense_network_that_guesses_has_nothing_to_keep() -> None:
    assert not opening.can_classify(0.5, 0.5, 2)
    assert opening.can_classify(0.55, 0.6, 2)
    assert not opening.can_classify(0.549, 0.6, 2)


def test_changes_are_over_units_that_live_in_both() -> None:
    dense = pl.DataFrame(
        {"constant": [False, False, True, False], "mis_soft": [0.9, 0.5, 0.5, 0.7]}
    )
    other = pl.DataFrame(
        {"constant": [False, False, False, True], "mis_soft": [0.6, 0.6, 0.9, 0.5]}
    )
    assert opening.mean_change(dense, other) == pytest.approx((0.3 + 0.1) / 2)
    assert opening.mean_change(dense, other.with_columns(constant=pl.lit(True))) is None


def test_a_copy_holds_the_run_that_is_opened() -> None:
    networks, top1, changes = study(ROWS)
    later = [network for network in networks if network.seed or network.method == "dense"]
    found = opening.find(later, top1, changes, classes=2)
    copy = ReportCopy.plan(later, found)
    assert copy.networks == {network for network in networks if network.seed == 1}
    opened = Coordinates("structured", "one_shot", "0.60", 1)
    assert copy.with_tasks == {opened, opened.dense}
    assert copy.holds(networks[-1], "images")
    assert not copy.holds(networks[-1], "tasks")
    assert not copy.holds(networks[-2], "scores")
    first = ReportCopy.plan(networks, None)
    assert {network.seed for network in first.networks} == {0}
