"""A dense checkpoint and one that was pruned elsewhere are a study, without any training."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torchvision.models import googlenet
from workspaces import Workspace, temporary_project

from prunescope.networks import network_files

pytestmark = pytest.mark.slow

PAIR, RETRAINED = "config/pair.yaml", "config/retrained.yaml"
FOLDER = "results/pair/networks/{}/seed0"
DENSE, THEIRS = FOLDER.format("dense/none/rate0.00"), FOLDER.format("theirs/none/rate0.50")
# The five lines of docs/imported.md, and less of everything than config/bases/measured.yaml has.
CONFIG = """
extends: bases/measured.yaml
study: pair
dataset: fashion_mnist
model: {architecture: torchvision:googlenet, checkpoint: {file: weights/dense.pth}}
imported: {theirs: {file: weights/pruned.pth, rate: 0.50}}

datasets: {fashion_mnist: {validation: {images: 100, seed: 0}, probe: {images: 120, seed: 0}}}
interpretability:
  exemplars: {per_side: 20}
  activations: {images: 80}
  similarity: {image_size: 64}
  mis: {explanations: 3, tasks: 5}
  ablation: {units: 6, images: 50}
statistics: {resamples: 50}
charts: {png_scale: 1}
"""
AND_RETRAINED = """
extends: pair.yaml
imported: {theirs: {retraining: [none, one_shot]}}
retraining: {one_shot: {start: dense, mask: enforced, recipe: short}}
recipes:
  short:
    optimizer: sgd
    lr: 0.01
    momentum: 0.9
    weight_decay: 0.0001
    schedule: exponential
    gamma: 0.9
    batch: 32
    steps: 3
    images_per_epoch: 64
    augmentation: []
    history_images: 50
