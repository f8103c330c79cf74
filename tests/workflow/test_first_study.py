"""Tutorials, followed word by word: a first study of one's own, and a pair of checkpoints in it."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from files import load_module
from PIL import Image
from torch import nn
from torch.nn.utils import prune
from tutorials import blocks, follow, give_environment
from workspaces import Workspace, temporary_project

from prunescope.networks import architecture_files, network_files

pytestmark = pytest.mark.slow

FIRST, PAIR = "config/first.yaml", "config/pair.yaml"
NETWORK = "results/{}/networks/{}/seed0"
DENSE = "dense/none/rate0.00"
PRUNED, RETRAINED = "structured/none/rate0.60", "structured/one_shot/rate0.60"
THEIRS, THEIRS_RETRAINED = "theirs/none/rate0.25", "theirs/one_shot/rate0.25"
# With the files that are not in the repository, the page is followed the other way.
PUBLIC = bool(os.environ.get("PRUNESCOPE_DATA"))
OTHER_WAY = "Made here" if PUBLIC else "The public ResNet-20"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace in which the first tutorial was followed to its end."""
    with temporary_project(tmp_path_factory, "first") as workspace:
        give_environment(workspace)
        follow(workspace, "first_study.md", OTHER_WAY)
        yield workspace


@pytest.fixture(scope="module")
def pair(first: Workspace) -> Workspace:
    """The same workspace, in which the tutorial of the pair was followed, too."""
    follow(first, "pruned_pair.md")
    return first


