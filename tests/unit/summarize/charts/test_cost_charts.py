"""Charts of costs: the numbers that are drawn, and studies of which there is nothing to draw."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from browser import Watched

from prunescope.summarize import study_tables
from prunescope.summarize.charts import chart_files, cost_charts, theme
from prunescope.summarize.charts.chart_rows import ChartData

SETTINGS = theme.ChartSettings(width=400, height=300, png_scale=1.0)
COORDINATES = ("study", "method", "retraining", "rate", "seed")
DENSE = ("toy", "dense", "none", 0.0, 0)
PRUNED = [("toy", "structured", "one_shot", 0.8, 0), ("toy", "channels", "one_shot", 0.8, 0)]
# Relative time, its quartiles.
TIMES = {
    "dense": (1.0, 1.0, 1.0),
    "dense_folded": (0.8, 0.7, 0.9),
    "masked": (1.0, 0.9, 1.1),
    "compact": (0.25, 0.2, 0.5),
}


def study(seeds: int = 1) -> ChartData:
    rows = [
        dict.fromkeys(study_tables.NETWORKS.columns, 0)
        | dict(zip(COORDINATES, coordinates, strict=True))
        | {"top1": top1, "images": 1000, "seed": seed}
        for coordinates, top1 in zip([DENSE, *PRUNED], (0.9, 0.8, 0.7), strict=True)
        for seed in range(seeds)
    ]
    schema = {key: column.dtype for key, column in study_tables.NETWORKS.columns.items()}
    networks = pl.DataFrame(rows, schema=schema, strict=False)
    return ChartData(networks, study_tables.HISTORIES.empty(), "pictures", 0)


def costs(seeds: int = 1) -> pl.DataFrame:
    rows = [
        dict(zip(COORDINATES, coordinates, strict=True))
        | {"variant": variant, "kept_masked": "", "runtime": runtime, "batch": batch, "threads": 2,
           "rounds": 15, "seconds": 0.1, "relative_time": middle, "relative_time_low": low,
           "relative_time_high": high, "peak_memory": 1, "relative_memory": 1.0, "seed": seed}
        for coordinates in PRUNED
        for seed in range(seeds)
        for runtime in ("pytorch", "onnxruntime")
        for batch in (1, 32)
        for variant, (middle, low, high) in TIMES.items()
        if not (runtime == "onnxruntime" and variant == "dense_folded")
    ]  # fmt: skip
    return study_tables.STUDY_COSTS.conform(pl.DataFrame(rows))


def draw(name: str, of: ChartData, measured: pl.DataFrame) -> dict[str, Any]:
    """The specification of a chart; altair validates it against the Vega-Lite schema."""
    spec = cost_charts.COST_CHARTS[name](of, measured, SETTINGS).to_dict()
    for panel in spec.get("concat", spec.get("hconcat", [])):
        for layer in panel["layer"]:
            # Altair shares the data of layers: give each its own, that tests can read.
            shared = layer.get("data", panel.get("data"))
            layer["rows"] = shared.get("values") or spec["datasets"][shared["name"]]
    return spec


def values(panel: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    return panel["layer"][layer]["rows"]


def test_speed_is_how_many_times_as_fast() -> None:
    spec = draw("speed_by_network", study(), costs())
    titles = [panel["title"]["text"] for panel in spec["concat"]]
    assert titles == [
        "PyTorch, 1 image at a time", "PyTorch, 32 images at a time",
        "onnxruntime, 1 image at a time", "onnxruntime, 32 images at a time",
    ]  # fmt: skip
    points = values(spec["concat"][1], 2)
    assert {row["network"] for row in points} == {
        "structured, one-shot, 80%", "channels, one-shot, 80%"
    }  # fmt: skip
    compact = next(row for row in points if row["variant"].startswith("compact"))
    assert (compact["faster"], compact["low"], compact["high"]) == (4, 2, 5)
    # The dense network is the line at 1, and its folded form is none of onnxruntime's.
    assert len(points) == 6
    assert len(values(spec["concat"][3], 2)) == 4
    assert "median of 15 interleaved rounds" in " ".join(spec["title"]["subtitle"])


def test_axes_start_at_zero_and_hold_everything() -> None:
    spec = draw("speed_by_network", study(), costs())
    for panel in spec["concat"]:
        domain = panel["layer"][2]["encoding"]["x"]["scale"]["domain"]
        assert domain[0] == 0
        assert domain[1] >= max(row["high"] for row in values(panel, 1))


def test_accuracy_stands_against_relative_time() -> None:
    spec = draw("accuracy_vs_time", study(), costs())
    assert [panel["title"]["text"] for panel in spec["hconcat"]] == ["PyTorch", "onnxruntime"]
    for panel in spec["hconcat"]:
        dense, compact = values(panel, 0), values(panel, 3)
        assert [(row["relative_time"], row["top1"]) for row in dense] == [(1.0, 0.9)]
        assert {(row["method"], row["relative_time"], row["top1"]) for row in compact} == {
            ("structured", 0.25, 0.8), ("channels", 0.25, 0.7)
        }  # fmt: skip
        assert len(values(panel, 2)) == 2
    across = spec["hconcat"][0]["layer"][3]["encoding"]["x"]
    assert across["title"] == "Time of 32 images, relative to the dense network"


def test_seeds_are_told_apart() -> None:
    spec = draw("speed_by_network", study(seeds=2), costs(seeds=2))
    assert len({row["network"] for row in values(spec["concat"][0], 2)}) == 4
    spec = draw("accuracy_vs_time", study(seeds=2), costs(seeds=2))
    assert len(values(spec["hconcat"][0], 3)) == 4


@pytest.mark.parametrize("name", cost_charts.COST_CHARTS)
def test_nothing_to_show(name: str) -> None:
    spec = draw(name, study(), study_tables.STUDY_COSTS.empty())
    assert "no network was made compact" in str(spec)


def test_captions_have_the_numbers() -> None:
    assert cost_charts.caption("speed_by_network", study(), costs()) == (
        "With 32 images at a time, compact networks are in PyTorch between 4.0 times as fast as "
        "the dense one (channels, one-shot, 80%) and 4.0 times as fast as the dense one "
        "(structured, one-shot, 80%); in onnxruntime between 4.0 times as fast as the dense "
        "one (channels, "
        "one-shot, 80%) and 4.0 times as fast as the dense one (structured, one-shot, 80%). In "
        "PyTorch 1.2 times are owed to folded batch norms, without any pruning; onnxruntime folds "
        "those of all networks."
    )
    assert cost_charts.caption("accuracy_vs_time", study(), costs()) == (
        "With 32 images at a time, the most accurate compact network has 80.0% at 0.25 of the "
        "dense network's time in PyTorch (structured, one-shot, 80%); 80.0% at 0.25 of the dense "
        "network's time in onnxruntime (structured, one-shot, 80%). In PyTorch 1.2 times are owed "
        "to folded batch norms, without any pruning; onnxruntime folds those of all networks."
    )
    nothing = cost_charts.caption("accuracy_vs_time", study(), study_tables.STUDY_COSTS.empty())
    assert nothing == "No network was made compact."


def kept(methods: tuple[str, ...]) -> pl.DataFrame:
    """Costs where networks of some methods were kept masked because of an addition."""
    gone = ~pl.col("variant").is_in(["dense", "masked"]) | (pl.col("runtime") != "pytorch")
    stuck = pl.col("method").is_in(methods)
    return (
        costs()
        .filter(~(stuck & gone))
        .with_columns(kept_masked=pl.when(stuck).then(pl.lit("add")).otherwise("kept_masked"))
    )


def test_networks_that_stay_masked_are_shown_and_explained() -> None:
    every = kept(("structured", "channels"))
    spec = draw("speed_by_network", study(), every)
    assert [panel["title"]["text"] for panel in spec["concat"]] == [
        "PyTorch, 1 image at a time", "PyTorch, 32 images at a time"
    ]  # fmt: skip
    assert {row["variant"] for row in values(spec["concat"][0], 2)} == {"masked: zeros in place"}
    assert "kept masked because of add" in str(spec["title"])
    spec = draw("accuracy_vs_time", study(), every)
    (panel,) = spec["hconcat"]
    assert len(values(panel, 2)) == 2
    assert values(panel, 3) == []
    for name in cost_charts.COST_CHARTS:
        assert cost_charts.caption(name, study(), every) == (
            "No network was made compact, all stay masked: compact networks have no counterpart of "
            "`add` yet. They were timed with their zeros in place, in PyTorch only."
        )
    said = cost_charts.caption("accuracy_vs_time", study(), kept(("channels",)))
    assert "80.0% at 0.25 of the dense network's time in onnxruntime" in said
    assert (
        "1 of 2 networks stay masked (channels, one-shot, 80%): compact networks have no "
        "counterpart of `add`"
    ) in said


@pytest.mark.parametrize("name", cost_charts.COST_CHARTS)
def test_the_caption_in_the_report_says_something(name: str) -> None:
    captions = (Path(__file__).parents[4] / "rules" / "report" / "chart.rst").read_text()
    assert f'snakemake.wildcards.chart == "{name}"' in captions


@pytest.mark.parametrize("name", cost_charts.COST_CHARTS)
def test_on_a_phone_every_panel_has_its_labels(name: str, tmp_path: Path, browser: Any) -> None:
    """Beside each other, panels share the labels of the first; below each other, they cannot."""
    chart = cost_charts.COST_CHARTS[name](study(), costs(), SETTINGS)
    explorer = chart_files.ExplorerFolders.of("../0123456789abcdef/index.html")
    chart_files.save(chart, {"html": tmp_path / "chart.html"}, SETTINGS, explorer=explorer)
    watched = Watched(browser)
    page = watched.page
    for width, places in ((1280, 2), (390, 1)):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto((tmp_path / "chart.html").as_uri())
        page.locator("#vis svg.marks").wait_for()
        panels = page.locator("#vis svg text", has_text=re.compile("^(PyTorch|onnxruntime)")).all()
        assert len(panels) in (2, 4)
        assert len({round(panel.bounding_box()["x"]) for panel in panels}) == places
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        named = page.locator("#vis svg .role-axis-label text", has_text="channels, one-shot")
        if name == "speed_by_network":
            assert named.count() == (2 if places == 2 else 4)
    point = page.locator("#vis [aria-roledescription=point]").last
    assert "#network=channels/one_shot/rate0.80/seed0" in point.get_attribute("aria-label")
    watched.close()
