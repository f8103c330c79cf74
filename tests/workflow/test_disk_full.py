"""A disk that is full when a step writes: every step, on a file system that has no room left."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import PROJECT, TINY, Workspace, copy_project

from prunescope.networks import architecture
from prunescope.study.config import reading

pytestmark = pytest.mark.slow

TABLES = "results/tiny/tables"
DATASET = "results/datasets/fashion_mnist_tiny"
NETWORKS = "results/tiny/networks"
DENSE = f"{NETWORKS}/dense/none/rate0.00/seed0"
PRUNED = f"{NETWORKS}/structured/none/rate0.60/seed0"
RETRAINED = f"{NETWORKS}/global_unstructured/one_shot/rate0.60/seed0"
ARCHITECTURE = architecture.folder_name(reading.read(PROJECT / TINY).values["model"])
METRIC = "timm-tf_efficientnet_lite0-64px"
# All outputs of one job of every rule that writes results; steps that need each other's are apart.
STEPS: list[dict[str, list[str]]] = [
    {
        "pack_dataset": [
            f"{DATASET}/{split}/{name}"
            for split in ("train", "test")
            for name in ("images.npy", "labels.npy", "index.parquet")
        ]
    },
    {
        "describe_architecture": [f"{DATASET}/architectures/{ARCHITECTURE}/architecture.json"],
        "export_graph": [
            f"{DATASET}/architectures/{ARCHITECTURE}/{name}"
            for name in ("graph.json", "graph.safetensors")
        ],
    },
    {
        "sample_split": [f"{DATASET}/probe/{name}"
                         for name in ("images.npy", "labels.npy", "index.parquet")],
        "train_dense": [f"{DENSE}/network.safetensors", f"{DENSE}/history.parquet"],
    },
    {
        "initialise_network": [f"{NETWORKS}/untrained/none/rate0.00/seed0/network.safetensors"],
        "embed_probe": [f"{DATASET}/probe/embeddings_{METRIC}.{kind}" for kind in ("npy", "json")],
        "prune_network": [f"{RETRAINED}/pruned.safetensors"],
        "evaluate_network": [f"{DENSE}/predictions.parquet"],
        "account_network": [f"{DENSE}/accounting.parquet"],
        "find_exemplars": [f"{DENSE}/exemplars.parquet", f"{DENSE}/activations_mean.npy"],
        "record_activations": [f"{DENSE}/activations_max.npy"],
        "ablate_units": [f"{DENSE}/ablation.parquet"],
        "count_images": [f"{TABLES}/images.parquet"],
    },
    {
        "compare_probe": [f"{DATASET}/probe/similarity_{METRIC}.{kind}"
                          for kind in ("npy", "json")],
        "retrain_network": [f"{RETRAINED}/network.safetensors", f"{RETRAINED}/history.parquet"],
        "keep_pruned": [f"{PRUNED}/network.safetensors"],
    },
    {
        "score_mis": [f"{RETRAINED}/mis.parquet"],
        "score_trivial_units": [f"{TABLES}/trivial_units.parquet"],
        "measure_units": [f"{RETRAINED}/measures.parquet", f"{RETRAINED}/alignment.parquet"],
        "vary_scores": [f"{RETRAINED}/variants.parquet"],
        "compact_network": [
            f"{RETRAINED}/{name}"
            for name in ("compact.safetensors", "compact.json", "compact.onnx",
                         "compaction.parquet", "sizes.parquet")
        ],
    },
    {
        "tabulate_study": [
            f"{TABLES}/{name}.parquet"
            for name in ("networks", "units", "layers", "classes", "disagreements", "history")
        ],
        "measure_costs": [f"{RETRAINED}/costs.parquet"],
    },
    {
        "compare_removed_units": [f"{TABLES}/units_pruned.parquet"],
    },
    {
        "estimate_statistics": [f"{TABLES}/statistics.parquet"],
        "match_accuracy": [f"{TABLES}/equal_accuracy.parquet", f"{TABLES}/unmatched.parquet"],
        "build_explorer": ["results/tiny/explorer", "results/tiny/pages/explorer"],
    },
    {
        "draw_chart": [f"results/tiny/charts/mis_by_rate.{kind}"
                       for kind in ("html", "svg", "png", "json", "txt")],
        "summarize_findings": ["results/tiny/summary.md", "results/tiny/pages/statistics.html",
                               "results/tiny/pages/networks.html"],
        "describe_config": ["results/tiny/pages/configuration.html"],
        "tabulate_costs": [f"{TABLES}/sizes.parquet", f"{TABLES}/costs.parquet"],
    },
    {
        "draw_cost_chart": [f"results/tiny/charts/accuracy_vs_time.{kind}"
                            for kind in ("html", "svg", "png", "json", "txt")],
    },
]  # fmt: skip
# Steps that this study has none of. They write as the others do, or have tests of their own.
ELSEWHERE = {
    "fetch_archive", "fetch_fashion_mnist", "fetch_checkpoint", "fetch_metric_weights",
    "index_images", "pack_sample", "copy_train_images", "import_checkpoint", "import_pruned",
    "recalibrate_network", "compare_published",
    "prune_measured_network", "prune_gradually", "regrow_network", "tabulate_groups",
    "verify_study", "find_exemplars_elsewhere", "read_unit_scores", "tabulate_scores",
    "fetch_published_scores", "read_published_scores", "analyse_published_scores",
    "draw_published_scores",
}  # fmt: skip


@pytest.fixture
def small_disk(finished: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """The finished study, its results on a file system of their own."""
    workspace = copy_project(tmp_path)
    results = workspace.path("results")
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", results], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(finished.path("results"), results, dirs_exist_ok=True)
        shutil.copytree(finished.path(".snakemake"), workspace.path(".snakemake"))
        yield workspace
    finally:
        subprocess.run(["umount", "--lazy", results], check=True)


def fill(folder: Path) -> Path:
    """Leave no room: not a single byte."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        status = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize)
    assert os.statvfs(folder).f_bavail == 0
    return ballast


