"""Charts: the numbers that are drawn, the files that are written, and small or odd studies."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import altair as alt
import polars as pl
import pytest
from browser import Watched

from prunescope.foundation import provenance, tables
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.interpret.trivial_units import TRIVIAL_UNITS
from prunescope.networks.coordinates import Coordinates
from prunescope.summarize import study_tables
from prunescope.summarize.charts import all_charts, chart_files, chart_rows, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.panels import spread

SETTINGS = theme.ChartSettings(width=400, height=300, png_scale=1.0)
NETWORK_CHARTS = (
    "accuracy_without_retraining",
    "accuracy_during_retraining",
    "iterative_vs_one_shot",
    "accuracy_by_method",
    "mis_by_rate",
    "mis_vs_accuracy",
)
DENSE = [
    ("dense", "none", 0.0, 0, 0.90, 0.85),
    ("dense", "one_shot", 0.0, 0, 0.92, 0.86),
]
PRUNED = [
    ("structured", "none", 0.2, 0, 0.30, 0.70),
    ("structured", "none", 0.8, 0, 0.10, 0.60),
    ("structured", "one_shot", 0.2, 0, 0.80, 0.84),
    ("structured", "one_shot", 0.8, 0, 0.60, 0.80),
    ("structured", "iterative", 0.2, 0, 0.80, 0.84),
    ("structured", "iterative", 0.8, 0, 0.70, 0.82),
    ("global_unstructured", "none", 0.2, 0, 0.88, 0.83),
    ("global_unstructured", "one_shot", 0.8, 0, 0.86, 0.79),
]
EPOCHS = [
    ("dense", "one_shot", 0.0, 0, 0, 0.90),
    ("dense", "one_shot", 0.0, 0, 1, 0.92),
    ("structured", "one_shot", 0.2, 0, 0, 0.30),
    ("structured", "one_shot", 0.8, 0, 0, 0.10),
    ("structured", "one_shot", 0.8, 0, 1, 0.60),
    ("structured", "iterative", 0.8, 0, 1, 0.70),
]


def networks(rows) -> pl.DataFrame:
    """Rows of (method, retraining, rate, seed, top1, mis_soft_live); other columns are filled."""
    blank = dict.fromkeys(study_tables.NETWORKS.columns, 0)
    keys = ("method", "retraining", "rate", "seed", "top1", "mis_soft_live")
    full = [
        blank | {"study": "toy", "images": 1000} | dict(zip(keys, row, strict=True)) for row in rows
    ]
    return _conform(study_tables.NETWORKS, full)


def history(rows) -> pl.DataFrame:
    """Rows of (method, retraining, rate, seed, epoch, validation_top1); others are filled."""
    blank = dict.fromkeys(study_tables.HISTORIES.columns, 0)
    keys = ("method", "retraining", "rate", "seed", "epoch", "validation_top1")
    full = [blank | {"study": "toy"} | dict(zip(keys, row, strict=True)) for row in rows]
    return _conform(study_tables.HISTORIES, full)


def _conform(table: tables.Table, rows: list[dict]) -> pl.DataFrame:
    schema = {key: column.dtype for key, column in table.columns.items()}
    return pl.DataFrame(rows, schema=schema, strict=False)


def study(
    rows=(*DENSE, *PRUNED),
    epochs=tuple(EPOCHS),
    classes: int | None = 10,
    published: pl.DataFrame | None = None,
) -> ChartData:
    return ChartData(networks(rows), history(epochs), "pictures", 2000, classes, published)


def draw(name: str, of: ChartData) -> dict:
    """The specification of a chart; altair validates it against the Vega-Lite schema."""
    return all_charts.CHARTS[name](of, SETTINGS).to_dict()


@cache
def toy(name: str) -> dict:
    """A chart of the toy study, drawn once."""
    return draw(name, study())


def marks(spec: dict, mark: str) -> list[list[dict]]:
    """Data of every layer with this mark, in order (over all panels)."""
    panels = spec.get("concat") or spec.get("vconcat") or [spec]
    layers = [layer for panel in panels for layer in panel.get("layer", [panel])]
    return [
        spec["datasets"][layer["data"]["name"]] for layer in layers if layer["mark"]["type"] == mark
    ]


def lines(spec: dict) -> list[dict]:
    """Rows of the mean lines (the leaders to the labels have no weight)."""
    return [row for data in marks(spec, "line") for row in data if "weight" in row]


def curve(rows: list[dict], series: str) -> list[tuple[float, float]]:
    return sorted((row["x"], row["y"]) for row in rows if row["series"] == series)


def rules(spec: dict) -> dict[str, float]:
    return {row["series"]: row["y"] for row in marks(spec, "rule")[0]}


def panel(spec: dict, name: str) -> dict:
    """One of several panels, by its title, as a chart of its own."""
    (found,) = (part for part in spec["concat"] if part["title"]["text"] == name)
    return {**found, "datasets": spec["datasets"]}


def encoding(spec: dict, mark: str, channel: str) -> dict:
    """A channel of the first layer with this mark."""
    first = spec["concat"][0] if "concat" in spec else spec
    layers = [layer for layer in first["layer"] if layer["mark"]["type"] == mark]
    return next(layer["encoding"][channel] for layer in layers if channel in layer["encoding"])


def text(spec: dict) -> str:
    title = spec["title"]
    return " ".join([title["text"], *title["subtitle"]])


@pytest.mark.parametrize("name", all_charts.CHARTS)
def test_every_chart_states_what_it_shows(name):
    spec = toy(name)
    assert "Study toy" in text(spec)
    assert "dataset pictures" in text(spec)
    assert spec["description"] == spec["title"]["text"]


@pytest.mark.parametrize("name", NETWORK_CHARTS)
def test_charts_of_networks_state_their_images(name):
    spec = toy(name)
    assert "1,000 validation images" in text(spec)
    assert "1 seed" in text(spec)
    assert ("2,000 probe images" in text(spec)) == name.startswith("mis_")


def test_networks_are_counted_as_drawn():
    assert "4 networks" in text(toy("accuracy_without_retraining"))
    assert "2 networks" in text(toy("accuracy_during_retraining"))
    assert "5 networks" in text(toy("iterative_vs_one_shot"))
    assert "10 networks" in text(toy("accuracy_by_method"))


def test_without_retraining_shows_only_networks_as_pruned():
    spec = toy("accuracy_without_retraining")
    assert curve(lines(spec), "structured") == [(0.2, 0.30), (0.8, 0.10)]
    assert curve(lines(spec), "global unstructured") == [(0.2, 0.88)]
    assert rules(spec) == {"dense": 0.90, "chance": 0.1}


def test_global_unstructured_is_emphasised():
    rows = lines(toy("accuracy_without_retraining"))
    weights = {row["series"]: row["weight"] for row in rows}
    assert weights["global unstructured"] > weights["structured"]


def test_during_retraining_shows_the_highest_one_shot_rate_and_the_dense_control():
    spec = toy("accuracy_during_retraining")
    assert curve(lines(spec), "structured") == [(0, 0.10), (1, 0.60)]
    assert curve(lines(spec), "dense") == [(0, 0.90), (1, 0.92)]
    assert {row["series"] for row in lines(spec)} == {"structured", "dense"}
    assert "80%" in spec["title"]["text"]


def test_iterative_is_compared_only_where_both_exist():
    spec = toy("iterative_vs_one_shot")
    assert [panel["title"]["text"] for panel in spec["concat"]] == ["structured"]
    assert curve(lines(spec), "one-shot") == [(0.2, 0.80), (0.8, 0.60)]
    assert curve(lines(spec), "iterative") == [(0.2, 0.80), (0.8, 0.70)]
    assert rules(spec) == {"dense, one-shot": 0.92, "chance": 0.1}


def test_by_method_has_a_panel_for_each_kind_of_retraining():
    spec = toy("accuracy_by_method")
    names = [part["title"]["text"] for part in spec["concat"]]
    assert names == ["not retrained", "one-shot", "iterative"]
    plain, one_shot = panel(spec, "not retrained"), panel(spec, "one-shot")
    assert curve(lines(plain), "structured") == [(0.2, 0.30), (0.8, 0.10)]
    assert curve(lines(one_shot), "global unstructured") == [(0.8, 0.86)]
    assert rules(plain) == {"dense": 0.90, "chance": 0.1}
    assert rules(one_shot) == {"dense": 0.90, "dense, retrained alike": 0.92, "chance": 0.1}


def test_mis_by_rate_has_a_panel_for_each_kind_of_retraining():
    spec = toy("mis_by_rate")
    assert curve(lines(panel(spec, "iterative")), "structured") == [(0.2, 0.84), (0.8, 0.82)]
    assert rules(panel(spec, "one-shot")) == {"dense": 0.85, "dense, retrained alike": 0.86}


def estimated(rows) -> pl.DataFrame:
    """Rows of (quantity, pruning, retraining, rate, seed, variant, low, high); others filled."""
    blank = dict.fromkeys(study_tables.STATISTICS.columns) | {
        "study": "toy", "comparison": "", "estimate": 0.5, "n": 9, "method": ""}  # fmt: skip
    keys = ("quantity", "pruning", "retraining", "rate", "seed", "variant", "low", "high")
    return _conform(
        study_tables.STATISTICS, [blank | dict(zip(keys, r, strict=True)) for r in rows]
    )


def bars(spec: dict) -> list[tuple]:
    return [
        (row["series"], row["x"], row["low"], row["high"])
        for data in marks(spec, "rule")
        for row in data
        if "low" in row
    ]


def test_bars_are_the_intervals_of_the_statistics():
    one_seed = estimated(
        [
            ("top1", "structured", "none", 0.2, 0, None, 0.28, 0.32),
            ("top1", "structured", "none", 0.8, 0, "tau", 0.00, 0.99),
            ("mis_soft_live", "structured", "none", 0.8, 0, None, 0.01, 0.98),
        ]
    )
    spec = draw("accuracy_without_retraining", replace(study(), statistics=one_seed))
    assert bars(spec) == [("structured", 0.2, 0.28, 0.32)]
    assert "95 % intervals over images" in text(spec)
    assert bars(toy("accuracy_without_retraining")) == []
    assert "intervals" not in text(toy("accuracy_without_retraining"))


def test_bars_of_several_seeds_are_those_over_seeds():
    rows = [*DENSE, *(("structured", "none", 0.2, seed, 0.3, 0.7) for seed in (0, 1))]
    over_seeds = estimated(
        [
            ("top1", "structured", "none", 0.2, 0, None, 0.28, 0.32),
            ("top1", "structured", "none", 0.2, 1, None, 0.27, 0.33),
            ("top1", "structured", "none", 0.2, None, None, 0.1, 0.5),
        ]
    )
    spec = draw("accuracy_without_retraining", replace(study(rows), statistics=over_seeds))
    assert bars(spec) == [("structured", 0.2, 0.1, 0.5)]
    assert "95 % intervals over seeds" in text(spec)


def test_the_controls_of_scores_are_levels_of_reference():
    rows = [*DENSE, ("untrained", "none", 0.0, 0, 0.1, 0.62), *PRUNED]
    floor = estimated([("mis_soft_live", "dense", "none", 0.0, 0, "permuted", 0.4, 0.6)])
    spec = draw("mis_by_rate", replace(study(rows), statistics=floor, margin=0.02))
    one_shot = panel(spec, "one-shot")
    assert rules(one_shot) == {
        "dense": 0.85, "dense, retrained alike": 0.86, "untrained": 0.62, "permuted (floor)": 0.5,
    }  # fmt: skip
    ((band,),) = marks(one_shot, "rect")
    assert (band["y"], band["high"]) == pytest.approx((0.83, 0.87))
    assert "dense ± 0.02, the margin" in text(spec)
    assert {row["series"] for row in lines(spec)} == {"structured", "global unstructured"}


def test_trivial_units_are_levels_of_reference():
    """The best of those that know no classes, by its name, and the mean of those that do."""
    blank = dict.fromkeys(TRIVIAL_UNITS.columns) | {"study": "toy", "constant": False}
    rows = [
        ("mean brightness", "statistic", 0.7),
        ("width of the foreground", "statistic", 0.93),
        ("random projection 1", "projection", 0.6),
        ("ideal detector of boot", "class_detector", 0.99),
        ("ideal detector of coat", "class_detector", 0.77),
    ]
    units = pl.DataFrame(
        [blank | {"unit": unit, "kind": kind, "mis_soft": value} for unit, kind, value in rows],
        schema={name: column.dtype for name, column in TRIVIAL_UNITS.columns.items()},
    )
    spec = draw("mis_by_rate", replace(study(), trivial=units))
    drawn = rules(panel(spec, "one-shot"))
    assert drawn["width of the foreground"] == 0.93
    assert "width of the foreground: the best trivial unit" in text(spec)
    assert drawn["ideal class detectors"] == pytest.approx(0.88)
    assert not {"mean brightness", "random projection 1"} & set(drawn)
    assert "width of the foreground" not in rules(panel(toy("mis_by_rate"), "one-shot"))


def test_mis_vs_accuracy_has_a_point_per_network():
    (points,) = marks(toy("mis_vs_accuracy"), "point")
    drawn = sorted((row["top1"], row["mis_soft_live"]) for row in points)
    assert drawn == sorted((row[4], row[5]) for row in (*DENSE, *PRUNED))
    assert [row["method"] for row in points[-2:]] == ["dense", "dense"]
    labels = [row["method"] for data in marks(toy("mis_vs_accuracy"), "text") for row in data]
    assert labels == ["dense"]


def test_networks_about_as_accurate_as_the_best_are_shown_larger():
    rows = [
        ("dense", "none", 0.0, 0, 0.90, 0.80),
        ("structured", "one_shot", 0.5, 0, 0.89, 0.79),
        ("structured", "one_shot", 0.9, 0, 0.85, 0.77),
        ("structured", "none", 0.9, 0, 0.10, 0.70),
    ]
    every, close = marks(draw("mis_vs_accuracy", study(rows)), "point")
    assert len(every) == 4
    assert [row["top1"] for row in close] == [0.89, 0.85, 0.90]


def test_lines_are_means_over_seeds_and_points_are_seeds():
    seeds = [
        ("dense", "none", 0.0, 0, 0.90, 0.8),
        ("dense", "none", 0.0, 1, 0.94, 0.8),
        ("structured", "none", 0.5, 0, 0.20, 0.7),
        ("structured", "none", 0.5, 1, 0.30, 0.6),
        ("structured", "none", 0.5, 2, 0.70, 0.8),
    ]
    spec = draw("accuracy_without_retraining", study(seeds))
    assert curve(lines(spec), "structured") == [(0.5, pytest.approx(0.4))]
    assert rules(spec)["dense"] == pytest.approx(0.92)
    assert [row["y"] for row in marks(spec, "point")[0]] == [0.20, 0.30, 0.70]
    assert "3 seeds" in text(spec)
    assert "points: single seeds" in text(spec)


def test_accuracy_axis_runs_from_0_to_1():
    for name in ("accuracy_without_retraining", "accuracy_by_method"):
        spec = toy(name)
        assert encoding(spec, "line", "y")["scale"]["domain"] == [0, 1]
        assert encoding(spec, "line", "x")["scale"]["domain"] == [0, 0.8]
        assert "%" in encoding(spec, "line", "y")["title"]


@pytest.mark.parametrize(
    ("lowest", "domain", "says"), [(0.6, [0.5, 0.9], "0.5"), (0.4, [0, 1], "0")]
)
def test_mis_axis_says_where_it_starts(lowest, domain, says):
    of = study([*DENSE, ("structured", "none", 0.5, 0, 0.1, lowest)])
    spec = draw("mis_by_rate", of)
    y = encoding(spec, "line", "y")
    assert y["scale"]["domain"] == domain
    assert says in y["title"][1]
    assert ("chance" in rules(spec)) == (lowest < 0.5)


def test_chance_is_drawn_only_where_known():
    assert "chance" not in rules(draw("accuracy_by_method", study(classes=None)))


def test_missing_scores_are_left_out_and_counted():
    rows = [
        *DENSE,
        ("structured", "none", 0.2, 0, 0.3, None),
        ("structured", "none", 0.8, 0, 0.1, math.nan),
        ("structured", "one_shot", 0.8, 0, 0.6, 0.8),
    ]
    for name in ("mis_by_rate", "mis_vs_accuracy"):
        spec = draw(name, study(rows))
        assert "3 networks" in text(spec)
        assert "2 networks without a score left out" in text(spec)
    assert curve(lines(draw("mis_by_rate", study(rows))), "structured") == [(0.8, 0.8)]


@pytest.mark.parametrize("name", all_charts.CHARTS)
@pytest.mark.parametrize(
    ("rows", "epochs"),
    [
        ([], []),
        (DENSE, EPOCHS[:2]),
        (DENSE[:1], []),
        ([("odd name: 7", "recalibrated", 0.5, 3, 0.5, None)], EPOCHS[3:4]),
        ([*DENSE, ("structured", "one_shot", 0.5, 0, 0.5, 0.7)], EPOCHS[2:3]),
        ([("structured", kind, 0.0, 0, 0.5, 0.7) for kind in ("one_shot", "iterative")], []),
    ],
)
def test_small_studies_give_valid_charts(name, rows, epochs):
    spec = draw(name, study(rows, epochs))
    assert "$schema" in spec


def test_an_empty_chart_says_why():
    spec = draw("iterative_vs_one_shot", study(DENSE))
    assert "no method was retrained both" in spec["layer"][0]["mark"]["text"]


def test_colours_follow_the_order_of_appearance_and_repeat():
    names = [f"method_{letter}" for letter in "zyxwvutsr"]
    rows = [(name, "none", 0.5, 0, 0.5, 0.7) for name in names]
    scale = encoding(draw("accuracy_by_method", study(rows)), "line", "color")["scale"]
    assert scale["domain"][:9] == [name.replace("_", " ") for name in names]
    assert scale["range"][:6] == list(theme.PALETTE)
    assert scale["range"][6:9] == list(theme.PALETTE[:3])


def test_kinds_of_retraining_have_styles_of_their_own():
    kinds = ["recalibrated", "one_shot", "iterative", "one_shot_adam", "one_shot_60", "none"]
    of = study([*DENSE, *(("structured", kind, 0.5, 0, 0.5, 0.7) for kind in kinds)])
    styles = chart_rows.styles(of)
    assert [styles[kind] for kind in ("recalibrated", "one_shot", "none")] == [
        "dash-dotted", "solid", "dashed"]  # fmt: skip
    assert len({*(styles[kind] for kind in kinds), styles["chance"]}) == len(kinds) + 1
    shapes = encoding(draw("mis_vs_accuracy", of), "point", "shape")["scale"]
    assert len(set(shapes["range"])) == len(kinds)


def test_a_method_has_the_same_colour_in_every_chart():
    of = study()
    lines_of = encoding(draw("accuracy_without_retraining", of), "line", "color")
    points_of = encoding(draw("mis_vs_accuracy", of), "point", "color")
    assert lines_of["scale"] == points_of["scale"]


def test_labels_do_not_overlap():
    names = [f"method_{index}" for index in range(8)]
    spec = draw("accuracy_by_method", study([(name, "none", 0.5, 0, 0.1, 0.7) for name in names]))
    (labels,) = marks(spec, "text")
    heights = sorted(row["y"] for row in labels)
    pixels = [(b - a) * SETTINGS.height for a, b in pairwise(heights)]
    assert min(pixels) >= theme.LABEL_SPACING - 1e-9
    assert heights[0] >= 0


# Quantity, counterpart, epoch, value.
PUBLISHED = [
    ("top1", "structured", "none", 0.2, None, 0.25),
    ("top1", "structured", "none", 0.9, None, 0.05),
    ("top1", "structured", "one_shot", 0.8, None, 0.55),
    ("top1", "structured", "iterative", 0.8, None, 0.65),
    ("top1", "structured", "one_shot_adam", 0.8, None, 0.51),
    ("top1", "elsewhere", "none", 0.2, None, 0.99),
    ("top1", "dense", "none", 0.0, None, 0.69),
    ("mis_soft", "structured", "one_shot", 0.8, None, 0.75),
    ("mis_soft", "structured", "none", 0.4, None, 0.72),
    ("mis_soft", None, None, None, None, 0.70),
    ("top1_after_epoch", "structured", "one_shot", 0.8, 1, 0.58),
    ("top1_after_epoch", "structured", "one_shot", 0.8, 2, 0.59),
    ("top1_before_retraining", "structured", "iterative", 0.8, None, 0.11),
]  # fmt: skip


def published_rows(rows=tuple(PUBLISHED)) -> pl.DataFrame:
    keys = ("quantity", "our_method", "our_retraining", "our_rate", "epoch", "value")
    frame = pl.DataFrame(rows, schema=keys, orient="row", infer_schema_length=None)
    return frame.select(
        pl.all().exclude("epoch"),
        pl.col("epoch").cast(pl.Int32),
        method=pl.lit("theirs"),
        retraining=pl.lit("theirs"),
        rate=pl.lit(0.123),
        note=pl.lit("read off a plot"),
    )


@cache
def beside(name: str) -> dict:
    return draw(name, study(published=published_rows()))


def theirs(spec: dict) -> dict[str, list[tuple[float, float]]]:
    """The published points by series."""
    found: dict[str, list[tuple[float, float]]] = {}
    for data in marks(spec, "point"):
        for row in data:
            if "source" in row and "series" in row:
                found.setdefault(row["series"], []).append((row["x"], row["y"]))
    return found


@pytest.mark.parametrize(
    ("name", "curves"),
    [
        ("accuracy_without_retraining", {"structured, published": [(0.2, 0.25), (0.9, 0.05)]}),
        ("accuracy_during_retraining", {"structured, published": [(1, 0.58), (2, 0.59)]}),
        (
            "iterative_vs_one_shot",
            {"one-shot, published": [(0.8, 0.55)], "iterative, published": [(0.8, 0.65)]},
        ),
        (
            "accuracy_by_method",
            {"structured, published": [(0.2, 0.25), (0.9, 0.05), (0.8, 0.55), (0.8, 0.65)]},
        ),
        ("mis_by_rate", {"structured, published": [(0.4, 0.72), (0.8, 0.75)]}),
    ],
)
def test_published_curves_stand_beside_ours(name, curves):
    spec = beside(name)
    assert theirs(spec) == curves
    assert "published by von Rad & Seuffert, arXiv 2409.19727" in text(spec)
    labels = {row["series"] for data in marks(spec, "text") for row in data}
    assert curves.keys() <= labels
    noted = [row for data in marks(spec, "point") for row in data if "source" in row]
    assert {row["note"] for row in noted} == {"read off a plot"}


def test_the_published_networks_with_both_values_are_points():
    ours, found = marks(beside("mis_vs_accuracy"), "point")
    assert len(ours) == len([*DENSE, *PRUNED])
    assert [(row["top1"], row["mis_soft_live"], row["rate"]) for row in found] == [
        (0.55, 0.75, 0.8)
    ]
    assert found[0]["method"] == "structured"


def test_axes_make_room_for_published_values():
    low = study(published=published_rows([("mis_soft", "structured", "none", 0.9, None, 0.4)]))
    spec = draw("mis_by_rate", low)
    assert encoding(spec, "line", "y")["scale"]["domain"] == [0, 1]
    assert encoding(spec, "line", "x")["scale"]["domain"] == [0, 0.9]


def test_the_published_kind_of_retraining_is_the_one_shown():
    epochs = [*EPOCHS, ("global_unstructured", "one_shot_60", 0.9, 0, 1, 0.5)]
    rows = [("top1_after_epoch", "global_unstructured", "one_shot_60", 0.9, 1, 0.45)]
    spec = draw("accuracy_during_retraining", study(epochs=epochs, published=published_rows(rows)))
    assert {row["series"] for row in lines(spec)} == {"global unstructured"}
    assert theirs(spec) == {"global unstructured, published": [(1, 0.45)]}
    assert "90%" in spec["title"]["text"]


def test_an_iterative_curve_is_compared_with_the_published_one_alone():
    rows = [*DENSE, ("structured", "iterative", 0.8, 0, 0.7, 0.8)]
    spec = draw("iterative_vs_one_shot", study(rows, published=published_rows()))
    assert [panel["title"]["text"] for panel in spec["concat"]] == ["structured"]


@pytest.mark.parametrize("name", NETWORK_CHARTS)
def test_numbers_of_other_networks_change_nothing_but_the_colours(name):
    others = published_rows([("top1", "elsewhere", "none", 0.2, None, 0.9)])
    spec = draw(name, study(published=others))
    assert "published by" not in text(spec)
    assert marks(spec, "point") == marks(toy(name), "point")
    assert marks(spec, "text") == marks(toy(name), "text")


@pytest.mark.parametrize(
    ("values", "gap", "expected"),
    [
        ([], 0.1, []),
        ([0.5], 0.1, [0.5]),
        ([0.8, 0.2], 0.1, [0.8, 0.2]),
        ([0.5, 0.5], 0.2, [0.6, 0.4]),
        ([0.0, 0.0], 0.2, [0.2, 0.0]),
        ([1.0, 0.95], 0.2, [1.0, 0.8]),
        ([0.5, 0.5, 0.5], 9.0, [1.0, 0.5, 0.0]),
        # Less the gaps 0, 0.1, 0.2 in their order: 0.45, 0.4, 0.3, which become their mean.
        ([0.5, 0.5, 0.45, 0.9], 0.1, [35 / 60, 29 / 60, 23 / 60, 0.9]),
    ],
)
def test_spread(values, gap, expected):
    assert spread(values, gap, 0, 1) == pytest.approx(expected)


def test_charts_of_long_histories_hold_all_rows():
    epochs = [
        ("structured", "one_shot", 0.8, seed, epoch, 0.5)
        for seed in range(3)
        for epoch in range(1700)
    ]
    (points,) = marks(draw("accuracy_during_retraining", study(epochs=epochs)), "point")
    assert len(points) == 5100


class Loads(HTMLParser):
    """Collects what a browser would fetch for the page."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.found += [value for key, value in attrs if key == wanted and value]


