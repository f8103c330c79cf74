"""ResNet-50 and the transformer for ImageNet: their studies, from the checkpoint to the report."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from imagefolders import make_imagenet
from workspaces import PROJECT, Workspace, temporary_project

from prunescope.foundation import tables
from prunescope.networks import description, modules, network_files
from prunescope.study.config import reading
from prunescope.summarize import study_tables

pytestmark = pytest.mark.slow

SYNSETS = 5
SIDE = 64
RATE = 0.4
SMALL, WEIGHTS = "config/small.yaml", "weights/dense.pth"
# A checkpoint of one's own: published weights are of images of 224 pixels, and not here.
OWN: dict[str, Any] = {"torchvision": None, "timm": None, "file": WEIGHTS}


def small(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A study that extends a preset: one run at one rate, on what five synsets allow."""
    whole = reading.read(PROJECT / "config" / f"{name}.yaml").values
    images = {
        "resize": 72,
        "image_size": SIDE,
        "validation": {"images": None, "seed": 0},
        "probe": {"images": 40, "seed": 0},
    }
    return {
        "extends": f"{name}.yaml",
        "seeds": [0],
        "datasets": {whole["dataset"]: images},
        "recipes": {"short": {"epochs": 1, "batch": 10, "history_images": 20}},
        "interpretability": {
            "exemplars": {"per_side": 20},
            "activations": {"images": 40},
            "similarity": {"image_size": 64},
            "mis": {"explanations": 3, "tasks": 5},
            "ablation": {"units": 4, "images": 20},
        },
        "compact": {"rates": [RATE]},
        "sensitivity": {
            "rates": [],
            "variants": dict.fromkeys(whole["sensitivity"]["variants"]),
        },
        "statistics": {"resamples": 50},
        **changes,
    }


@contextmanager
def finished(
    factory: pytest.TempPathFactory, name: str, changes: Mapping[str, Any]
) -> Iterator[Workspace]:
    """The small version of a preset, run to its end."""
    with temporary_project(factory, name) as workspace:
        make_imagenet(workspace.path("data/imagenet"), SYNSETS, train_per_class=10)
        workspace.path(SMALL).write_text(yaml.safe_dump(small(name, changes)))
        save_weights(workspace)
        done = workspace.snakemake(config=SMALL)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def save_weights(workspace: Workspace) -> None:
    """Write what an untrained network of the study would be as a checkpoint."""
    model = reading.read(workspace.path(SMALL)).values["model"]
    blank = description.Description(
        model["architecture"], SYNSETS, SIDE, (0.0,) * 3, (1.0,) * 3, options=model["options"]
    )
    workspace.path(WEIGHTS).parent.mkdir()
    torch.save(modules.create(blank, seed=0).state_dict(), workspace.path(WEIGHTS))


def table(workspace: Workspace, of: tables.Table) -> pl.DataFrame:
    (path,) = workspace.path(".").glob(of.path.format(study="*_imagenet"))
    return of.read(path)


def network(workspace: Workspace, coordinates: str) -> description.Network:
    (folder,) = workspace.path("results").glob(f"*_imagenet/networks/{coordinates}/seed0")
    return network_files.load(folder / "network.safetensors")


def kinds(workspace: Workspace) -> set[str]:
    rows = table(workspace, study_tables.NETWORKS).rows(named=True)
    return {f"{row['method']}/{row['retraining']}/{row['rate']:.2f}" for row in rows}


def check_dense(workspace: Workspace) -> None:
    """The dense network is the checkpoint."""
    dense = network(workspace, "dense/none/rate0.00")
    state = torch.load(workspace.path(WEIGHTS), weights_only=True)
    assert dense.tensors.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(dense.tensors[name], tensor.numpy(), err_msg=name)


