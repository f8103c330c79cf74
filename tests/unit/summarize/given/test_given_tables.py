"""Studies of given scores: their tables, and all that follows copes with what is not known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import pytest

from prunescope.evaluate import accuracy, network_tables
from prunescope.interpret import unit_tables
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.interpret.trivial_units import TRIVIAL_UNITS
from prunescope.summarize import gathering, image_counts, study_tables
from prunescope.summarize.charts import all_charts
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.estimates import estimate
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.findings import captions, summary_page
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.given import given_tables
from prunescope.summarize.removal import removal_tables

SETTINGS = {
    "dataset": "ImageNet",
    "metric": "DreamSim",
    "images_per_side": None,
    "random_methods": [],
    "given": True,
}
LAYERS = [(f"block{number}.conv", "conv2d", 8) for number in range(7)] + [("fc", "linear", 3)]
PRUNED = [
    ("filters", way, rate, 0) for way in ("one_shot", "iterative") for rate in (0.2, 0.4, 0.6)
]
WHOLE = [
    (method, way, rate, seed)
    for seed in range(3)
    for method, way, rate in [
        ("dense", "none", 0.0), ("dense", "one_shot", 0.0), ("untrained", "none", 0.0),
        *(("filters", way, rate) for way in ("none", "one_shot") for rate in (0.4, 0.8)),
    ]
]  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A study of given scores, up to what its charts and its summary are drawn from."""

    networks: pl.DataFrame
    units: pl.DataFrame
    statistics: pl.DataFrame

    @property
    def facts(self) -> Facts:
        return Facts.of_study(
            self.networks,
            self.statistics,
            image_counts.COUNTS.empty(),
            study_tables.HISTORIES.empty(),
            TRIVIAL_UNITS.empty(),
            SETTINGS,
        )

    @property
    def chart_data(self) -> ChartData:
        return ChartData(
            networks=self.networks,
            history=study_tables.HISTORIES.empty(),
            dataset="ImageNet",
            probe_images=self.facts.probe_images,
            classes=self.facts.classes,
            statistics=self.statistics,
            units=self.units,
            margin=self.facts.margin,
        )


def given(networks: Sequence[tuple]) -> pl.DataFrame:
    """Scores that fall with the rate, and by a little less in deeper layers."""
    rng = np.random.default_rng(0)
    whole = {unit: rng.uniform(0.6, 0.9) for unit in range(100)}
    rows = [
        (*network, layer, kind, unit, network[2] > 0.5 and unit == 0 and kind == "conv2d",
         float(whole[place * 8 + unit] - 0.1 * network[2] + rng.normal(0, 0.01)), 0.9)
        for network in networks
        for place, (layer, kind, number) in enumerate(LAYERS)
        for unit in range(number)
    ]  # fmt: skip
    schema = {name: column.dtype for name, column in GIVEN_UNITS.columns.items()}
    return pl.DataFrame(rows, schema=schema, orient="row")


@cache
def made(networks: tuple, top1: bool = False, images: int | None = None) -> Made:
    rows = [
        (*network, 0.7 - 0.3 * network[2] - 0.001 * network[3] if top1 else None, images)
        for network in networks
    ]
    schema = {name: column.dtype for name, column in GIVEN_NETWORKS.columns.items()}
    of_networks = pl.DataFrame(rows, schema=schema, orient="row")
    units = given_tables.units_table(given(networks), "elsewhere")
    table = given_tables.networks_table(of_networks, units, "elsewhere")
    study = StudyTables(
        networks=table,
        units=units,
        layers=study_tables.LAYERS.empty(),
        classes=study_tables.CLASSES.empty(),
        disagreements=study_tables.DISAGREEMENTS.empty(),
        answers=gathering.gather(
            [], [], "elsewhere", accuracy.answers(network_tables.PREDICTIONS.empty())
        ),
        variants=gathering.gather([], [], "elsewhere", unit_tables.VARIANTS.empty()),
        ablations=gathering.gather([], [], "elsewhere", unit_tables.ABLATION.empty()),
        removals=removal_tables.UNITS_PRUNED.empty(),
    )
    statistics = estimate.estimate(study, EstimationSettings(resamples=50, margin=0.02, seed=0))
    return Made(table, units, statistics)


