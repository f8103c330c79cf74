"""The studies that the README shows are planned as they stand there."""

import re
from collections.abc import Iterator

import pytest
from imagefolders import make_image_folder
from workspaces import PROJECT, Workspace, temporary_project

pytestmark = pytest.mark.slow

README = (PROJECT / "README.md").read_text(encoding="utf-8")
# The first line of each block names its file.
STUDIES = {
    path: f"# {path}\n{code}"
    for path, code in re.findall(r"^```yaml\n# (config/\S+)\n(.*?)^```", README, flags=re.M | re.S)
}
FILES = ("weights/mine.pth", "weights/dense.pth", "weights/pruned.pth",
         "scores/units.csv", "scores/networks.csv")  # fmt: skip
# A rule that is run for this kind of input, how often, and one that is not.
RULES = {
    "my_network": ("train_dense", 3, "import_checkpoint"),
    "my_checkpoint": ("import_checkpoint", 3, "train_dense"),
    "my_pair": ("import_pruned", 1, "prune_network"),
    "my_images": ("index_images", 1, "fetch_fashion_mnist"),
    "my_scores": ("read_unit_scores", 1, "pack_dataset"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project with the studies of the README, and the files and images that they name."""
    with temporary_project(tmp_path_factory, "readme") as workspace:
        for name in FILES:
            workspace.path(name).parent.mkdir(exist_ok=True)
            workspace.path(name).touch()
        make_image_folder(workspace.path("data/mine"))
        for name, code in STUDIES.items():
            workspace.path(name).write_text(code, encoding="utf-8")
        yield workspace


@pytest.mark.parametrize("study", RULES)
def test_a_study_of_the_readme_is_planned(project: Workspace, study: str) -> None:
    jobs = project.stale(config=f"config/{study}.yaml")
    rule, number, other = RULES[study]
    assert jobs.get(rule) == number, jobs
    assert other not in jobs
    assert jobs["summarize_findings"] == 1


def test_a_file_that_a_study_names_is_needed(project: Workspace) -> None:
    project.path("weights/pruned.pth").rename(project.path("weights/elsewhere.pth"))
    done = project.snakemake("--dry-run", config="config/my_pair.yaml")
    project.path("weights/elsewhere.pth").rename(project.path("weights/pruned.pth"))
    assert done.returncode != 0
    assert "weights/pruned.pth" in done.stdout + done.stderr