SAVE = """
import sys, test_charts as t
from prunescope.foundation import provenance
from prunescope.summarize.charts import all_charts, chart_files
provenance.set_current({"rule": "draw_charts", "params": {"b": 1, "a": [2]}})
chart = all_charts.CHARTS["mis_by_rate"](t.study(), t.SETTINGS)
kinds = ("html", "svg", "png", "json")
chart_files.save(chart, {kind: f"{sys.argv[1]}/chart.{kind}" for kind in kinds}, t.SETTINGS)
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> list[Path]:
    """Two folders, each with the same chart written by a process of its own."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    library = SCRIPTS
    tests = Path(__file__).parent
    environment = {"PYTHONPATH": f"{library}:{tests}:{tests.parents[2]}", "PATH": ""}
    running = [
        subprocess.Popen([sys.executable, "-c", SAVE, str(folder)], env=environment)
        for folder in folders
    ]
    assert [process.wait() for process in running] == [0, 0]
    return folders


@pytest.mark.parametrize("kind", ["html", "svg", "png", "json"])
def test_the_same_chart_gives_the_same_bytes(saved, kind):
    first, second = (folder.joinpath(f"chart.{kind}").read_bytes() for folder in saved)
    assert first == second
    assert len(first) > 1000


def test_only_the_files_asked_for_are_left(saved):
    assert {path.name for path in saved[0].iterdir()} == {
        f"chart.{kind}" for kind in ("html", "svg", "png", "json")
    }