def table(workspace: Workspace, study: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(workspace.path(f"results/{study}/tables/{name}.parquet"))


def load(workspace: Workspace, study: str, coordinates: str) -> Any:
    folder = workspace.path(NETWORK.format(study, coordinates))
    return network_files.load(folder / "network.safetensors")


def module_of(workspace: Workspace, file: str) -> nn.Module:
    """The network of a file of weights, made by PyTorch alone."""
    content = torch.load(workspace.path(file), map_location="cpu", weights_only=True)
    state = {
        name.removeprefix("module."): tensor
        for name, tensor in content.get("state_dict", content).items()
    }
    code = load_module(workspace.path("networks/resnet_cifar.py"))
    module: nn.Module = code.resnet20(len(state["linear.bias"]))
    pruned = [name.removesuffix(".weight_orig") for name in state if name.endswith("_orig")]
    for name in pruned:
        prune.identity(module.get_submodule(name), "weight")
    module.load_state_dict(state)
    for name in pruned:
        prune.remove(module.get_submodule(name), "weight")
    return module.eval()


def probabilities(workspace: Workspace, module: nn.Module) -> torch.Tensor:
    """What a network says of the validation images, read from their files and scaled by hand."""
    index = pl.read_parquet(workspace.path("results/datasets/first/validation/index.parquet"))
    pixels = np.stack([
        np.asarray(Image.open(workspace.path(f"data/first/{file}")).convert("RGB"))
        for file in index["file"]
    ])  # fmt: skip
    inputs = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        logits = module(torch.from_numpy(inputs).float().permute(0, 3, 1, 2))
    return logits.softmax(1)[torch.arange(len(index)), torch.tensor(index["label"].to_list())]


# --- a first own study -----------------------------------------------------------------------


def test_the_first_study_says_what_its_page_says(first: Workspace) -> None:
    networks = table(first, "first", "networks")
    dense = networks.filter(method="dense", retraining="none")["top1"]
    assert dense.n_unique() == 1
    assert 0.7 < dense[0] < 0.9 if PUBLIC else dense[0] > 0.9
    top1 = dict(
        networks.filter(method="structured")
        .group_by("retraining", "rate")
        .agg(pl.col("top1").mean())
        .select(pl.concat_str("retraining", "rate", separator=" "), "top1")
        .iter_rows()
    )
    assert top1["one_shot 0.3"] > top1["none 0.3"] + 0.2
    assert top1["one_shot 0.3"] > top1["one_shot 0.6"]
    summary = first.path("results/first/summary.md").read_text()
    # Runs that do not differ.
    alike = r"^\| structured \| not retrained .*\| [-+]0\.\d+ \| not tested \|$"
    assert len(re.findall(alike, summary, re.M)) == 2
    assert "**Warning:**" in summary
    page = "\n".join(block.text for block in blocks("first_study.md"))
    assert "validation: {images: 360" in page
    assert networks["images"].unique().to_list() == [360]


def test_the_first_study_has_all_that_its_page_points_to(first: Workspace) -> None:
    charts = first.path("results/first/charts")
    for name in ("accuracy_by_method", "mis_by_rate"):
        assert (charts / f"{name}.html").stat().st_size > 1000
        assert (charts / f"{name}.txt").read_text()
    assert first.path("results/first/explorer/index.html").is_file()


def test_accuracy_is_that_of_a_plain_loop(first: Workspace) -> None:
    expected = probabilities(first, module_of(first, "weights/first.pth"))
    folder = first.path(NETWORK.format("first", DENSE))
    found = pl.read_parquet(folder / "predictions.parquet")
    assert np.allclose(found["p_label"], expected, atol=1e-4)


def test_what_is_excluded_by_role_is_left_alone_and_not_counted(first: Workspace) -> None:
    network = load(first, "first", PRUNED)
    assert "conv1.weight" not in network.masks
    assert "linear.weight" not in network.masks
    assert len([name for name in network.masks if name.endswith("weight")]) >= 18
    # round(0.6 * 16) of 16 filters.
    kept = network.masks["layer1.0.conv1.weight"].any(axis=(1, 2, 3))
    assert np.count_nonzero(~kept) == 10
    log = first.path(f"results/logs/first/networks/{PRUNED}/seed0/prune_network.log")
    assert "left alone: conv1" in log.read_text()
    retrained = load(first, "first", RETRAINED)
    weights = retrained.tensors["layer1.0.conv1.weight"]
    assert np.all(weights[~retrained.masks["layer1.0.conv1.weight"]] == 0)
    assert np.any(weights != network.tensors["layer1.0.conv1.weight"])


def test_every_unit_of_its_own_network_is_scored(first: Workspace) -> None:
    module = module_of(first, "weights/first.pth")
    expected = {
        name: layer.weight.shape[0]
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    scores = pl.read_parquet(first.path(f"{NETWORK.format('first', PRUNED)}/mis.parquet"))
    units = dict(scores.group_by("layer", maintain_order=True).len().iter_rows())
    assert units == expected
    (described,) = first.path("results/datasets/first").rglob("architecture.json")
    found = architecture_files.load(described)
    assert [layer.name for layer in found.layers] == list(expected)
    assert found.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_an_edit_of_its_network_reruns_what_uses_it(
    first: Workspace, edit: Callable[[Path, str, str], None]
) -> None:
    targets = [
        f"{NETWORK.format('first', coordinates)}/{file}.parquet"
        for coordinates in (PRUNED, RETRAINED)
        for file in ("mis", "accounting", "predictions")
    ]
    assert first.stale(FIRST, *targets) == {}
    code = first.path("networks/resnet_cifar.py")
    edit(code, "def resnet20(", "# The smallest.\ndef resnet20(")
    assert first.stale(FIRST, *targets) == {}
    edit(code, "features.mean(dim=(2, 3))", "features.amax(dim=(2, 3))")
    assert set(first.stale(FIRST, *targets)) == {
        "describe_architecture", "import_checkpoint", "prune_network", "keep_pruned",
        "retrain_network", "evaluate_network", "account_network", "find_exemplars", "score_mis",
    }  # fmt: skip


# --- a pair of checkpoints -------------------------------------------------------------------


def test_the_files_of_a_pair_become_its_networks(pair: Workspace) -> None:
    module = module_of(pair, "weights/pruned.pth")
    network = load(pair, "pair", THEIRS)
    for name, tensor in module.state_dict().items():
        assert np.array_equal(network.tensors[name], tensor.numpy()), name
    file = pair.path(f"{NETWORK.format('pair', THEIRS)}/pruned.safetensors")
    made = network_files.read_provenance(file)["weights"]
    assert len(made["sha256"]) == 64
    assert made["done"] == [
        "18 weights put together from `*_orig` and `*_mask` (torch.nn.utils.prune)"
    ]


def test_predictions_and_sparsity_of_theirs_are_torchs_own(pair: Workspace) -> None:
    module = module_of(pair, "weights/pruned.pth")
    found = pl.read_parquet(pair.path(f"{NETWORK.format('pair', THEIRS)}/predictions.parquet"))
    assert np.allclose(found["p_label"], probabilities(pair, module), atol=1e-4)
    parameters = [parameter.detach().numpy() for parameter in module.parameters()]
    zeros = sum(int((values == 0).sum()) for values in parameters)
    row = table(pair, "pair", "networks").filter(method="theirs", retraining="none")
    assert row["sparsity_all"][0] == pytest.approx(
        zeros / sum(values.size for values in parameters), abs=0.01
    )


def test_units_of_theirs_are_compared_with_those_of_the_dense_network(pair: Workspace) -> None:
    count = table(pair, "pair", "units").group_by("method", "retraining").len()
    assert sorted(set(count["method"])) == ["dense", "theirs"]
    assert count["len"].n_unique() == 1
    folder = pair.path(NETWORK.format("pair", THEIRS))
    alignment = pl.read_parquet(folder / "alignment.parquet")
    by_layer = dict(zip(alignment["layer"], alignment["cka"], strict=True))
    # The first convolution was not pruned; what follows differs.
    assert by_layer["conv1"] == pytest.approx(1)
    assert by_layer["layer3.2.conv2"] < 0.999


def test_masks_of_theirs_are_held_in_retraining(pair: Workspace) -> None:
    module = module_of(pair, "weights/pruned.pth")
    network = load(pair, "pair", THEIRS_RETRAINED)
    trained, held = 0, 0
    for name, parameter in module.named_parameters():
        before, after = parameter.detach().numpy(), network.tensors[name]
        if name.startswith("layer") and "conv" in name:
            assert not after[before == 0].any(), name
            held += int((before == 0).sum())
        trained += int((before != after).sum())
    assert held > 60_000
    assert trained > 150_000


def test_theirs_are_made_compact_and_timed(pair: Workspace) -> None:
    sizes = table(pair, "pair", "sizes").filter(method="theirs", retraining="none")
    parameters = sizes["parameters"].to_list()
    assert min(parameters) < 0.8 * max(parameters)
    assert not table(pair, "pair", "costs").filter(method="theirs").is_empty()
    folder = pair.path(NETWORK.format("pair", THEIRS))
    described = json.loads((folder / "compact.json").read_text())
    assert described["provenance"]["rule"] == "compact_network"


def test_the_summary_of_a_pair_gives_a_verdict(pair: Workspace) -> None:
    summary = pair.path("results/pair/summary.md").read_text()
    rows = re.findall(r"^\| theirs \| .*$", summary, flags=re.M)
    assert len(rows) == 2
    retrained, plain = rows
    if "not retrained" in retrained:
        retrained, plain = plain, retrained
    assert plain.endswith("| not tested |")
    assert retrained.endswith(("| lower |", "| higher |", "| undecided |", "| within the margin |"))
    charts = pair.path("results/pair/charts")
    names = {path.stem for path in charts.glob("*.json")}
    assert {"mis_by_rate", "unit_change", "speed_by_network", "accuracy_vs_time"} <= names
    for name in names:
        assert (charts / f"{name}.svg").stat().st_size > 500
    explorer = pair.path("results/pair/explorer/data")
    assert "theirs" in (explorer / "study.js").read_text()
    assert (explorer / f"{THEIRS}/seed0/scores.js").stat().st_size > 1000


def test_a_finished_study_needs_its_files_no_more(pair: Workspace) -> None:
    path = pair.path("weights")
    path.rename(path.with_name("away"))
    try:
        assert pair.stale(PAIR) == {}
    finally:
        path.with_name("away").rename(path)


def test_one_run_of_a_pair_gives_no_verdict(pair: Workspace) -> None:
    """The last of this module: it makes the tables of the pair anew, from one of the runs."""
    pair.path("config/alone.yaml").write_text(
        """
extends: pair.yaml
seeds: [0]
model: {retraining: []}
imported: {theirs: {retraining: [none]}}
"""
    )
    done = pair.snakemake("results/pair/summary.md", config="config/alone.yaml")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    summary = pair.path("results/pair/summary.md").read_text()
    assert "was pruned elsewhere (theirs) at 25 %, in a single run" in summary
    assert "With one run, no verdict is given" in summary
    assert "| theirs | not retrained | 25 % | 1 |" in summary
