"""A study of given scores, as a tutorial makes it: without networks and images."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from tutorials import follow, give_environment, run, write_files
from workspaces import Workspace, temporary_project

from prunescope.study.results import all_tables
from prunescope.summarize.charts.all_charts import CHARTS

pytestmark = pytest.mark.slow

PAGE = "given_scores.md"
CONFIG = "config/scores.yaml"


def write_study(workspace: Workspace) -> None:
    """Write the files of the page, and its tables."""
    give_environment(workspace)
    write_files(workspace, PAGE)
    run(workspace, ".venv/bin/python data/make_scores.py")


def tool(workspace: Workspace, name: str) -> str:
    """What a program prints that the Makefile runs."""
    return subprocess.run(
        [sys.executable, f"workflow_scripts/tools/{name}.py", "--configfile", CONFIG],
        cwd=workspace.folder, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": "workflow_scripts"},
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace in which the tutorial was followed to its end."""
    with temporary_project(tmp_path_factory, "given") as workspace:
        give_environment(workspace)
        follow(workspace, PAGE)
        yield workspace


def test_the_plan_has_no_rule_of_networks_or_images(blank: Workspace) -> None:
    write_study(blank)
    assert blank.stale(config=CONFIG) == {
        "read_unit_scores": 1,
        "tabulate_scores": 1,
        "estimate_statistics": 1,
        "match_accuracy": 1,
        "summarize_findings": 1,
        "describe_config": 1,
        "draw_chart": len(CHARTS),
    }
    rules = blank.snakemake("--list-rules", config=CONFIG).stdout.split()
    assert "tabulate_scores" in rules
    assert not {"train_dense", "fetch", "score_mis", "build_explorer", "count_images"} & {*rules}
    plan = tool(blank, "plan_study")
    assert "it makes no network, reads no image, and has no unit explorer" in plan
    assert re.search(r"^read_unit_scores +1 ", plan, flags=re.M)


def test_the_study_is_made_and_is_up_to_date(finished: Workspace) -> None:
    assert finished.stale(config=CONFIG) == {}
    summary = finished.path("results/scores/summary.md").read_text()
    assert "| filters | not retrained | 40 % | 3 | 67.2 % | -2.7 (-3.4 to -1.9) |" in summary
    assert "**Unit explorer:** There is none" in summary
    assert not finished.path("results/scores/explorer").exists()
    assert not finished.path("results/datasets").exists()
    for path in finished.path("results/scores").rglob("*.parquet"):
        table = all_tables.table_of(path.relative_to(finished.folder))
        assert table is not None, path
        table.read(path)
    units = pl.read_parquet(finished.path("results/scores/tables/units.parquet"))
    assert len(units) == 60
    assert units["constant"].sum() == 3


def test_charts_without_anything_to_show_say_why(finished: Workspace) -> None:
    def drawn(name: str) -> dict[str, Any]:
        path = finished.path(f"results/scores/charts/{name}.json")
        return json.loads(path.read_text(encoding="utf-8"))

    for name in CHARTS:
        empty = "Nothing to show" in json.dumps(drawn(name))
        assert empty == (name in ("accuracy_during_retraining", "iterative_vs_one_shot",
                                  "sensitivity", "measures", "criteria_by_sparsity",
                                  "equal_accuracy", "removed_units")), name  # fmt: skip


def test_every_file_is_verified(finished: Workspace) -> None:
    done = finished.snakemake("verify_study", config=CONFIG)
    assert done.returncode == 0, done.stderr
    assert "files are as their jobs wrote them" in tool(finished, "verify_results")


def test_the_report_says_why_there_is_no_explorer(finished: Workspace) -> None:
    done = finished.snakemake("--report", "report.zip", config=CONFIG)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(finished.path("report.zip")) as archive:
        (page,) = (name for name in archive.namelist() if name.endswith("report.html"))
        text = archive.read(page).decode()
    assert "so there is no unit explorer" in text
    assert "Unit explorer" in text


def test_a_bad_table_stops_the_study_with_one_line(blank: Workspace) -> None:
    write_study(blank)
    path = blank.path("scores/units.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    *cells, _, hard = lines[2].split(",")
    lines[2] = ",".join([*cells, "1.7", hard])
    path.write_text("\n".join(lines), encoding="utf-8")
    done = blank.snakemake(config=CONFIG)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "scores/units.csv, line 3: `mis_soft` is '1.7', but must be a number from 0 to" in told
    assert "Traceback" not in blank.path("results/logs/scores/read_unit_scores.log").read_text()
    assert not blank.path("results/scores/tables").exists()
