"""Another workflow uses this one as a module: from a clone, or as `snakedeploy` writes it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml
from workspaces import TINY, Workspace, copy_project

pytestmark = pytest.mark.slow

# A workflow with a rule of its own, which reads a table, and with a part of its own in its config.
# `measure_costs` is also the name of a rule of ours.
AROUND = """
module prunescope:
    snakefile:
        "{snakefile}"
    config:
        config["prunescope"]


use rule * from prunescope as prunescope_*


onstart:
    prunescope.onstart()


onsuccess:
    prunescope.onsuccess()


rule measure_costs:
    default_target: True
    input:
        "results/tiny/summary.md",
        networks="results/tiny/tables/networks.parquet",
    output:
        "own/networks.parquet",
    params:
        copies=config["copies"],
    shell:
        "cp {{input.networks}} {{output}}"
"""
# What snakedeploy 0.17.1 writes.
DEPLOYED = """
from snakemake.utils import min_version


min_version("6.10.0")


configfile: "config/config.yaml"


# declare https://github.com/someone/prunescope as a module
module prunescope:
    snakefile: 
        github("someone/prunescope", path="Snakefile", tag="v0")
    config:
        config


# use all rules from https://github.com/someone/prunescope
use rule * from prunescope
"""  # noqa: W291


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PYTHONPATH": "", **environment},
    )  # fmt: skip


@pytest.fixture
def around(finished: Workspace) -> Iterator[Path]:
    """A workflow that uses the workspace's as a module, in a folder with a finished study."""
    snakefile = finished.path("own/Snakefile")
    snakefile.parent.mkdir()
    snakefile.write_text(AROUND.format(snakefile=finished.path("Snakefile")), encoding="utf-8")
    study = yaml.safe_load(finished.path(TINY).read_text())
    config = {"copies": 1, "prunescope": study}
    finished.path("own/config.json").write_text(json.dumps(config))
    yield snakefile
    shutil.rmtree(snakefile.parent)


def test_a_module_finds_the_results_of_the_workflow_itself(
    finished: Workspace, around: Path
) -> None:
    """All params, digests of code and paths are the same, so only the rule around it runs."""
    started = ("--snakefile", str(around), "--configfile", "own/config.json")
    done = run(finished.folder, *started)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 steps (100%) done" in done.stderr
    made = pl.read_parquet(finished.path("own/networks.parquet"))
    assert made.equals(pl.read_parquet(finished.path("results/tiny/tables/networks.parquet")))
    # Its handlers run where they are called.
    assert finished.path("results/tiny/summary.md").read_text().splitlines()[0] in done.stdout


def test_a_change_makes_stale_what_it_does_in_the_workflow_itself(
    finished: Workspace, around: Path
) -> None:
    config = json.loads(finished.path("own/config.json").read_text())
    config["prunescope"] |= {"extends": "tiny.yaml", "charts": {"width": 500}}
    del config["prunescope"]["statistics"]
    finished.path("own/config.json").write_text(json.dumps(config))
    started = ("--snakefile", str(around), "--configfile", "own/config.json")
    done = run(finished.folder, *started, "--dry-run", "prunescope_all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prunescope_draw_chart" in done.stdout
    assert "prunescope_describe_config" in done.stdout
    assert "prunescope_estimate_statistics" not in done.stdout


def test_what_snakedeploy_writes_runs(tmp_path: Path) -> None:
    """Snakemake keeps a clone of what is on GitHub. Here it has one that it need not fetch."""
    kept = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache/github.com"
    published, project = tmp_path / "published", tmp_path / "project"
    published.mkdir()
    copy_project(published)
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "t"],
        ["tag", "v0"],
        ["clone", "--quiet", "--bare", ".", str(kept / "someone/prunescope")],
    ):
        subprocess.run(["git", *command], cwd=published, check=True)
    for folder in ("config", "profiles"):
        shutil.copytree(published / folder, project / folder)
    (project / "workflow").mkdir()
    (project / "workflow/Snakefile").write_text(DEPLOYED)
    shutil.rmtree(published)
    page = "results/my_study/pages/configuration.html"
    done = run(project, page, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    # What the study extends was fetched, too.
    assert "global_unstructured" in (project / page).read_text()
