"""Which file says a value changes nothing: Snakemake compares what a study says as a whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workspaces import TINY, Workspace

from prunescope.study.config import reading, writing
from prunescope.summarize.charts.all_charts import CHARTS
from prunescope.summarize.charts.cost_charts import COST_CHARTS

pytestmark = pytest.mark.slow

OWN = "config/own.yaml"
WIDER = {"draw_chart": len(CHARTS), "draw_cost_chart": len(COST_CHARTS), "describe_config": 1}


@contextmanager
def holding(path: Path, content: str) -> Iterator[None]:
    """Let a file hold something else for a while, or be there."""
    status = path.stat() if path.exists() else None
    kept = path.read_bytes() if status else b""
    path.write_text(content, encoding="utf-8")
    try:
        yield
    finally:
        if status:
            path.write_bytes(kept)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        else:
            path.unlink()


def test_a_study_that_is_written_out_is_the_same_to_snakemake(finished: Workspace) -> None:
    out = writing.write(reading.read(finished.path(TINY)))
    assert out != finished.path(TINY).read_text()
    with holding(finished.path(TINY), out):
        assert finished.stale() == {}


def test_a_study_that_extends_is_the_same_to_snakemake(finished: Workspace) -> None:
    with holding(finished.path(OWN), "extends: tiny.yaml\nstatistics: {resamples: 50}\n"):
        assert finished.stale(config=OWN) == {}


def test_a_change_counts_wherever_it_stands(finished: Workspace) -> None:
    with holding(finished.path(OWN), "extends: tiny.yaml\ncharts: {width: 500}\n"):
        assert finished.stale(config=OWN) == WIDER
        out = writing.write(reading.read(finished.path(OWN)))
        with holding(finished.path(TINY), out):
            assert finished.stale() == WIDER


def test_jobs_see_the_study_that_was_planned(blank: Workspace) -> None:
    """A cluster starts Snakemake anew for each job, with the same files and command line."""
    blank.path(OWN).write_text("extends: tiny.yaml\nstudy: own\ncharts: {width: 543}\n")
    page = "results/own/pages/configuration.html"
    said = ("--config", "charts={height: 345}", "--", page)
    done = blank.snakemake(*said, config=OWN)
    assert done.returncode == 0, done.stderr
    text = blank.path(page).read_text()
    assert "&quot;width&quot;: 543" in text
    assert "&quot;height&quot;: 345" in text
    again = blank.snakemake(*said, config=OWN)
    assert "Nothing to be done" in again.stdout + again.stderr
    job = ("--mode", "remote", "--executor", "local", "--target-jobs", "describe_config:study=own")
    rules = ("--allowed-rules", "describe_config")
    changed = ("--config", "charts={'height': '346'}")
    done = blank.snakemake(*job, *rules, "--force", *changed, config=str(blank.path(OWN)))
    assert done.returncode == 0, done.stderr
    assert blank.path(page).read_text() == text.replace("345", "346")


def test_a_file_that_is_extended_and_missing_stops_before_any_job(blank: Workspace) -> None:
    blank.path(OWN).write_text("extends: nothing.yaml\n")
    done = blank.snakemake(config=OWN)
    assert done.returncode != 0
    assert "config/nothing.yaml (`extends` of config/own.yaml): No such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert not blank.path("results").exists()