def check_end(workspace: Workspace) -> None:
    """Costs, summary and report are there, and nothing is left to do."""
    sizes = table(workspace, study_tables.STUDY_SIZES)
    assert set(sizes["variant"]) >= {"dense", "masked"}
    (summary,) = workspace.path("results").glob("*_imagenet/summary.md")
    kept = bool((sizes["kept_masked"] != "").any())
    assert kept == ("stay masked" in summary.read_text())
    assert workspace.stale(config=SMALL) == {}
    done = workspace.snakemake("--report", "report.zip", config=SMALL)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(workspace.path("report.zip")) as report:
        assert any(name.endswith("report.html") for name in report.namelist())


def test_resnet50(tmp_path_factory: pytest.TempPathFactory) -> None:
    changes = {
        # Blocks a quarter as wide inside.
        "model": {"checkpoint": OWN, "options": {"width_per_group": 16}},
        "pruning": {
            "rates": [RATE],
            "methods": {
                "global_unstructured": {"retraining": ["none"]},
                "connection_sparsity": None,
            },
        },
        "retraining": {"recalibrated": {"recalibration": {"images": 40, "batch": 20}}},
    }
    with finished(tmp_path_factory, "resnet50_imagenet", changes) as workspace:
        assert kinds(workspace) == {
            "dense/none/0.00", "dense/recalibrated/0.00", "dense/one_shot/0.00",
            "global_unstructured/none/0.40", "structured/none/0.40",
            "structured/recalibrated/0.40", "structured/one_shot/0.40",
        }  # fmt: skip
        check_dense(workspace)
        pruned, recalibrated, retrained = (
            network(workspace, f"structured/{kind}/rate0.40")
            for kind in ("none", "recalibrated", "one_shot")
        )
        for name, tensor in pruned.tensors.items():
            same = (recalibrated.tensors[name] == tensor).all()
            assert same != name.endswith(("running_mean", "running_var", "tracked")), name
        zeros = retrained.masks["layer4.2.conv3.weight"]
        assert zeros.mean() == pytest.approx(1 - RATE, abs=0.001)
        assert not retrained.tensors["layer4.2.conv3.weight"][~zeros].any()
        assert "conv1.weight" not in retrained.masks
        # Of the stem, within blocks, of blocks and of their shortcuts; and the classes.
        inside = 2 * sum(16 * 2**stage * blocks for stage, blocks in enumerate((3, 4, 6, 3)))
        made = sum(256 * 2**stage * (blocks + 1) for stage, blocks in enumerate((3, 4, 6, 3)))
        assert set(table(workspace, study_tables.NETWORKS)["units"]) == {
            64 + inside + made + SYNSETS
        }
        check_end(workspace)


def test_transformer(tmp_path_factory: pytest.TempPathFactory) -> None:
    changes = {
        # Two of the twelve blocks.
        "model": {"checkpoint": OWN, "options": {"img_size": SIDE, "depth": 2}},
        "pruning": {
            "rates": [RATE],
            "methods": {
                "global_unstructured": {"retraining": ["none"]},
                "connection_sparsity": {"retraining": ["one_shot"]},
            },
        },
    }
    with finished(tmp_path_factory, "vit_small_imagenet", changes) as workspace:
        assert kinds(workspace) == {
            "dense/none/0.00", "dense/one_shot/0.00", "global_unstructured/none/0.40",
            "structured/none/0.40", "structured/one_shot/0.40", "connection_sparsity/one_shot/0.40",
        }  # fmt: skip
        check_dense(workspace)
        masks = network(workspace, "structured/one_shot/rate0.40").masks
        # Linear layers alone are pruned, and not the one that tells the classes.
        linear = [f"blocks.{block}.{layer}" for block in range(2)
                  for layer in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")]  # fmt: skip
        assert {name.rpartition(".")[0] for name in masks} == set(linear)
        # Tokens are averaged into units: of the embedding of patches, and of each linear layer.
        assert set(table(workspace, study_tables.NETWORKS)["units"]) == {
            384 + 2 * (3 + 1 + 4 + 1) * 384 + SYNSETS
        }
        check_end(workspace)