def test_html_loads_nothing(saved):
    page = saved[0].joinpath("chart.html").read_text()
    parser = Loads()
    parser.feed(page)
    assert parser.found == []
    assert "cdn.jsdelivr" not in page.split("const spec")[-1]


def test_provenance_stands_in_the_specification(saved):
    spec = json.loads(saved[0].joinpath("chart.json").read_text())
    assert spec["usermeta"][provenance.KEY]["rule"] == "draw_charts"
    assert '"draw_charts"' in saved[0].joinpath("chart.html").read_text()


def test_files_are_of_their_format(saved):
    assert saved[0].joinpath("chart.png").read_bytes().startswith(b"\x89PNG")
    assert saved[0].joinpath("chart.svg").read_text().startswith("<svg")


def test_text_in_a_page_stays_text(tmp_path):
    """Names come from tables that anybody may have written."""
    text = "</script><script>alert(1)</script><!--"
    chart = alt.Chart(pl.DataFrame({"x": [1], "name": [text]}), title=text).mark_point()
    chart_files.save(chart.encode(x="x", color="name"), {"html": tmp_path / "a.html"}, SETTINGS)
    page = tmp_path.joinpath("a.html").read_text()
    assert "<script>alert" not in page
    specification = page.partition("const spec = ")[2].partition(";\n")[0]
    assert json.loads(specification)["title"] == text


