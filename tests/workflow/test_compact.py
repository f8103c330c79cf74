"""Compact networks of a finished study: proven on real images, measured, ready to be taken away."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from workspaces import PROJECT, Workspace

from prunescope.compact import cost_tables, equivalence, removal
from prunescope.compact.graph import (
    batch_norms,
    graph_files,
    lowering,
    onnx_models,
    onnx_sessions,
    torch_modules,
)
from prunescope.data import packed_images
from prunescope.networks import modules, network_files, preprocessing, reach
from prunescope.networks.description import Network
from prunescope.networks.exported import steps
from prunescope.networks.exported.steps import Recorded
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.summarize import study_tables

pytestmark = pytest.mark.slow

NETWORKS = "results/tiny/networks"
DENSE = f"{NETWORKS}/dense/none/rate0.00/seed0"
COMPACT = [
    f"{NETWORKS}/global_unstructured/one_shot/rate0.60/seed0",
    f"{NETWORKS}/structured/iterative/rate0.60/seed0",
]
# Weights of GoogLeNet that see padding only, at 32 pixels.
UNREACHED = 1_081_344
SPLIT = "results/datasets/fashion_mnist_tiny/validation"
METHODS = {
    "global_unstructured": PruningMethod("weight", "global", "l1", ("conv2d", "linear"), True),
    "structured": PruningMethod("filter", "layer", "l1"),
    "connection_sparsity": PruningMethod("input_channel", "layer", "l1"),
    "connection_sparsity_random": PruningMethod("input_channel", "layer", "random"),
    "kernels": PruningMethod("kernel", "layer", "l2"),
}


@pytest.fixture(scope="module")
def images(finished: Workspace) -> packed_images.PackedImages:
    folder = finished.path(SPLIT)
    return packed_images.PackedImages.open(folder / "images.npy", folder / "labels.npy")


@pytest.fixture(scope="module")
def recorded(finished: Workspace) -> Recorded:
    folder = finished.path("results/datasets/fashion_mnist_tiny/architectures")
    (path,) = folder.glob("*/graph.json")
    return steps.load(path)


def prove(masked: Network, images: packed_images.PackedImages, recorded: Recorded) -> None:
    inputs = preprocessing.to_input(np.array(images.images[:48]), masked.description)
    made = removal.compact(*batch_norms.fold_batch_norms(*lowering.of_network(recorded, masked)))
    model = onnx_models.to_onnx(made.graph, made.tensors, masked.description)
    with torch.inference_mode():
        expected = modules.to_module(masked)(inputs).numpy()
        outputs = torch_modules.build(made.graph, made.tensors)(inputs).numpy()
    in_onnx = onnx_sessions.open_session(model, 1)(np.ascontiguousarray(inputs.numpy()))
    equivalence.require(expected, {"pytorch": outputs, "onnxruntime": in_onnx})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_rate_on_real_images(
    finished: Workspace,
    images: packed_images.PackedImages,
    recorded: Recorded,
    paper_layers: tuple[str, ...],
    method: str,
) -> None:
    dense = network_files.load(finished.path(f"{DENSE}/network.safetensors"))
    kinds = ("pruned", "kept") if method == "structured" else ("pruned",)
    for rate in (0.2, 0.4, 0.6, 0.8):
        for batch_norm in kinds:
            masks = make_masks(
                dense, METHODS[method], rate, exclude=paper_layers, batch_norm=batch_norm
            )
            prove(dense.masked(masks), images, recorded)


@pytest.fixture(scope="module")
def paper_layers() -> tuple[str, ...]:
    return ("conv1.conv", "conv2.conv", "conv3.conv")


def test_every_network_of_the_study(
    finished: Workspace, images: packed_images.PackedImages, recorded: Recorded
) -> None:
    files = sorted(finished.path(NETWORKS).rglob("network.safetensors"))
    assert len(files) == 9
    for path in files:
        prove(network_files.load(path), images, recorded)


@pytest.mark.parametrize("folder", COMPACT)
def test_the_files_are_one_network(
    finished: Workspace, images: packed_images.PackedImages, folder: str
) -> None:
    place = finished.path(folder)
    compact = graph_files.load(place / "compact.json")
    inputs = preprocessing.to_input(np.array(images.images[:16]), compact.description)
    with torch.inference_mode():
        expected = torch_modules.build(compact.graph, compact.tensors)(inputs).numpy()
    session = onnx_sessions.open_session((place / "compact.onnx").read_bytes(), 1)
    outputs = session(np.ascontiguousarray(inputs.numpy()))
    assert equivalence.difference(expected, outputs) <= 1e-4
    sizes = cost_tables.SIZES.read(place / "sizes.parquet")
    assert sizes["variant"].to_list() == ["dense", "masked", "compact"]
    layers = cost_tables.COMPACTION.read(place / "compaction.parquet")
    assert len(layers) == 58
    dense = network_files.load(finished.path(f"{DENSE}/network.safetensors"))
    counted = reach.counted(dense.description, "left_out")
    weights = {name: value for name, value in compact.tensors.items() if name.endswith(".weight")}
    counting = [reach.values(name, value, counted) for name, value in weights.items()]
    assert layers["weights_kept"].sum() == sum(values.size for values in counting)
    assert layers["weights_left_out"].sum() == UNREACHED
    # What no image reaches is zero.
    nonzero = sum(np.count_nonzero(value) for value in weights.values())
    assert nonzero == sum(np.count_nonzero(values) for values in counting)


def test_sizes_leave_out_what_no_image_reaches(finished: Workspace) -> None:
    for folder in COMPACT:
        rows = cost_tables.SIZES.read(finished.path(f"{folder}/sizes.parquet"))
        sizes = {row["variant"]: row for row in rows.iter_rows(named=True)}
        dense = network_files.load(finished.path(f"{DENSE}/network.safetensors"))
        stored = [
            tensor
            for name, tensor in dense.tensors.items()
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        ]
        assert sizes["dense"]["parameters"] == sum(tensor.size for tensor in stored) - UNREACHED
        whole = sum(tensor.nbytes for tensor in dense.tensors.values())
        assert sizes["dense"]["bytes"] == whole - 4 * UNREACHED
        logs = finished.path(folder.replace("results/tiny", "results/logs/tiny"))
        log = (logs / "compact_network.log").read_text()
        assert f"no image reaches: {UNREACHED}, left out (inception5a.branch2.1.conv" in log


def test_a_structured_network_is_smaller(finished: Workspace) -> None:
    sizes = pl.read_parquet(finished.path("results/tiny/tables/sizes.parquet"))
    compact = sizes.filter(method="structured", variant="compact").row(0, named=True)
    masked = sizes.filter(method="structured", variant="masked").row(0, named=True)
    for column in ("parameters", "macs", "bytes", "bytes_compressed"):
        assert compact[column] < 0.6 * masked[column], column
    assert compact["nonzero_parameters"] <= masked["nonzero_parameters"]


def test_costs_are_of_all_variants(finished: Workspace) -> None:
    costs = study_tables.STUDY_COSTS.read(finished.path("results/tiny/tables/costs.parquet"))
    assert len(costs) == len(COMPACT) * 2 * (4 + 3)
    assert (costs["rounds"] >= 15).all()
    numbers = costs.select("seconds", "relative_time", "peak_memory", "relative_memory")
    assert all((column > 0).all() for column in numbers)
    dense = costs.filter(variant="dense")
    assert (dense["relative_time"] == 1).all()
    compact = costs.filter(method="structured", variant="compact")
    assert (compact["relative_memory"] < 0.9).all()


def test_anybody_can_check_the_accuracy(finished: Workspace) -> None:
    network = f"{COMPACT[1]}/compact.onnx"
    script = str(PROJECT / "workflow_scripts" / "tools" / "check_onnx.py")

    def check(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, script, *arguments],
            cwd=finished.folder, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(PROJECT / "workflow_scripts")},
        )  # fmt: skip

    done = check(network, SPLIT)
    assert done.returncode == 0, done.stderr
    networks_table = pl.read_parquet(finished.path("results/tiny/tables/networks.parquet"))
    row = networks_table.filter(method="structured", retraining="iterative", rate=0.6)
    assert f"of 100 images right, top-1 {row['top1'].item():.4f}" in done.stdout
    assert "100 answers as in predictions.parquet" in done.stdout
    missing = check(network, "results/datasets/nowhere")
    assert missing.returncode != 0
    assert "results/datasets/nowhere/images.npy" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert "check_onnx.py NETWORK" in check().stderr


def test_a_run_by_hand_makes_any_network_compact(finished: Workspace) -> None:
    target = Path(f"{NETWORKS}/structured/none/rate0.30/seed0/compact.onnx")
    planned = finished.snakemake("--dry-run", str(target))
    assert planned.returncode == 0, planned.stderr
    assert "compact_network" in planned.stdout + planned.stderr
