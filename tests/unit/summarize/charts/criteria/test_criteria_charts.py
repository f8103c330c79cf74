"""Methods at equal sparsity and at equal accuracy: what is drawn, and when there is nothing."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from prunescope.foundation.tables import Table
from prunescope.summarize import study_tables
from prunescope.summarize.charts import all_charts
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY

SETTINGS = ChartSettings(width=400, height=300, png_scale=1.0)
# Method, retraining, rate, seed, accuracy, score, sparsity.
DENSE = [
    ("dense", "none", 0.0, 0, 0.90, 0.80, 0.0),
    ("dense", "one_shot", 0.0, 0, 0.91, 0.81, 0.0),
]
PRUNED = [
    ("large", "one_shot", 0.8, 0, 0.88, 0.78, 0.76),
    ("large", "one_shot", 0.8, 1, 0.86, 0.76, 0.74),
    ("small", "one_shot", 0.8, 0, 0.70, 0.79, 0.75),
    ("alone", "one_shot", 0.8, 0, 0.50, 0.60, 0.80),
    ("large", "none", 0.8, 0, 0.40, 0.70, 0.76),
]
GRANULARITIES = {"large": "input_channel", "small": "input_channel", "alone": "kernel"}


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in table.columns.items()}
    blank = dict.fromkeys(table.columns)
    return pl.DataFrame([{**blank, "study": "toy", **row} for row in rows], schema=schema)


def study(rows: list[tuple[Any, ...]], **more: Any) -> ChartData:
    keys = (
        "method", "retraining", "rate", "seed", "top1", "mis_soft_live", "sparsity_prunable",
    )  # fmt: skip
    networks = [{"images": 1000, **dict(zip(keys, row, strict=True))} for row in rows]
    return ChartData(
        frame(study_tables.NETWORKS, networks), study_tables.HISTORIES.empty(), "pictures", 2000,
        **{"granularities": GRANULARITIES, **more},
    )  # fmt: skip


def draw(name: str, of: ChartData) -> dict[str, Any]:
    spec: dict[str, Any] = all_charts.CHARTS[name](of, SETTINGS).to_dict()
    return spec


def rows_of(spec: dict[str, Any], panel: dict[str, Any], mark: str) -> list[list[dict[str, Any]]]:
    """Data of every layer of a panel with this mark."""
    return [
        spec["datasets"][layer["data"]["name"]]
        for layer in panel["layer"]
        if layer["mark"]["type"] == mark
    ]


def nothing(spec: dict[str, Any]) -> str:
    (layer,) = spec["layer"]
    text: str = layer["mark"]["text"]
    return text


# --- at equal sparsity ---------------------------------------------------------------------------


def test_methods_that_remove_the_same_pieces_stand_at_their_measured_sparsity() -> None:
    spec = draw("criteria_by_sparsity", study([*DENSE, *PRUNED]))
    (column,) = spec["concat"]
    assert column["title"]["text"] == "input channels, one-shot"
    accuracy, score = column["vconcat"]
    for panel, large, small, dense in (
        (accuracy, [0.88, 0.86], 0.70, 0.91),
        (score, [0.78, 0.76], 0.79, 0.81),
    ):
        (points,) = rows_of(spec, panel, "point")
        found = [(row["series"], row["x"], row["y"]) for row in points]
        assert found == [
            # Over seeds, the mean of 0.76 and 0.74.
            ("large", pytest.approx(0.75), large[0]),
            ("large", pytest.approx(0.75), large[1]),
            ("small", 0.75, small),
        ]
        (levels, *_) = rows_of(spec, panel, "rule")
        assert [(row["series"], row["y"]) for row in levels] == [("dense, retrained alike", dense)]
        domain = next(
            layer["encoding"]["y"]["scale"]["domain"]
            for layer in panel["layer"]
            if layer["mark"]["type"] == "point"
        )
        assert domain[0] <= min(small, *large)
        assert domain[1] >= max(dense, small)


def test_without_a_control_the_dense_network_is_the_level() -> None:
    spec = draw("criteria_by_sparsity", study([DENSE[0], *PRUNED]))
    panel = spec["concat"][0]["vconcat"][0]
    (levels, *_) = rows_of(spec, panel, "rule")
    assert [(row["series"], row["y"]) for row in levels] == [("dense", 0.90)]


def test_a_control_of_unknown_accuracy_is_no_level() -> None:
    unknown = [(*row[:4], None, *row[5:]) for row in DENSE]
    granularities = dict.fromkeys(GRANULARITIES, "channel_group")
    spec = draw("criteria_by_sparsity", study([*unknown, *PRUNED], granularities=granularities))
    column = spec["concat"][0]
    assert column["title"]["text"] == "groups of channels, one-shot"
    accuracy, score = (rows_of(spec, panel, "rule")[0] for panel in column["vconcat"])
    assert (accuracy, len(score)) == ([], 1)


@pytest.mark.parametrize(
    ("rows", "granularities"),
    [
        ([*DENSE, PRUNED[0], PRUNED[3]], GRANULARITIES),
        ([*DENSE, PRUNED[2], PRUNED[4]], GRANULARITIES),
        ([*DENSE, *PRUNED], {}),
        (DENSE, GRANULARITIES),
    ],
    ids=["other pieces", "other retraining", "pieces not known", "nothing pruned"],
)
def test_methods_that_are_not_alike_are_not_compared(rows: Any, granularities: Any) -> None:
    spec = draw("criteria_by_sparsity", study(rows, granularities=granularities))
    assert "no two methods remove the same kind of pieces" in nothing(spec)


# --- at equal accuracy ---------------------------------------------------------------------------


def matched(method: str, drop: float, seed: int | None, **values: Any) -> dict[str, Any]:
    return {
        "method": method, "retraining": "one_shot", "drop": drop, "seed": seed, "sparsity": 0.5,
        "mis_soft": 0.7, "mis_soft_change": -0.01, **values,
    }  # fmt: skip


OVER_RUNS = [
    matched(
        "large", 0.02, None, sparsity_low=0.4, sparsity_high=0.6, mis_soft_change_low=-0.02,
        mis_soft_change_high=0.0,
    ),
    # With an interval that would dwarf all else.
    matched(
        "small", 0.05, None, sparsity=0.7, sparsity_low=-3.0, sparsity_high=4.0,
        mis_soft_change_low=-0.9, mis_soft_change_high=0.8,
    ),
]  # fmt: skip


def at_accuracy(rows: list[dict[str, Any]], networks: list[tuple[Any, ...]]) -> dict[str, Any]:
    of = study(networks, equal_accuracy=frame(EQUAL_ACCURACY, rows), margin=0.02)
    return draw("equal_accuracy", of)


def test_over_runs_each_loss_of_accuracy_has_a_panel_with_intervals() -> None:
    singles = [matched("large", 0.02, seed, mis_soft_change=0.3) for seed in (0, 1)]
    spec = at_accuracy([*singles, *OVER_RUNS], [*DENSE, *PRUNED[:4]])
    first, second = spec["concat"]
    titles = [panel["title"]["text"] for panel in (first, second)]
    assert titles == [
        "2 points below dense (1 of 3 matched)",
        "5 points below dense (1 of 3 matched)",
    ]
    (points,) = rows_of(spec, first, "point")
    assert [(row["series"], row["x"], row["y"]) for row in points] == [("large", 0.5, -0.01)]
    _, upright, level = rows_of(spec, first, "rule")
    assert [(row["low"], row["high"]) for row in upright] == [(-0.02, 0.0)]
    assert [(row["left"], row["right"]) for row in level] == [(0.4, 0.6)]
    (wide,) = rows_of(spec, second, "rule")[1]
    # Twice as far as the points lie apart, to the next tick.
    assert (wide["low"], wide["high"]) == (-0.04, 0.02)
    assert (wide["left"], wide["right"]) == (0.0, 1.0)
    assert any("bars: 95 % intervals over runs" in line for line in spec["title"]["subtitle"])


def test_one_run_is_drawn_without_intervals() -> None:
    spec = at_accuracy([matched("large", 0.01, 0), matched("small", 0.0, 0)], [*DENSE, *PRUNED[2:]])
    titles = [panel["title"]["text"] for panel in spec["concat"]]
    assert titles[0].startswith("as accurate as dense")
    assert titles[1].startswith("1 point below dense")
    assert [rows_of(spec, panel, "rule")[1] for panel in spec["concat"]] == [[], []]
    assert not any("bars" in line for line in spec["title"]["subtitle"])


def test_kinds_of_retraining_are_told_apart_where_there_are_several() -> None:
    rows = [matched("large", 0.02, 0), {**matched("large", 0.02, 0), "retraining": "none"}]
    spec = at_accuracy(rows, [*DENSE, PRUNED[0], PRUNED[4]])
    (points,) = rows_of(spec, spec["concat"][0], "point")
    assert [row["series"] for row in points] == ["large, one-shot", "large, not retrained"]


def test_nothing_matched_says_why() -> None:
    # Matched in a run of two only.
    spec = at_accuracy([matched("large", 0.02, 0)], [*DENSE, *PRUNED])
    assert "no method could be matched in every run" in nothing(spec)
    unknown = study(PRUNED)
    of = replace(unknown, networks=unknown.networks.with_columns(top1=pl.lit(None, pl.Float64)))
    assert "the accuracy of the networks is not known" in nothing(draw("equal_accuracy", of))