"""


def make_dense() -> nn.Module:
    torch.manual_seed(0)
    module = googlenet(weights=None, num_classes=10, aux_logits=False, init_weights=False)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("bn.weight"):
            tensor.uniform_(1, 2)
        elif name.endswith(("running_mean", "bn.bias")):
            tensor.normal_(std=0.1)
    return module.eval()


def pruned_with_torch(module: nn.Module) -> nn.Module:
    """Half the filters of the blocks and their batch norms, and half the weights of the last."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and name.startswith("inception"):
            prune.ln_structured(layer, "weight", 0.5, n=1, dim=0)
            norm = module.get_submodule(f"{name.removesuffix('conv')}bn")
            dead = ~layer.weight_mask.flatten(1).any(1)
            with torch.no_grad():
                norm.weight[dead] = 0
                norm.bias[dead] = 0
    prune.l1_unstructured(module.fc, "weight", 0.5)
    return module


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The study, run to its end from two files as people leave them."""
    with temporary_project(tmp_path_factory, "pair") as workspace:
        workspace.path(PAIR).write_text(CONFIG)
        workspace.path(RETRAINED).write_text(AND_RETRAINED)
        workspace.path("weights").mkdir()
        module = make_dense()
        state = {"state_dict": nn.DataParallel(module).state_dict(), "best_prec1": 91.78}
        torch.save(state, workspace.path("weights/dense.pth"))
        torch.save(pruned_with_torch(module).state_dict(), workspace.path("weights/pruned.pth"))
        done = workspace.snakemake(config=PAIR)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """The pruned network as torch itself makes it whole."""
    module = pruned_with_torch(make_dense())
    for layer in module.modules():
        if prune.is_pruned(layer) and hasattr(layer, "weight_mask"):
            prune.remove(layer, "weight")
    return module.eval()


def table(project: Workspace, name: str) -> pl.DataFrame:
    return pl.read_parquet(project.path(f"results/pair/tables/{name}.parquet"))


def test_nothing_is_trained(project: Workspace) -> None:
    logs = {path.name for path in project.path("results/logs").rglob("*.log")}
    assert {"import_checkpoint.log", "import_pruned.log"} <= logs
    assert not logs & {"train_dense.log", "retrain_network.log", "recalibrate_network.log"}
    assert table(project, "history").is_empty()


def test_the_networks_are_those_of_the_files(project: Workspace, theirs: nn.Module) -> None:
    for folder, module in ((DENSE, make_dense()), (THEIRS, theirs)):
        network = network_files.load(project.path(f"{folder}/network.safetensors"))
        for name, tensor in module.state_dict().items():
            assert np.array_equal(network.tensors[name], tensor.numpy()), name
    made = network_files.read_provenance(project.path(f"{THEIRS}/pruned.safetensors"))["weights"]
    assert len(made["sha256"]) == 64
    assert made["done"] == [
        "55 weights put together from `*_orig` and `*_mask` (torch.nn.utils.prune)"
    ]


def test_predictions_and_sparsity_are_torchs_own(project: Workspace, theirs: nn.Module) -> None:
    images = np.load(project.path("results/datasets/fashion_mnist/validation/images.npy"))
    inputs = (torch.from_numpy(images).float() / 255 - 0.2860) / 0.3530
    with torch.inference_mode():
        expected = theirs(inputs).softmax(1)
    found = pl.read_parquet(project.path(f"{THEIRS}/predictions.parquet"))
    labels = torch.from_numpy(found["label"].to_numpy().astype(int))
    assert np.allclose(found["p_label"], expected[torch.arange(100), labels], atol=1e-5)
    parameters = [parameter.detach().numpy() for parameter in theirs.parameters()]
    zeros = sum(int((values == 0).sum()) for values in parameters)
    row = table(project, "networks").filter(method="theirs").row(0, named=True)
    # Weights that meet padding only do not count; none of the filters are chosen by that.
    assert row["sparsity_all"] == pytest.approx(
        zeros / sum(values.size for values in parameters), abs=0.01
    )
    assert table(project, "networks")["sparsity_all"].to_list()[0] == 0


def test_units_are_compared_with_those_of_the_dense_network(project: Workspace) -> None:
    units = table(project, "units")
    count = units.group_by("method").len()
    assert sorted(count["method"]) == ["dense", "theirs"]
    assert count["len"].n_unique() == 1
    alignment = pl.read_parquet(project.path(f"{THEIRS}/alignment.parquet"))
    by_layer = dict(zip(alignment["layer"], alignment["cka"], strict=True))
    # The stem was not pruned; what follows the first block differs.
    assert by_layer["conv3.conv"] == pytest.approx(1)
    assert by_layer["inception5b.branch1.conv"] < 0.999


def test_it_is_made_compact_and_timed(project: Workspace) -> None:
    sizes = table(project, "sizes").filter(method="theirs")
    assert sizes["parameters"].min() < 0.5 * sizes["parameters"].max()
    costs = table(project, "costs").filter(method="theirs")
    assert not costs.is_empty()
    described = json.loads(project.path(f"{THEIRS}/compact.json").read_text())
    assert described["provenance"]["rule"] == "compact_network"


def test_the_summary_gives_no_verdict(project: Workspace) -> None:
    summary = project.path("results/pair/summary.md").read_text()
    assert "was pruned elsewhere (theirs) at 50 %, in a single run" in summary
    assert "With one run, no verdict is given" in summary
    assert "| theirs | not retrained | 50 % | 1 |" in summary


def test_all_charts_and_the_explorer_are_there(project: Workspace) -> None:
    charts = project.path("results/pair/charts")
    names = {path.stem for path in charts.glob("*.json")}
    assert {"mis_by_rate", "unit_change", "speed_by_network", "accuracy_vs_time"} <= names
    for name in names:
        assert (charts / f"{name}.svg").stat().st_size > 500
    explorer = project.path("results/pair/explorer")
    assert "theirs" in (explorer / "data/study.js").read_text()
    assert (explorer / "data/theirs/none/rate0.50/seed0/scores.js").stat().st_size > 1000


def test_the_content_of_a_file_decides_what_is_stale(project: Workspace) -> None:
    path = project.path("weights/pruned.pth")
    os.utime(path)
    os.utime(project.path("weights/dense.pth"))
    assert project.stale(PAIR) == {}
    whole = path.read_bytes()
    state = torch.load(path, weights_only=True)
    state["fc.bias"][0] += 1
    try:
        torch.save(state, path)
        stale = project.stale(PAIR)
    finally:
        path.write_bytes(whole)
    assert stale["import_pruned"] == 1
    assert stale["evaluate_network"] == 1
    assert "import_checkpoint" not in stale
    assert project.stale(PAIR) == {}


def test_a_finished_study_needs_its_files_no_more(project: Workspace) -> None:
    path = project.path("weights")
    path.rename(path.with_name("away"))
    try:
        assert project.stale(PAIR) == {}
    finally:
        path.with_name("away").rename(path)


def test_masks_are_held_in_retraining(project: Workspace, theirs: nn.Module) -> None:
    folder = FOLDER.format("theirs/one_shot/rate0.50")
    done = project.snakemake(f"{folder}/network.safetensors", config=RETRAINED)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    network = network_files.load(project.path(f"{folder}/network.safetensors"))
    trained, held = 0, 0
    for name, parameter in theirs.named_parameters():
        before, after = parameter.detach().numpy(), network.tensors[name]
        if name.startswith("inception") or name == "fc.weight":
            assert not after[before == 0].any(), name
            held += int((before == 0).sum())
        trained += int((before != after).sum())
    assert held > 1_000_000
    assert trained > 1_000_000


def test_another_network_is_refused_under_the_key_of_the_config(
    project: Workspace, tmp_path: Path
) -> None:
    state = make_dense().state_dict()
    state["fc.weigth"] = state.pop("fc.weight")
    torch.save(state, tmp_path / "odd.pth")
    other = CONFIG.replace("weights/pruned.pth", str(tmp_path / "odd.pth"))
    project.path("config/odd.yaml").write_text(other.replace("study: pair", "study: odd"))
    folder = THEIRS.replace("/pair/", "/odd/")
    done = project.snakemake(f"{folder}/pruned.safetensors", config="config/odd.yaml")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "1 missing (fc.weight, nearest in the file: 'fc.weigth')" in done.stderr
    assert "Name another file in imported.theirs" in done.stderr
