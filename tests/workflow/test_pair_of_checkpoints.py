"""A dense checkpoint and one that was pruned elsewhere, as people leave them, without any training.

That a whole study comes of such a pair is seen in `test_first_study`.
"""

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
TARGETS = [f"{DENSE}/network.safetensors", f"{THEIRS}/network.safetensors"] + [
    f"{folder}/{name}.parquet"
    for folder in (DENSE, THEIRS)
    for name in ("predictions", "accounting")
]
# The five lines of docs/imported.md, and fewer images than config/bases/measured.yaml has.
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
  mis: {explanations: 3, tasks: 5}
  ablation: {images: 50}
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
    """Both networks of the study, measured, from two files as people leave them."""
    with temporary_project(tmp_path_factory, "pair") as workspace:
        workspace.path(PAIR).write_text(CONFIG)
        workspace.path(RETRAINED).write_text(AND_RETRAINED)
        workspace.path("weights").mkdir()
        module = make_dense()
        state = {"state_dict": nn.DataParallel(module).state_dict(), "best_prec1": 91.78}
        torch.save(state, workspace.path("weights/dense.pth"))
        torch.save(pruned_with_torch(module).state_dict(), workspace.path("weights/pruned.pth"))
        done = workspace.snakemake(*TARGETS, config=PAIR)
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


def sparsity_all(project: Workspace, folder: str) -> float:
    counts = pl.read_parquet(project.path(f"{folder}/accounting.parquet"))
    share: float = counts["sparsity_all"].item()
    return share


def test_nothing_is_trained(project: Workspace) -> None:
    jobs = set(project.stale(PAIR))
    assert {"tabulate_study", "summarize_findings"} <= jobs
    assert not jobs & {"train_dense", "retrain_network", "recalibrate_network"}
    logs = {path.name for path in project.path("results/logs").rglob("*.log")}
    assert {"import_checkpoint.log", "import_pruned.log"} <= logs


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
    counted = sparsity_all(project, THEIRS)
    # Weights that meet padding only do not count; none of the filters are chosen by that.
    assert counted == pytest.approx(zeros / sum(values.size for values in parameters), abs=0.01)
    assert sparsity_all(project, DENSE) == 0


def test_the_content_of_a_file_decides_what_is_stale(project: Workspace) -> None:
    path = project.path("weights/pruned.pth")
    os.utime(path)
    os.utime(project.path("weights/dense.pth"))
    assert project.stale(PAIR, *TARGETS) == {}
    whole = path.read_bytes()
    state = torch.load(path, weights_only=True)
    state["fc.bias"][0] += 1
    try:
        torch.save(state, path)
        stale = project.stale(PAIR, *TARGETS)
    finally:
        path.write_bytes(whole)
    assert stale["import_pruned"] == 1
    assert stale["evaluate_network"] == 1
    assert "import_checkpoint" not in stale
    assert project.stale(PAIR, *TARGETS) == {}


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
