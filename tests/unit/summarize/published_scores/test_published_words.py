"""What is said of published scores, and the chart: on a made-up study, through the scripts."""

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from files import load_module
from small_study import PUBLISHED, small_scores, small_tables

from prunescope.foundation import code_digest
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.published_scores import (
    analysis,
    analysis_rows,
    analysis_words,
    chart,
    relations,
)
from prunescope.summarize.published_scores.analysis_rows import ANALYSIS

SETTINGS = ChartSettings(420, 300, 1)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return analysis.analyse(small_scores(), PUBLISHED, 0.02)


def test_a_rise_is_told_with_its_limits(table: pl.DataFrame) -> None:
    text = analysis_words.paragraph(table)
    assert "made of one dense network the score rises with the rate" in text
    assert "It is not shown of random connections (p = 0.083) alone, whose networks are too" in text
    assert "one run of each kind" in text
    assert "no dense network was scored" in text


def test_a_fall_is_told() -> None:
    table = analysis.analyse(small_scores(-0.05), PUBLISHED, 0.02)
    assert "the score falls with the rate" in analysis_words.paragraph(table)


def test_nothing_is_told_of_chance(table: pl.DataFrame) -> None:
    chance = table.with_columns(
        p=pl.when(pl.col("quantity") == relations.WITHIN).then(0.3).otherwise("p")
    )
    text = analysis_words.paragraph(chance)
    assert "That the score goes with the rate is not shown" in text
    assert "rises with the rate" not in text


def test_a_rise_under_one_reading_is_told_as_such(table: pl.DataFrame) -> None:
    """The main reading decides what is said first; the others stand beside it."""
    other = (pl.col("quantity") == relations.WITHIN) & (pl.col("reading") == "suspected")
    mixed = table.with_columns(p=pl.when(other).then(0.4).otherwise("p"))
    text = analysis_words.paragraph(mixed)
    assert "Under other readings of dead units" in text
    assert "p is up to 0.4" in text


def test_a_reading_under_which_it_goes_the_other_way_is_no_support(table: pl.DataFrame) -> None:
    other = (pl.col("quantity") == relations.WITHIN) & (pl.col("reading") == "suspected")
    turned = table.with_columns(
        estimate=pl.when(other).then(-pl.col("estimate")).otherwise("estimate")
    )
    assert "p is up to 1 for the same direction" in analysis_words.paragraph(turned)


def test_equal_scores_go_with_no_rate() -> None:
    scores = small_scores()
    flat = relations.within_arms(np.full(len(scores.networks), 0.7), scores)
    assert (flat.estimate, flat.p) == (0, 1)


def test_equivalence_is_told_of_arms() -> None:
    flat = analysis.analyse(small_scores(0.0), PUBLISHED, 0.02)
    text = analysis_words.paragraph(flat)
    assert "structured, Adam, 50 epochs (channels)" in text
    assert "stay within 0.02, for these pairs of networks alone" in text
    none = flat.with_columns(p_holm=pl.lit(1.0))
    assert "alone: none of them." in analysis_words.paragraph(none)


def test_without_published_numbers_less_is_told() -> None:
    table = analysis.analyse(small_scores(), None, None)
    text = " ".join([analysis_words.paragraph(table), *analysis_words.details(table)])
    assert "published means" not in text
    assert "figure" not in text
    assert "within" not in analysis_words.caption(table).partition("From the lowest")[2]
    chart.chart(table, None, SETTINGS).to_dict()


def test_the_page_has_every_reading_beside_the_others(table: pl.DataFrame) -> None:
    page = analysis_words.page(table)
    for name in ("counted", "pruned", "constant", "suspected"):
        assert page.count(f"`{name}`") >= 3
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for line, after in pairwise(rows):
        if after.startswith("| ---"):
            assert line.replace(r"\|", "").count("|") == after.count("|")
    assert "structured, Adam, 10 epochs, 20%" in page


def panels_of(table: pl.DataFrame, margin: float | None = 0.02) -> dict[tuple[str, str], dict]:
    """The panels of the chart with their rows, by their title and the first line below it."""
    drawn = chart.chart(table, margin, SETTINGS).to_dict()
    panels = [panel for row in drawn["vconcat"] for panel in row["hconcat"]]
    for panel in panels:
        for layer in panel["layer"]:
            # Altair keeps rows that layers share with their panel.
            layer["data"] = drawn["datasets"][(layer.get("data") or panel["data"])["name"]]
    found = {(panel["title"]["text"], panel["title"]["subtitle"][0]): panel for panel in panels}
    assert len(found) == len(panels)
    return found


def shown(panel: dict, kind: str) -> list[dict]:
    """The rows behind the marks of a kind."""
    layers = (layer for layer in panel["layer"] if layer["mark"]["type"] == kind)
    return [row for layer in layers for row in layer["data"]]