def test_saving_leaves_the_chart_unchanged(tmp_path):
    chart = all_charts.CHARTS["mis_vs_accuracy"](study(), SETTINGS)
    chart_files.save(chart, {"json": tmp_path / "chart.json"}, SETTINGS)
    assert "usermeta" not in chart.to_dict()


def links(spec: dict) -> list[str]:
    """Where the points of a chart lead."""
    return [row["link"] for data in marks(spec, "point") for row in data]


@pytest.mark.parametrize("name", ["mis_vs_accuracy", "mis_by_rate", "accuracy_by_method"])
def test_points_lead_to_their_networks(name):
    drawn = [row[:4] for row in (*DENSE, *PRUNED)]
    if name != "mis_vs_accuracy":  # dense networks are lines of reference
        drawn = [row[:4] for row in PRUNED]
    names = [
        Coordinates(method, retraining, f"{rate:.2f}", seed).name
        for method, retraining, rate, seed in drawn
    ]
    assert sorted(links(toy(name))) == sorted(f"index.html#network={name}" for name in names)
    assert encoding(toy(name), "point", "href")["field"] == "link"


def test_epochs_lead_to_the_network_that_was_trained():
    assert set(links(toy("accuracy_during_retraining"))) == {
        "index.html#network=dense/one_shot/rate0.00/seed0",
        "index.html#network=structured/one_shot/rate0.80/seed0",
    }


