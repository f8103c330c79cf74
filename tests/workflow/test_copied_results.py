"""Results in a copy of the workflow, without `.snakemake`: as stale as where they were made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import PROJECT, TINY, Workspace, temporary_project

from workflow.test_staleness import CODE_EDITS, CONFIG_EDITS, SUMMARY, Edit

pytestmark = pytest.mark.slow

FOLDER = "results/tiny/networks/structured/none/rate0.60/seed0"
SCORES = f"{FOLDER}/mis.parquet"
ACTIVATIONS = f"{FOLDER}/activations_max.npy"
CHART = "results/tiny/charts/mis_by_rate"
DATE = 1_700_000_000


@pytest.fixture(scope="module")
def copied(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Another clone, with the results behind a link. Tests that change it put everything back."""
    with temporary_project(tmp_path_factory, "copied") as workspace:
        shutil.copytree(finished.path("results"), workspace.path("elsewhere"))
        workspace.path("results").symlink_to("elsewhere")
        yield workspace


@pytest.fixture
def own(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A finished study with its records, that a test may spoil."""
    with temporary_project(tmp_path_factory, "own") as workspace:
        for name in ("results", ".snakemake"):
            shutil.copytree(finished.path(name), workspace.path(name), symlinks=True)
        yield workspace


def test_without_a_change_there_is_nothing_to_do(copied: Workspace) -> None:
    assert copied.stale() == {}


@pytest.mark.parametrize("name", ["tau", "chart width", "retraining removed"])
def test_a_config_edit_reruns_what_it_would_have_rerun(
    copied: Workspace, edit: Edit, name: str
) -> None:
    old, new, expected = CONFIG_EDITS[name]
    edit(copied.path(TINY), old, new)
    assert copied.stale() == {**expected, "describe_config": 1}


def test_a_code_edit_reruns_what_it_would_have_rerun(copied: Workspace, edit: Edit) -> None:
    path, old, new, expected = CODE_EDITS["line of timing.py"]
    edit(copied.path(path), old, new)
    assert copied.stale() == expected


def test_without_logs_only_what_carries_nothing_is_unknown(copied: Workspace, edit: Edit) -> None:
    logs = copied.path("results/logs")
    logs.rename(copied.path("logs"))
    try:
        plan = copied.snakemake("--dry-run").stdout
        unknown = plan.count("before: nothing tells how it was made")
        stale = copied.stale()
        edit(copied.path(TINY), *CONFIG_EDITS["tau"][:2])
        rescored = copied.stale()
    finally:
        copied.path("logs").rename(logs)
    # The pages and `summary.md` wait for tables; `keep_pruned` copies what another job says.
    assert unknown == stale["record_activations"] + stale["describe_config"] - 1 == 6
    assert stale["keep_pruned"] == 2
    assert not stale.keys() & {"train_dense", "prune_network", "retrain_network", "pack_dataset"}
    assert (stale["score_mis"], rescored["score_mis"]) == (2, 9)


def test_files_of_one_date_are_told_apart_by_their_params(
    copied: Workspace, edit: Edit, tmp_path: Path
) -> None:
    """As after `cp` without `-p`, or an archive without dates."""
    kept = tmp_path / "kept"
    copied.path("elsewhere").rename(kept)
    shutil.copytree(kept, copied.path("elsewhere"))
    for path in copied.path("elsewhere").rglob("*"):
        os.utime(path, (DATE, DATE))
    try:
        assert copied.stale() == {}
        old, new, expected = CONFIG_EDITS["tau"]
        edit(copied.path(TINY), old, new)
        assert copied.stale() == {**expected, "describe_config": 1}
    finally:
        shutil.rmtree(copied.path("elsewhere"))
        kept.rename(copied.path("elsewhere"))


def manifest(path: str) -> str:
    """The manifest of the job of a file."""
    jobs = {SCORES: "score_mis", ACTIVATIONS: "record_activations_max"}
    return f"{FOLDER.replace('results', 'results/logs')}/{jobs[path]}.log.sha256"


@pytest.fixture(scope="module")
def cluster(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The same study elsewhere: scores of another tau, activations of another seed."""
    with temporary_project(tmp_path_factory, "cluster") as workspace:
        shutil.copytree(finished.path("results"), workspace.path("results"))
        text = workspace.path(TINY).read_text()
        changed = text.replace("tau: 0.16", "tau: 0.2").replace("images: 80", "images: 70")
        workspace.path(TINY).write_text(changed)
        done = workspace.snakemake("--allowed-rules", "score_mis", "record_activations",
                                   "--", SCORES, ACTIVATIONS)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        yield workspace


@pytest.mark.parametrize("dated", ["earlier", "later"])
@pytest.mark.parametrize("with_logs", [True, False], ids=["with logs", "without logs"])
def test_files_that_were_copied_over_others_are_stale(
    cluster: Workspace, own: Workspace, with_logs: bool, dated: str
) -> None:
    """The records in `.snakemake` are those of the files that were there before."""
    for path in (SCORES, ACTIVATIONS):
        before = own.path(path).stat().st_mtime
        shutil.copy2(cluster.path(path), own.path(path))
        # Not so early that its inputs are newer.
        os.utime(own.path(path), (0, before + (3600 if dated == "later" else -1e-3)))
        if with_logs:
            shutil.copy2(cluster.path(manifest(path)), own.path(manifest(path)))
    stale = own.stale()
    assert stale == {"score_mis": 1, "record_activations": 1, "vary_scores": 1, **SUMMARY}


def test_touched_files_are_not_stale_and_touching_is_a_word_of_the_user(
    own: Workspace, edit: Edit
) -> None:
    os.utime(own.path("results/tiny/summary.md"))
    os.utime(own.path(ACTIVATIONS).with_name("variants.parquet"))
    assert own.stale() == {}
    edit(own.path(TINY), *CONFIG_EDITS["tau"][:2])
    assert own.snakemake("--touch").returncode == 0
    assert own.stale() == {}


def test_a_run_keeps_what_it_looked_up(own: Workspace) -> None:
    shutil.rmtree(own.path(".snakemake"))
    assert "Nothing to be done" in own.snakemake().stderr
    shutil.rmtree(own.path("results/logs"))
    assert own.stale() == {}


def verify(workspace: Workspace) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            "make", "-f", str(PROJECT / "Makefile"), "verify", f"CONFIG={TINY}",
            f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.ready",
        ],
        cwd=workspace.folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip


def test_verify_tells_what_is_stale_in_a_copy(copied: Workspace, edit: Edit) -> None:
    sound = verify(copied)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "files are as their jobs wrote them" in sound.stdout
    assert "Nothing to be done" in sound.stdout
    edit(copied.path(TINY), *CONFIG_EDITS["tau"][:2])
    found = verify(copied)
    assert found.returncode != 0
    assert "score_mis" in found.stdout
    assert "results are stale, or not there yet" in found.stderr
