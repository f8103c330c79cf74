"""The whole workflow on a few hundred real images."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from browser import Watched
from workspaces import FOUND, SAID, TINY, Workspace, copy_project, run_study

from prunescope.evaluate import network_tables
from prunescope.foundation import tables
from prunescope.interpret import unit_tables
from prunescope.networks import network_files
from prunescope.study.config import reading
from prunescope.study.study import Study
from prunescope.summarize import study_tables
from prunescope.summarize.charts.all_charts import CHARTS, GROUPS
from prunescope.summarize.charts.cost_charts import COST_CHARTS
from prunescope.summarize.removal.removal_tables import UNITS_PRUNED

pytestmark = pytest.mark.slow

# The files of rules that the study needs.
STAGES = (
    "compact", "data", "evaluate", "gather", "interpret", "networks", "prune", "study", "summarize",
    "train",
)  # fmt: skip


@pytest.fixture(scope="module")
def config(finished: Workspace) -> dict:
    return reading.read(finished.path(TINY)).values


def test_every_network_has_its_files(finished: Workspace, config: dict) -> None:
    for network in Study(config).networks:
        folder = finished.path(
            f"results/tiny/networks/{network.method}/{network.retraining}"
            f"/rate{network.rate}/seed{network.seed}"
        )
        loaded = network_files.load(folder / "network.safetensors")
        assert len(loaded.description.measured_layers) == 58
        assert len(network_tables.PREDICTIONS.read(folder / "predictions.parquet")) == 100
        assert len(unit_tables.EXEMPLARS.read(folder / "exemplars.parquet")) == 7290
        assert len(unit_tables.MIS.read(folder / "mis.parquet")) == 7290
        assert len(unit_tables.MEASURES.read(folder / "measures.parquet")) == 7290
        assert len(network_tables.ACCOUNTING.read(folder / "accounting.parquet")) == 1


def test_tables_hold_every_network_and_unit(finished: Workspace, config: dict) -> None:
    networks = study_tables.NETWORKS.read(finished.path("results/tiny/tables/networks.parquet"))
    units = study_tables.UNITS.read(finished.path("results/tiny/tables/units.parquet"))
    assert len(networks) == len(Study(config).networks) == 9
    assert len(units) == 9 * 7290
    assert networks["units"].to_list() == [7290] * 9
    assert (networks["live_units"] <= networks["units"]).all()


def test_pruned_weights_stay_pruned(finished: Workspace) -> None:
    networks = study_tables.NETWORKS.read(finished.path("results/tiny/tables/networks.parquet"))
    history = study_tables.HISTORIES.read(finished.path("results/tiny/tables/history.parquet"))
    structured = networks.filter(pl.col("method") == "structured").sort("retraining", "rate")
    by_kind = structured.group_by("rate").agg(pl.col("sparsity_conv").n_unique())
    assert by_kind["sparsity_conv"].to_list() == [1, 1]
    pruned = history.filter(pl.col("rate") > 0)
    spread = pruned.group_by("method", "retraining", "rate").agg(pl.col("sparsity").n_unique())
    assert spread["sparsity"].to_list() == [1] * len(spread)


def test_weights_that_no_image_reaches_are_left_out(finished: Workspace) -> None:
    networks = study_tables.NETWORKS.read(finished.path("results/tiny/tables/networks.parquet"))
    assert networks["unreached_weights"].to_list() == [1_081_344] * 9
    assert networks["parameters"].to_list() == [5_610_154 - 1_081_344] * 9
    for row in networks.filter(pl.col("method") == "global_unstructured").iter_rows(named=True):
        folder = f"networks/{row['method']}/one_shot/rate{row['rate']:.2f}/seed0"
        network = network_files.load(finished.path(f"results/tiny/{folder}/network.safetensors"))
        sizes = {name: mask.size for name, mask in network.masks.items()}
        for layer in network.description.layers:
            if layer.unreached:
                hidden = np.broadcast_to(~layer.reached, layer.shape)
                assert network.masks[layer.weight][hidden].all()
                assert np.count_nonzero(network.tensors[layer.weight][hidden]) == hidden.sum()
                sizes[layer.weight] -= hidden.sum()
        pruned = sum(int((~mask).sum()) for mask in network.masks.values())
        assert pruned == round(row["rate"] * sum(sizes.values()))
        for rule in ("prune_network", "retrain_network", "account_network"):
            log = finished.path(f"results/logs/tiny/{folder}/{rule}.log").read_text()
            told = "no image reaches: 1081344, left out (inception5a.branch2.1.conv" in log
            assert told == (rule != "retrain_network"), rule


def test_an_iterative_network_prunes_what_the_one_before_pruned(finished: Workspace) -> None:
    chain = "results/tiny/networks/structured/iterative/rate{}/seed0/network.safetensors"
    before = network_files.load(finished.path(chain.format("0.30")))
    after = network_files.load(finished.path(chain.format("0.60")))
    for name, mask in after.masks.items():
        assert not (mask & ~before.masks[name]).any(), name


def test_removed_units_are_those_whose_filters_are_masked(finished: Workspace) -> None:
    table = UNITS_PRUNED.read(finished.path("results/tiny/tables/units_pruned.parquet"))
    assert table.select("retraining", "rate", "chosen_as").unique(maintain_order=True).rows() == [
        ("none", 0.3, "none"), ("none", 0.6, "none"),
        ("iterative", 0.3, "none"), ("iterative", 0.6, "iterative"),
    ]  # fmt: skip
    networks = finished.path("results/tiny/networks")
    pruned = network_files.load(networks / "structured/none/rate0.60/seed0/pruned.safetensors")
    scores = unit_tables.MIS.read(networks / "dense/none/rate0.00/seed0/mis.parquet")
    live = scores.filter(~pl.col("constant"))
    gone, kept = [], []
    for name, mask in pruned.masks.items():
        units = live.filter(layer=name.removesuffix(".weight"))
        for unit, value in units.select("unit", "mis_soft").iter_rows():
            (kept if mask[unit].any() else gone).append(value)
    (row,) = table.filter(retraining="none", rate=0.6, measure="mis_soft").to_dicts()
    assert (row["removed"], row["kept"]) == (len(gone), len(kept))
    assert row["mean_removed"] == pytest.approx(np.mean(gone))
    assert row["mean_kept"] == pytest.approx(np.mean(kept))
    summary = finished.path("results/tiny/summary.md").read_text()
    assert "- **Which units go:** What criteria take in other runs, one run cannot tell." in summary
    assert "- **Survivorship:** " in summary


def test_variants_are_of_the_same_live_units_as_the_score(finished: Workspace) -> None:
    path = finished.path("results/tiny/tables/statistics.parquet")
    means = study_tables.STATISTICS.read(path).filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_live"
    )
    name = ["pruning", "retraining", "rate", "seed"]
    unchanged = means.filter(variant="unchanged").join(
        means.filter(pl.col("variant").is_null()), on=name, suffix="_own"
    )
    assert len(unchanged) == means.filter(variant="unchanged").height > 0
    assert unchanged["n"].to_list() == unchanged["n_own"].to_list()
    assert unchanged["estimate"].to_list() == pytest.approx(unchanged["estimate_own"].to_list())


def test_charts_open_without_a_network_and_say_where_they_come_from(finished: Workspace) -> None:
    pages = sorted(finished.path("results/tiny/charts").glob("*.html"))
    assert [page.stem for page in pages] == sorted([*CHARTS, *COST_CHARTS])
    for page in pages:
        assert "<script src=" not in page.read_text()
        assert page.with_suffix(".svg").stat().st_size > 1000
        assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        specification = json.loads(page.with_suffix(".json").read_text())
        assert specification["usermeta"]["prunescope"]["rule"] in ("draw_chart", "draw_cost_chart")


def test_every_parquet_file_carries_its_provenance(finished: Workspace) -> None:
    files = sorted(finished.path("results").rglob("*.parquet"))
    assert files
    for path in files:
        description = json.loads(tables.read_provenance(path))
        assert len(description["params"]["code"]) == 64, path


def test_a_second_run_does_nothing(finished: Workspace) -> None:
    done = finished.snakemake()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_run_says_how_far_it_is_in_a_few_lines(finished: Workspace) -> None:
    said = finished.path(SAID).read_text().splitlines()
    summary = finished.path("results/tiny/summary.md").read_text()
    assert summary in finished.path(FOUND).read_text()
    jobs = re.search(r"^tiny: (\d+) jobs on 2 cores", "\n".join(said), flags=re.M)
    assert jobs is not None
    # Not the job that asks for all results.
    assert int(jobs.group(1)) == sum(read_rules(finished).values()) - 1
    stages = [match.group(1) for line in said if (match := re.search(r"\] (\w+): .* done$", line))]
    assert sorted(stages) == list(STAGES)
    assert said[-1].startswith(f"done: {jobs.group(1)} jobs in ")
    minutes = [line for line in said if " gone, " in line]
    # Beside them, ten lines stand before the first job and at the end.
    assert len(said) <= 10 + len(stages) + len(minutes)
    assert len(minutes) <= elapsed_minutes(said[-1])


def read_rules(workspace: Workspace) -> dict[str, int]:
    """The jobs of each rule, as Snakemake's own log tells them, which is as long as ever."""
    (log, *_) = sorted(workspace.path(".snakemake/log").glob("*.log"))
    text = log.read_text()
    assert text.count("Finished jobid") > 100
    rows = re.findall(r"^([a-z_]+) +(\d+)$", text, flags=re.M)
    return {rule: int(jobs) for rule, jobs in rows if rule != "total"}


