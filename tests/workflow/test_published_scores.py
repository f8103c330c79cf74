"""The study of the published scores, on the files as published, where they are at hand."""

import hashlib
import html
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from published_files import unpack
from workspaces import Workspace, temporary_project

pytestmark = pytest.mark.slow

CONFIG = "config/own.yaml"
RESULTS = "results/published_scores"


def tables(workspace: Workspace) -> dict[str, str]:
    """The digests of all tables of the study."""
    return {
        str(path.relative_to(workspace.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(workspace.path(RESULTS).rglob("*.parquet"))
    }


def study_in(workspace: Workspace, folder: Path) -> str:
    """Make the study, and return what its run prints."""
    # An own config in a fixed place: the path of the files is part of the provenance.
    workspace.path("files").symlink_to(folder)
    own = {"extends": "published_scores.yaml", "unit_scores": {"folder": "files"}}
    workspace.path(CONFIG).write_text(yaml.safe_dump(own), encoding="utf-8")
    done = workspace.snakemake(config=CONFIG)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = unpack(tmp_path_factory)
    with temporary_project(tmp_path_factory, "first") as workspace:
        # Beside the results, so that a test can read it.
        workspace.path("printed.txt").write_text(study_in(workspace, folder), encoding="utf-8")
        yield workspace


def test_a_second_run_does_nothing(finished: Workspace) -> None:
    assert finished.stale(config=CONFIG) == {}


def test_the_study_says_what_it_is_of(finished: Workspace) -> None:
    page = finished.path(f"{RESULTS}/published_scores.md").read_text(encoding="utf-8")
    assert "the 2,537 channels and logits that live in all 24 networks" in page
    summary = finished.path(f"{RESULTS}/summary.md").read_text(encoding="utf-8")
    assert "**Unit explorer:** There is none" in summary
    assert finished.path(f"{RESULTS}/charts/published_scores.svg").stat().st_size > 1000


def test_the_run_ends_with_what_the_scores_say(finished: Workspace) -> None:
    page = finished.path(f"{RESULTS}/published_scores.md").read_text(encoding="utf-8")
    said, _, tables_of_page = page.partition("\n## ")
    printed = finished.path("printed.txt").read_text(encoding="utf-8")
    assert said in printed
    assert tables_of_page.partition("\n")[0] not in printed
    assert finished.path(f"{RESULTS}/summary.md").read_text(encoding="utf-8") in printed


def test_the_report_says_and_holds_what_the_scores_say(finished: Workspace) -> None:
    """On its first page and behind the page of numbers; with the chart, in one group."""
    done = finished.snakemake("--report", "report.zip", config=CONFIG)
    assert done.returncode == 0, done.stderr
    content = finished.path(f"{RESULTS}/published_scores.md").read_bytes()
    with zipfile.ZipFile(finished.path("report.zip")) as archive:
        held = {Path(name).name: archive.read(name) for name in archive.namelist()}
    assert held["published_scores.md"] == content
    assert held["published_scores.svg"].startswith(b"<svg")
    told = html.unescape(held["report.html"].decode())
    # Captions of the chart have the beginning of the paragraph too, but not its end.
    paragraph = content.decode().split("\n\n")[1]
    assert told.count(paragraph[-200:]) == 2
    assert paragraph in told
    assert "Published scores" in told


def test_tables_are_the_same_in_another_folder(
    finished: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with temporary_project(tmp_path_factory, "second") as workspace:
        study_in(workspace, unpack(tmp_path_factory))
        assert tables(workspace) == tables(finished) != {}