STUDIES = {
    "no dense network, no accuracy": (tuple(PRUNED), False, None),
    "no dense network, accuracy": (tuple(PRUNED), True, None),
    "one run, accuracy": (tuple(WHOLE[:7]), True, 50_000),
    "three runs, no accuracy": (tuple(WHOLE), False, None),
    "three runs, accuracy": (tuple(WHOLE), True, None),
    "one pruned network": ((WHOLE[0], WHOLE[3]), False, None),
    "nothing pruned": ((WHOLE[0],), False, None),
}


def study(name: str) -> Made:
    return made(*STUDIES[name])


@pytest.mark.parametrize("name", STUDIES)
def test_tables_are_as_declared(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tables")
    study_tables.UNITS.write(study(name).units, folder / "units.parquet")
    study_tables.NETWORKS.write(study(name).networks, folder / "networks.parquet")
    study_tables.STATISTICS.write(study(name).statistics, folder / "statistics.parquet")
    assert study(name).networks["sparsity_conv"].null_count() == len(study(name).networks)


def test_means_are_over_the_sets_of_units_of_other_studies() -> None:
    row = study("three runs, accuracy").networks.filter(rate=0.8, retraining="none", seed=0)
    assert row["units"].to_list() == [59]
    assert row["live_units"].to_list() == [52]
    assert row["mis_soft_live"][0] != row["mis_soft_all"][0]
    assert row["mis_hard_logits"].to_list() == [pytest.approx(0.9)]


@pytest.mark.parametrize("name", STUDIES)
def test_the_summary_says_what_is_not_known(name: str) -> None:
    text = summary_page.to_markdown(study(name).facts)
    assert "None" not in text.replace("There is none", "")
    assert "nan" not in text
    assert "0 validation images" not in text
    assert "**Unit explorer:** There is none, because" in text
    assert ("accuracy is not known" in text) == ("no accuracy" in name or name.startswith("one p"))


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("chart", all_charts.CHARTS)
def test_every_chart_is_drawn_and_has_a_caption(name: str, chart: str) -> None:
    drawn = all_charts.CHARTS[chart](study(name).chart_data, ChartSettings(300, 200, 1)).to_dict()
    text = str(drawn)
    assert "0 probe images" not in text
    if "no accuracy" in name and chart in captions.OF_ACCURACY:
        assert "Nothing to show" in text
    if name.startswith("no dense"):
        # Colours have their names, whether they are used or not.
        assert "in the dense" not in text
        assert "dense retrained" not in text
    assert captions.caption(chart, study(name).facts)


def test_without_dense_networks_the_lowest_rate_is_the_partner() -> None:
    one = study("no dense network, no accuracy")
    changes = one.statistics.filter(quantity="mis_soft_change_over_units")
    assert changes["comparison"].to_list() == [
        f"filters/{way}/rate{rate}/seed0 against the lowest rate"
        for way in ("one_shot", "iterative")
        for rate in ("0.40", "0.60")
    ]
    assert changes["estimate"][0] == pytest.approx(-0.02, abs=0.01)
    text = summary_page.to_markdown(one.facts)
    assert "against the network of the lowest rate of the same method and retraining" in text
    assert "what pruning to that rate changed is not seen" in text
    assert "against the dense network" not in text


def test_runs_without_dense_networks_get_verdicts_against_the_lowest_rate() -> None:
    several = made(tuple((*network[:3], seed) for seed in range(3) for network in PRUNED))
    table = summary_page.verdict_table(several.facts)
    assert table.count("| lower |") == 4
    assert table.count("not tested") == 2
    assert several.facts.unit_of_margin("mis_soft_spread_of_runs")


def test_changes_of_accuracy_are_of_given_numbers() -> None:
    single = study("one run, accuracy").statistics.filter(quantity="top1_change_as_given")
    assert single.filter(rate=0.8, retraining="none")["estimate"].to_list() == [
        pytest.approx(-0.24)
    ]
    assert single["low"].null_count() == len(single)
    several = study("three runs, accuracy").statistics.filter(quantity="top1_change")
    assert several.filter(rate=0.8, retraining="none")["estimate"].to_list() == [
        pytest.approx(-0.24)
    ]


def test_accuracy_has_an_interval_where_the_images_are_told() -> None:
    told = study("one run, accuracy").statistics.filter(quantity="top1")
    not_told = study("three runs, accuracy").statistics.filter(
        pl.col("seed").is_not_null(), quantity="top1"
    )
    assert told["low"].null_count() == 0
    assert not_told["low"].null_count() == len(not_told)
    assert set(not_told["method"]) == {"as given"}