def test_the_chart_has_a_panel_for_each_question(table: pl.DataFrame) -> None:
    panels = panels_of(table)
    change_of = "Change from lowest to highest rate"
    assert [title if title != change_of else line for title, line in panels] == [
        "As published, with a borrowed dense value",
        "Our means, with that borrowed value",
        "Pruned filters out (as the source)",
        "Every unit counted, dead or not",
        "All constant units out",
        "The 31 units that live in all",
        "Score of channels against accuracy",
        "What the score of channels goes with",
        "What the score of logits goes with",
        "channels live in the pair",
        "channels live in all",
        "class logits",
    ]
    assert chart.OTHERS in json.dumps([*panels.values()])


def test_the_chart_tells_what_the_borrowed_value_does(table: pl.DataFrame) -> None:
    def r(group: str, reading: str) -> str:
        rows = table.filter(quantity=relations.AS_TESTED, group=group, reading=reading)
        return f"{rows['estimate'].item():.2f}"

    titles = {title: panel for (title, _), panel in panels_of(table).items()}
    ours = titles["Our means, with that borrowed value"]
    assert r(relations.OURS_BORROWED, "pruned") in ours["title"]["subtitle"][0]
    starts = [row["estimate"] for row in shown(ours, "point") if row["rate"] == 0]
    assert starts == [0.699678] * 6
    for title, reading in (("Every unit counted, dead or not", "counted"),
                           ("All constant units out", "constant")):  # fmt: skip
        line = titles[title]["title"]["subtitle"][1]
        assert line == f"r = {r(relations.OURS_BORROWED, reading)} with the borrowed value"


def test_the_chart_has_every_correlation_under_every_reading(table: pl.DataFrame) -> None:
    titles = {title: panel for (title, _), panel in panels_of(table).items()}
    for word, layer_type in (("channels", "conv2d"), ("logits", "linear")):
        found = shown(titles[f"What the score of {word} goes with"], "point")
        rows = table.filter(
            pl.col("quantity").is_in(list(chart.CORRELATIONS)) & pl.col("pruning").is_null(),
            layer_type=layer_type,
        )
        assert len(rows) == 5 * 7
        assert {row["estimate"] for row in found} == set(rows["estimate"])
        # Logits are live under every reading: one point says it for all.
        assert len(found) == (35 if layer_type == "conv2d" else 5)
    points = shown(titles["Score of channels against accuracy"], "point")
    assert len(points) == 2 * 12
    assert {row["units"] for row in points} == {"live", "live in all"}


@pytest.mark.parametrize(("rising", "same"), [(0.0, True), (0.05, False)])
def test_the_chart_marks_changes_that_stay_within_the_margin(rising: float, same: bool) -> None:
    table = analysis.analyse(small_scores(rising), PUBLISHED, 0.02)
    panels = {line: panel for (_, line), panel in panels_of(table).items()}
    pair, everywhere = panels["channels live in the pair"], panels["channels live in all"]
    assert (len(shown(pair, "point")), len(shown(everywhere, "point"))) == (6 * 4, 6 * 3)
    marked = {(row["arm"], row["reading"]) for row in shown(pair, "text")}
    assert ("structured, SGD, 50 epochs", "all constant units out") in marked or not same
    assert bool(marked) == same
    # Dead filters that are counted lift the mean whatever live units do.
    assert ("structured, SGD, 50 epochs", "every unit counted") not in marked


@pytest.mark.parametrize(("setting", "margin"), [(0.03, 0.03), ({"of_runs": 3.0}, None)])
def test_a_margin_in_units_of_runs_does_not_exist(setting: Any, margin: float | None) -> None:
    assert analysis_rows.margin_of(setting) == margin


@pytest.mark.slow
def test_the_scripts(tmp_path: Path) -> None:
    units, networks = small_tables()
    GIVEN_UNITS.write(units, tmp_path / "units.parquet")
    GIVEN_NETWORKS.write(networks, tmp_path / "networks.parquet")
    params = SimpleNamespace(margin=0.02, charts={"width": 420, "height": 300, "png_scale": 1})
    analyse = load_module(code_digest.SCRIPTS / "analyse_published_scores.py")
    analyse.main(
        SimpleNamespace(
            input=SimpleNamespace(
                units=tmp_path / "units.parquet",
                networks=tmp_path / "networks.parquet",
                published=PUBLISHED,
            ),
            output=SimpleNamespace(analysis=tmp_path / "a.parquet", page=tmp_path / "page.md"),
            params=params,
        )
    )
    table = ANALYSIS.read(tmp_path / "a.parquet")
    assert analysis_words.paragraph(table) in (tmp_path / "page.md").read_text(encoding="utf-8")

    class Outputs(dict):
        caption = tmp_path / "chart.txt"

    draw = load_module(code_digest.SCRIPTS / "draw_published_scores.py")
    formats = {name: tmp_path / f"chart.{name}" for name in ("html", "svg", "png", "json")}
    draw.main(
        SimpleNamespace(
            input=SimpleNamespace(analysis=tmp_path / "a.parquet"),
            output=Outputs(formats),
            params=params,
        )
    )
    assert all(path.stat().st_size > 1000 for path in formats.values())
    assert (tmp_path / "chart.txt").read_text() == f"{analysis_words.caption(table)}\n"
