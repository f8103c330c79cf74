"""Charts of units and of the sensitivity of the score: the numbers that are drawn."""

from dataclasses import replace
from functools import cache

import polars as pl
import pytest
from test_charts import (
    DENSE,
    SETTINGS,
    estimated,
    history,
    marks,
    networks,
    text,
)

from prunescope.summarize import study_tables
from prunescope.summarize.charts import all_charts
from prunescope.summarize.charts.chart_rows import ChartData

ROWS = [
    *DENSE,
    ("untrained", "none", 0.0, 0, 0.10, 0.60),
    ("structured", "one_shot", 0.4, 0, 0.80, 0.84),
    ("structured", "one_shot", 0.8, 0, 0.60, 0.80),
    ("random", "none", 0.8, 0, 0.60, 0.80),
]
# The score of each unit in the dense network, and what it differs by in networks of a method.
SCORES = {("a.conv", 0): 0.5, ("a.conv", 1): 0.7, ("b.x.conv", 0): 0.9, ("b.y.conv", 0): 0.6}
CHANGE = {"structured": -0.1, "random": 0.1, "untrained": -0.2, "dense": 0.0}


def units() -> pl.DataFrame:
    blank = dict.fromkeys(study_tables.UNITS.columns, 0) | {"study": "toy", "layer_type": "conv2d"}
    rows = [
        blank
        | {"method": method, "retraining": retraining, "rate": rate, "seed": seed, "layer": layer,
           "block": "stem" if layer == "a.conv" else "stage 1", "unit": unit,
           "mis_soft": score + CHANGE[method],
           # One unit is dead where filters were pruned.
           "constant": method == "structured" and layer == "b.y.conv"}
        for method, retraining, rate, seed, *_ in ROWS
        for (layer, unit), score in SCORES.items()
    ]  # fmt: skip
    schema = {key: column.dtype for key, column in study_tables.UNITS.columns.items()}
    return pl.DataFrame(rows, schema=schema, strict=False)


@cache
def toy() -> ChartData:
    of = ChartData(networks(ROWS), history([]), "pictures", 2000, 10)
    return replace(of, units=units(), margin=0.02)


def draw(name: str, of: ChartData) -> dict:
    return all_charts.CHARTS[name](of, SETTINGS).to_dict()


def titles(spec: dict) -> list[str]:
    return [part["title"]["text"] for part in spec["concat"]]


def test_the_same_units_are_compared_at_the_highest_rate() -> None:
    spec = draw("unit_change", toy())
    assert titles(spec) == [
        "structured, one-shot, 80%",
        "random, not retrained, 80%",
        "dense, one-shot (not pruned)",
        "untrained, with other weights",
    ]
    subtitles = [part["title"]["subtitle"] for part in spec["concat"]]
    assert subtitles == [
        "mean change -0.100 over 3 units live in both",
        "mean change +0.100 over 4 units live in both",
        "mean change +0.000 over 4 units live in both",
        "mean change -0.200 over 4 units live in both",
    ]
    structured = marks({**spec["concat"][0], "datasets": spec["datasets"]}, "rect")[0]
    assert sum(cell["units"] for cell in structured) == 3
    assert sum(cell["share"] for cell in structured) == pytest.approx(1)
    for before, after in ((0.5, 0.4), (0.7, 0.6), (0.9, 0.8)):
        assert any(
            cell["x"] <= before <= cell["x2"] and cell["y"] <= after <= cell["y2"]
            for cell in structured
        )
    assert "2,000 probe images" in text(spec)


def test_depth_shows_means_of_blocks_and_single_layers() -> None:
    spec = draw("mis_by_depth", toy())
    assert titles(spec) == ["structured", "random"]
    first = {**spec["concat"][0], "datasets": spec["datasets"]}
    (blocks,) = (rows for rows in marks(first, "line") if "style" in rows[0])
    found = {(row["series"], row["x"]): row["y"] for row in blocks}
    assert found[("dense", 0)] == pytest.approx(0.6)
    assert found[("dense", 1)] == pytest.approx(0.75)
    # Without the dead unit.
    assert found[("one-shot", 1)] == pytest.approx(0.8)
    assert found[("untrained", 0)] == pytest.approx(0.4)
    (layers,) = marks(first, "point")
    dense = {row["layer"]: row["y"] for row in layers if row["series"] == "dense"}
    assert dense == pytest.approx({"a.conv": 0.6, "b.x.conv": 0.9, "b.y.conv": 0.6})
    axis = spec["concat"][0]["layer"][0]["encoding"]["x"]["axis"]
    assert axis["labelExpr"].startswith('["stem", "stage 1"]')
    assert "highest rate (80%)" in spec["title"]["text"]


SHIFTS = [
    ("mis_soft_shift", "structured", "one_shot", 0.8, 0, "unchanged", -0.04, 0.01),
    ("mis_soft_shift", "structured", "one_shot", 0.8, 0, "tasks_10", -0.05, 0.02),
    ("mis_soft_shift", "random", "none", 0.8, 0, "unchanged", -0.9, 0.9),
]


def test_sensitivity_has_a_line_for_each_variant() -> None:
    order = estimated([("spearman(mis_soft_live, unchanged)", *[None] * 4, "tasks_10", 0, 1)])
    of = replace(toy(), statistics=pl.concat([estimated(SHIFTS), order]))
    spec = draw("sensitivity", of)
    (points,) = marks(spec, "point")
    assert [(row["name"], row["line"], row["low"], row["high"]) for row in points] == [
        ("as in the study", 0, -0.04, 0.01),
        ("tasks 10", 1, -0.05, 0.02),
    ]
    assert {(row["ink"], row["kind"]) for row in points} == {("structured", "one-shot")}
    ((band,),) = marks(spec, "rect")
    assert (band["estimate"], band["high"]) == (-0.02, 0.02)
    assert marks(spec, "text") == [[{"line": 1, "text": 0.5}]]
    assert "1 network" in text(spec)


def test_measures_are_grouped_by_what_they_are_compared_with() -> None:
    def row(quantity: str, family: str, method: str = "dense") -> pl.DataFrame:
        found = estimated([(quantity, method, "none", 0.0, 0, None, 0.4, 0.6)])
        return found.with_columns(family=pl.lit(family))

    of = replace(
        toy(),
        statistics=pl.concat(
            [
                row("spearman(mis_soft, label_purity)", "measures"),
                row("spearman(mis_soft, label_purity)", "measures", "untrained"),
                row("spearman(mis_soft, loss_rise)", "ablation"),
                row("spearman(monosemanticity, top1_drop)", "ablation"),
            ]
        ),
    )
    spec = draw("measures", of)
    heads = [part["title"]["text"] for part in spec["vconcat"]]
    assert heads == [
        "with the soft MIS (n = 9)",
        "with the accuracy lost when a unit is silenced (n = 9)",
        "with the rise of the loss when a unit is silenced (n = 9)",
    ]
    names = [[(row["name"], row["ink"]) for row in data] for data in marks(spec, "point")]
    assert names == [
        [("label purity", "dense"), ("label purity", "untrained")],
        [("monosemanticity", "dense")],
        [("MIS, soft", "dense")],
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unit_change", "no network has units that are live"),
        ("mis_by_depth", "no pruned network has live units"),
        ("sensitivity", "no retrained pruned network was scored in variants"),
        ("measures", "too few units have several measures"),
    ],
)
def test_an_empty_chart_says_why(name: str, reason: str) -> None:
    of = ChartData(networks(DENSE[:1]), history([]), "pictures", 2000)
    assert reason in draw(name, of)["layer"][0]["mark"]["text"]