def elapsed_minutes(line: str) -> int:
    *hours, minutes, _ = line.rpartition(" in ")[2].split(":")
    return 60 * int(hours[0] if hours else 0) + int(minutes)


def plan(workspace: Workspace, tool: str = "plan_study") -> str:
    """What `make plan` prints, or another tool."""
    done = subprocess.run(
        [sys.executable, f"workflow_scripts/tools/{tool}.py", "--configfile", TINY],
        cwd=workspace.folder,
        env={**os.environ, "PYTHONPATH": "workflow_scripts"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_plan_tells_what_is_left(finished: Workspace, tmp_path: Path) -> None:
    assert "Nothing to do" in plan(finished)
    first, run, *stages = plan(finished, "show_status").splitlines()
    assert first == "tiny: every result is there and up to date"
    assert run.startswith("No run is under way: the last one last wrote into a log at ")
    assert [row.split()[0] for row in stages] == ["stage", *STAGES]
    assert {row.split()[2] for row in stages[1:]} == {"0"}
    blank = copy_project(tmp_path)
    rows = {line.split()[0]: line.split() for line in plan(blank).splitlines()}
    assert rows["evaluate_network"][1] == "9"
    assert rows["evaluate_network"][-4:] == ["time", "limit:", "at", "most"]
    # What is recorded of finished jobs counts more than their limits.
    shutil.copytree(finished.path("results/logs"), blank.path("results/logs"))
    rows = {line.split()[0]: line.split() for line in plan(blank).splitlines()}
    assert rows["evaluate_network"][-2:] == ["9", "finished"]
    assert " ".join(rows["Expected,"]).startswith("Expected, if no core waits: about ")
    assert rows["pack_dataset"][-1] == "finished"
    assert float(rows["total"][2]) < 5


@pytest.fixture(scope="module")
def report(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's page, unpacked somewhere else."""
    done = subprocess.run(
        [sys.executable, "workflow_scripts/tools/write_report.py", "--cores", "2",
         "--configfile", TINY],
        cwd=finished.folder, env={**os.environ, "PYTHONPATH": "workflow_scripts"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "results/report_tiny.zip (" in done.stdout
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(finished.path("results/report_tiny.zip"), folder)
    return folder / "report_tiny" / "report.html"


def test_the_report_holds_the_charts(report: Path) -> None:
    text = report.read_text()
    assert "mis_vs_accuracy" in text
    assert all(group in text for group in GROUPS)


def test_the_report_says_what_was_found(report: Path, finished: Workspace, browser: Any) -> None:
    """On its first page, from its first line on, and behind each chart."""
    watched = Watched(browser)
    page = watched.page
    page.goto(report.as_uri())
    summary = finished.path("results/tiny/summary.md").read_text()
    answer = page.locator(".prose p").first
    assert answer.inner_text() == summary.split("\n\n")[1]
    assert "was pruned by" in answer.inner_text()
    first = page.locator("li", has_text="What cannot be concluded:").first
    assert first.inner_text() in summary.replace("**", "")
    # The table of verdicts is for the page of text; the report has pages of tables.
    assert "| Method |" in summary
    assert page.get_by_text("| Method |").count() == 0
    assert page.get_by_text("What was found").bounding_box()["y"] >= 0
    page.get_by_text("2 Interpretability", exact=True).click()
    page.locator("tr", has_text="mis by rate").locator("a").nth(1).click()
    caption = finished.path("results/tiny/charts/mis_by_rate.txt").read_text().strip()
    page.get_by_text(caption).wait_for()
    # Snakemake's page brings a style sheet with a warning of its own.
    assert [problem for problem in watched.problems if "tailwindcss" not in problem] == []
    watched.close()


def test_the_report_can_be_read_on_a_phone(report: Path, browser: Any) -> None:
    """The answer is seen at once, and neither it nor a chart is wider than the screen."""
    width, height = 390, 844
    watched = Watched(browser)
    page = watched.page
    page.set_viewport_size({"width": width, "height": height})
    page.goto(report.as_uri())
    answer = page.locator(".prose p").first.bounding_box()
    assert answer["x"] >= 0
    assert answer["x"] + answer["width"] <= width
    assert answer["y"] + answer["height"] < page.locator("nav").first.bounding_box()["y"]
    page.get_by_text("2 Interpretability", exact=True).click()
    page.locator("tr", has_text="mis by rate").locator("a").first.click()
    chart = page.frame_locator("iframe")
    drawn = chart.locator("#vis svg").first.bounding_box()
    assert drawn["width"] > width / 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    (inside,) = [frame for frame in page.frames if frame != page.main_frame]
    assert inside.evaluate("document.documentElement.scrollWidth") <= width
    watched.close()


def test_a_chart_of_the_report_leads_into_its_explorer(report: Path, browser: Any) -> None:
    watched = Watched(browser)
    page = watched.page
    page.goto(report.as_uri())
    page.get_by_text("2 Interpretability", exact=True).click()
    page.locator("tr", has_text="mis by rate").locator("a").first.click()
    inside = page.frame_locator("iframe")
    # The last one is on top of those that it overlaps.
    point = inside.locator("#vis [aria-roledescription=point]").last
    network = point.get_attribute("aria-label").rpartition("#network=")[2]
    point.click()
    told = inside.locator("#opened")
    told.filter(has_text="Opened at what the address asks for").wait_for()
    (explorer,) = [frame for frame in page.frames if frame != page.main_frame]
    assert f"network={network}" in explorer.evaluate("location.hash")
    assert "This copy came with a report." in inside.locator("#copied").inner_text()
    watched.close()


def test_tables_of_the_report_are_filtered(report: Path, browser: Any) -> None:
    (table,) = report.parent.glob("data/raw/*/statistics.html")
    watched = Watched(browser)
    page = watched.page
    page.goto(table.as_uri())
    every = page.locator("tbody tr:visible").count()
    page.get_by_label("Rows that contain").fill("mis_soft_change_over_units structured")
    shown = page.locator("tbody tr:visible")
    shown.nth(5).wait_for()
    assert 0 < shown.count() < every
    assert all("mis_soft_change_over_units" in text for text in shown.all_inner_texts())
    assert watched.problems == []
    watched.close()


def test_the_report_opens_the_explorer(report: Path, browser: Any) -> None:
    watched = Watched(browser)
    page = watched.page
    page.goto(report.as_uri())
    page.get_by_text("Unit explorer", exact=True).click()
    page.locator("tr", has_text="every unit of every network").locator("a").first.click()
    explorer = page.frame_locator("iframe")
    explorer.get_by_label("Compare dense with").select_option("structured/iterative/rate0.60/seed0")
    explorer.locator("#right-title:has-text('iterative, rate 0.60')").wait_for()
    explorer.get_by_label("Order").select_option("place")
    explorer.locator("#unit-title:has-text('conv1.conv · 0')").wait_for()
    explorer.locator(".row").nth(3).click()
    explorer.locator("#unit-title:has-text('conv1.conv · 3')").wait_for()
    assert explorer.locator("#left .image").count() == 18
    (inside,) = [frame for frame in page.frames if frame != page.main_frame]
    assert "unit=conv1.conv/3&network=structured/iterative" in inside.evaluate("location.hash")
    sheet = inside.evaluate(
        "() => new Promise((done) => { const image = new Image(); image.onload = () =>"
        " done(image.width); image.onerror = () => done(0); image.src ="
        " getComputedStyle(document.querySelector('.image')).backgroundImage.slice(5, -2); })"
    )
    assert sheet == 1024
    watched.close()


def test_the_same_study_in_another_folder_has_the_same_bytes(
    finished: Workspace, tmp_path: Path
) -> None:
    """All but what is measured on a clock."""
    other = run_study(copy_project(tmp_path))
    suffixes = (".parquet", ".safetensors", ".npy", ".svg", ".png", ".js", ".onnx")
    relative = sorted(
        path.relative_to(finished.folder)
        for path in finished.path("results").rglob("*")
        if path.suffix in suffixes and path.stem not in ("costs", *COST_CHARTS)
    )
    assert len(relative) > 60
    different = [
        str(path)
        for path in relative
        if finished.path(str(path)).read_bytes() != other.path(str(path)).read_bytes()
    ]
    assert not different
