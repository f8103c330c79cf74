"""Settings that the tiny study does without: own and cumulative rates, recalibration."""

import shutil

import numpy as np
import pytest

from prunescope import checkpoints

from .conftest import TINY, Workspace

pytestmark = pytest.mark.slow

OTHER = "config/switches.yaml"
CHANGES = {
    "study: tiny": "study: switches",
    "  retraining: [one_shot]\npruning": "  retraining: [recalibrated]\npruning",
    "      retraining: [one_shot]\n    structured": (
        "      rates: [0.40, 0.64]\n"
        "      cumulative: true\n"
        "      retraining: [recalibrated]\n"
        "    structured"
    ),
    "recipes:\n": (
        "  recalibrated:\n"
        "    {start: dense, mask: enforced, recipe: null, recalibration: {images: 64, batch: 32}}\n"
        "recipes:\n"
    ),
}


@pytest.fixture
def switched(finished: Workspace, blank: Workspace) -> Workspace:
    """A workspace with the tiny study's images and a config with the switches."""
    shutil.copytree(finished.path("results/datasets"), blank.path("results/datasets"))
    text = blank.path(TINY).read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    blank.path(OTHER).write_text(text)
    return blank


def test_every_network_has_one_maker(switched: Workspace) -> None:
    jobs = switched.stale(config=OTHER)
    # Dense and recalibrated dense; two global ones; the structured method at two rates.
    assert jobs["recalibrate_network"] == 3
    assert jobs["retrain_network"] == 2
    assert jobs["keep_pruned"] == 2
    assert jobs["prune_network"] == 6
    assert jobs["evaluate_network"] == 8


def test_a_cumulative_network_is_pruned_and_recalibrated(switched: Workspace) -> None:
    folder = "results/switches/networks/global_unstructured/recalibrated/rate0.64/seed0"
    done = switched.snakemake(f"{folder}/network.safetensors", config=OTHER)
    assert done.returncode == 0, done.stderr
    pruned, network = (
        checkpoints.load(switched.path(f"{folder}/{name}.safetensors"))
        for name in ("pruned", "network")
    )
    sizes = [mask.size for mask in pruned.masks.values()]
    kept = sum(int(mask.sum()) for mask in pruned.masks.values())
    assert sum(sizes) - kept == round(0.784 * sum(sizes))  # 1 - 0.6 * 0.36
    changed = {
        name.rpartition(".")[2]
        for name, tensor in network.tensors.items()
        if not np.array_equal(tensor, pruned.tensors[name])
    }
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}
    assert network.masks.keys() == pruned.masks.keys()
    assert not (switched.path(folder) / "history.parquet").exists()
