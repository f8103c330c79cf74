"""Settings that the tiny study does without: own rates, recalibration, published numbers."""

import json
import shutil

import numpy as np
import pytest
from workspaces import TINY, Workspace

from prunescope.networks import network_files
from prunescope.summarize import study_tables

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
    # These eight and the dense network that was never trained.
    assert jobs["evaluate_network"] == 9


def test_a_cumulative_network_is_pruned_and_recalibrated(switched: Workspace) -> None:
    folder = "results/switches/networks/global_unstructured/recalibrated/rate0.64/seed0"
    done = switched.snakemake(f"{folder}/network.safetensors", config=OTHER)
    assert done.returncode == 0, done.stderr
    pruned, network = (
        network_files.load(switched.path(f"{folder}/{name}.safetensors"))
        for name in ("pruned", "network")
    )
    gone = sum(int((~mask).sum()) for mask in pruned.masks.values())
    # Weights that no image reaches are not ranked.
    unreached = sum(layer.unreached_weights for layer in pruned.description.layers)
    ranked = sum(mask.size for mask in pruned.masks.values()) - unreached
    assert gone == round(0.784 * ranked)  # 1 - 0.6 * 0.36
    changed = {
        name.rpartition(".")[2]
        for name, tensor in network.tensors.items()
        if not np.array_equal(tensor, pruned.tensors[name])
    }
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}
    assert network.masks.keys() == pruned.masks.keys()
    assert not (switched.path(folder) / "history.parquet").exists()


def test_published_numbers_stand_beside_ours(finished: Workspace, blank: Workspace) -> None:
    shutil.copytree(finished.path("results/tiny/tables"), blank.path("results/tiny/tables"))
    text = blank.path(TINY).read_text()
    assert "published: null" in text
    named = text.replace("published: null", "published: resources/published_results.csv")
    blank.path(OTHER).write_text(named)
    table, chart = "results/tiny/tables/published.parquet", "results/tiny/charts/mis_by_rate.json"
    done = blank.snakemake(table, chart, config=OTHER)
    assert done.returncode == 0, done.stderr
    compared = study_tables.PUBLISHED.read(blank.path(table)).drop_nulls("ours")
    # Of the rates 0.3 and 0.6, figure 4 has the second one for both methods, figure 5 likewise.
    found = compared.select("figure", "our_method", "our_retraining", "our_rate").rows()
    assert sorted(set(found)) == [
        (4, "dense", "none", 0.0),
        (4, "global_unstructured", "one_shot", 0.6),
        (4, "structured", "none", 0.6),
        (5, "global_unstructured", "one_shot", 0.6),
        (5, "structured", "none", 0.6),
    ]
    assert "published by von Rad" in json.dumps(json.loads(blank.path(chart).read_text())["title"])


def test_published_numbers_that_are_not_there_are_named(blank: Workspace) -> None:
    text = blank.path(TINY).read_text()
    blank.path(OTHER).write_text(text.replace("published: null", "published: nothing.csv"))
    done = blank.snakemake("--dry-run", config=OTHER)
    assert done.returncode != 0
    assert "nothing.csv" in done.stdout + done.stderr
