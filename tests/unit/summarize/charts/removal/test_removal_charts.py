"""Charts of which units go and of survivorship: the numbers that are drawn."""

import pytest
from removal_study import (
    CHAIN,
    HIGH,
    LARGE_P,
    LOW,
    RETRAINED,
    SMALL_P,
    chart_data,
    choice,
    parts,
)

from prunescope.summarize.charts.removal.removed_units_chart import removed_units
from prunescope.summarize.charts.removal.survivorship_chart import survivorship
from prunescope.summarize.charts.theme import ChartSettings

SETTINGS = ChartSettings(width=400, height=300, png_scale=1.0)


def layer(spec: dict, panel: dict, mark: str, place: int = 0) -> list[dict]:
    """The rows of a layer of a panel, of those with this mark."""
    found = [one for one in panel["layer"] if one["mark"]["type"] == mark]
    return spec["datasets"][found[place]["data"]["name"]]


def subtitle(spec: dict) -> str:
    return " ".join(spec["title"]["subtitle"])


def test_each_measure_has_a_panel_and_each_choice_a_line() -> None:
    rows = [
        *choice(LOW, "mis_soft", -0.3, SMALL_P),
        *choice(CHAIN, "mis_soft", 0.2, LARGE_P),
        *choice(LOW, "depth", 1.45, SMALL_P),
    ]
    spec = removed_units(chart_data([LOW, CHAIN], rows), SETTINGS).to_dict()
    score, depth = spec["concat"]
    assert [panel["title"]["text"] for panel in (score, depth)] == [
        "soft MIS", "depth, where layers compete"
    ]  # fmt: skip
    drawn = layer(spec, score, "point")
    assert [(row["choice"], row["line"], row["estimate"], row["shown"]) for row in drawn] == [
        ("filters, 40%", 0, -0.3, True), ("filters, iterative, 80%", 1, 0.2, False)
    ]  # fmt: skip
    assert [[row["low"], row["high"]] for row in drawn] == [
        pytest.approx([-0.4, -0.2]), pytest.approx([0.1, 0.3])
    ]  # fmt: skip
    # Depth has an axis of its own: its differences would press the others together.
    ends = [panel["layer"][0]["encoding"]["x"]["scale"]["domain"] for panel in (score, depth)]
    assert ends == [[-0.4, 0.4], [-1.6, 1.6]]
    assert "bars: 95 % intervals over runs" in subtitle(spec)


def test_wide_intervals_are_cut_and_the_chart_says_so() -> None:
    rows = choice(LOW, "mis_soft", 1.95, LARGE_P)
    spec = removed_units(chart_data([LOW], rows), SETTINGS).to_dict()
    (drawn,) = layer(spec, spec["concat"][0], "point")
    assert (drawn["estimate"], drawn["high"]) == (1.95, 2.0)
    assert "bars are cut at 2" in subtitle(spec)


def test_the_bars_of_one_run_are_against_random_choices() -> None:
    rows = choice(LOW, "mis_soft", -0.3, SMALL_P, runs=1)
    spec = removed_units(chart_data([LOW], rows, runs=1), SETTINGS).to_dict()
    assert "bars: beyond 95 % of random choices" in subtitle(spec)
    assert "over runs" not in subtitle(spec)


def test_the_bars_of_the_parts_add_up() -> None:
    rows = [*parts(HIGH, -0.02, 0.03, -0.004), *parts(RETRAINED, -0.01, 0.0)]
    spec = survivorship(chart_data([HIGH, RETRAINED], rows), SETTINGS).to_dict()
    bars = [row for row in layer(spec, spec, "bar") if row["line"] == 0]
    ends = {row["part"]: [row["start"], row["end"]] for row in bars}
    # Those below zero follow each other to the left.
    assert ends["the same channels change"] == pytest.approx([0, -0.02])
    assert ends["others are lost"] == pytest.approx([0, 0.03])
    assert ends["others came alive"] == pytest.approx([-0.02, -0.024])
    marks = layer(spec, spec, "tick")
    assert [row["change"] for row in marks] == pytest.approx([0.006, -0.01])
    assert sum(row["value"] for row in bars) == pytest.approx(marks[0]["change"])
    assert [row["name"] for row in marks] == [
        "filters, not retrained, 80%", "filters, one-shot, 80%"
    ]  # fmt: skip


def test_parts_that_no_network_has_are_not_in_the_legend() -> None:
    rows = parts(HIGH, -0.02, 0.03)
    spec = survivorship(chart_data([HIGH], rows), SETTINGS).to_dict()
    (bars,) = [one for one in spec["layer"] if one["mark"]["type"] == "bar"]
    assert bars["encoding"]["color"]["scale"]["domain"] == [
        "the same channels change", "others are lost"
    ]  # fmt: skip
    assert {row["part"] for row in layer(spec, spec, "bar")} == {
        "the same channels change", "others are lost"
    }  # fmt: skip


def test_intervals_that_would_hide_the_parts_are_cut() -> None:
    rows = parts(HIGH, -0.0002, 0.0003)
    spec = survivorship(chart_data([HIGH], rows), SETTINGS).to_dict()
    assert "cut at the ends of the axis" in subtitle(spec)
    (mark,) = layer(spec, spec, "tick")
    assert (mark["low"], mark["high"]) == (pytest.approx(-0.0099), 0.01)


@pytest.mark.parametrize("draw", [removed_units, survivorship])
def test_a_study_without_such_networks_says_why_nothing_is_shown(draw) -> None:
    spec = draw(chart_data([LOW], []), SETTINGS).to_dict()
    assert "Nothing to show" in str(spec)