def restore(workspace: Workspace, finished: Workspace) -> None:
    """Put back what is missing: of a failed job, Snakemake removes all outputs."""
    for file in finished.path("results").rglob("*"):
        target = workspace.path(str(file.relative_to(finished.folder)))
        if file.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def remove(workspace: Workspace, rules: dict[str, list[str]]) -> None:
    for outputs in rules.values():
        for output in outputs:
            path = workspace.path(output)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def leftovers(folder: Path) -> list[Path]:
    """Hidden files and folders, but for the file that Snakemake keeps in a folder that it made."""
    return [path for path in folder.rglob(".*") if path.name != ".snakemake_timestamp"]


def test_no_rule_is_forgotten() -> None:
    texts = "".join(path.read_text() for path in PROJECT.glob("rules/*.smk"))
    rules = re.findall(r"^rule (\w+):\n(?:(?!^rule ).*\n)*?    script:", texts, flags=re.M)
    listed = [rule for step in STEPS for rule in step]
    assert sorted([*listed, *ELSEWHERE]) == sorted(rules)


def test_every_step_says_that_the_disk_is_full(finished: Workspace, small_disk: Workspace) -> None:
    for rules in STEPS:
        remove(small_disk, rules)
        ballast = fill(small_disk.path("results"))
        # One job at a time: each begins its log anew, and the block that this frees for a moment
        # would hold a small table of another job.
        done = small_disk.snakemake(
            *(outputs[0] for outputs in rules.values()),
            "--cores",
            "1",
            "--keep-going",
            "--rerun-triggers",
            "mtime",
            "--allowed-rules",
            *rules,
        )
        assert done.returncode != 0
        for rule, outputs in rules.items():
            said = [line for line in done.stderr.splitlines() if "o space left" in line]
            wanted = f"{rule}: no room to write"
            assert any(wanted in line for line in said), f"{rule}\n{done.stderr[-9000:]}"
            assert not [output for output in outputs if small_disk.path(output).exists()], rule
        assert not leftovers(small_disk.path("results"))
        ballast.unlink()
        restore(small_disk, finished)
    # What comes last is made anew, now that there is room.
    for rules in STEPS[-5:]:
        remove(small_disk, rules)
    done = small_disk.snakemake()
    assert done.returncode == 0, done.stderr[-4000:]
    for name in ("networks", "units", "statistics"):
        table = f"{TABLES}/{name}.parquet"
        assert small_disk.path(table).read_bytes() == finished.path(table).read_bytes()
    assert small_disk.snakemake("verify_study").returncode == 0