EXPLORER = chart_files.ExplorerFolders("../explorer", "../0123456789abcdef")


@pytest.fixture(scope="module")
def linked(tmp_path_factory) -> Path:
    """A chart with links, among the results of a study and in a report."""
    folder = tmp_path_factory.mktemp("linked")
    charts, inside = folder / "charts", folder / "report" / "data" / "raw" / "fedcba9876543210"
    for place in (charts, inside):
        kinds = ("html", "json", "svg", "png")
        chart = all_charts.CHARTS["mis_by_rate"](study(), SETTINGS)
        outputs = {kind: place / f"chart.{kind}" for kind in kinds}
        chart_files.save(chart, outputs, SETTINGS, explorer=EXPLORER)
    for explorer in (folder / "explorer", inside.parent / EXPLORER.in_report[3:]):
        explorer.mkdir()
        (explorer / "index.html").write_text("<title>explorer</title>")
    return folder


def test_only_the_page_has_links(saved, linked, tmp_path):
    """The pictures of a chart are copied elsewhere, where no explorer lies beside them."""
    charts = linked / "charts"
    assert '"href"' in charts.joinpath("chart.html").read_text().rpartition("const spec = ")[2]
    specification = json.loads(charts.joinpath("chart.json").read_text())
    assert '"href"' not in json.dumps(specification)
    assert links(specification) == links(toy("mis_by_rate"))
    for kind in ("svg", "png"):
        own = charts.joinpath(f"chart.{kind}").read_bytes()
        assert own == saved[0].joinpath(f"chart.{kind}").read_bytes()
    page = saved[0].joinpath("chart.html").read_text().rpartition("const spec = ")[2]
    assert '"href"' not in page
    assert "explorer" not in page


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [
        ("charts/chart.html", "explorer"),
        ("report/data/raw/fedcba9876543210/chart.html", "report/data/raw/0123456789abcdef"),
    ],
)
def test_a_point_opens_the_explorer(linked, browser, page, leads_to):
    watched = Watched(browser)
    opened = watched.page
    opened.goto((linked / page).as_uri())
    point = opened.locator("#vis [aria-roledescription=point]").first
    name = point.get_attribute("aria-label").rpartition("index.html#network=")[2]
    point.click()
    opened.wait_for_url(f"{(linked / leads_to).as_uri()}/index.html#network={name}")
    assert opened.title() == "explorer"
    watched.close()


def test_on_a_phone_panels_stand_one_below_the_other(linked, browser):
    watched = Watched(browser)
    page = watched.page

    def panels(width: int) -> list[tuple[float, float]]:
        page.set_viewport_size({"width": width, "height": 800})
        page.goto((linked / "charts" / "chart.html").as_uri())
        found = page.locator("#vis svg text", has_text=re.compile("^(not retrained|one-shot)$"))
        found.nth(1).wait_for()
        boxes = [found.nth(number).bounding_box() for number in (0, 1)]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        return [(box["x"], box["y"]) for box in boxes]

    (left, top), (right, same) = panels(1280)
    assert left < right
    assert top == pytest.approx(same, abs=1)
    (left, upper), (same, lower) = panels(390)
    assert left == pytest.approx(same, abs=1)
    assert upper < lower
    watched.close()


def test_unknown_format_is_refused(tmp_path):
    chart = all_charts.CHARTS["mis_vs_accuracy"](study(), SETTINGS)
    with pytest.raises(ValueError, match="gif: charts are saved as html, svg, png, json"):
        chart_files.save(chart, {"gif": tmp_path / "chart.gif"}, SETTINGS)
