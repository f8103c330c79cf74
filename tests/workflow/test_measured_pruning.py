"""Networks are pruned by criteria that are measured on real images, at once and in steps."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from workspaces import Workspace, temporary_project

from prunescope.networks import network_files
from prunescope.networks.description import Network

pytestmark = pytest.mark.slow

CONFIG = "config/measured_pruning.yaml"
RATE = 0.6
WEIGHTS: dict[str, Any] = {
    "granularity": "weight", "layers": ["conv2d"], "biases": False, "retraining": ["none"],
}  # fmt: skip
METHODS: dict[str, Any] = {
    "taylor": {
        **WEIGHTS, "granularity": "filter", "scope": "layer", "criterion": "taylor",
        "sample": {"images": 32, "batch": 16}, "iterations": 2,
    },
    "wanda": {
        **WEIGHTS, "scope": "layer", "criterion": "wanda", "sample": {"images": 48, "batch": 24},
    },
    "snip": {
        **WEIGHTS, "scope": "global", "criterion": "snip", "sample": {"images": 64, "batch": 16},
    },
    "synflow": {**WEIGHTS, "scope": "global", "criterion": "synflow", "iterations": 3},
    # The same pieces, in one step.
    "synflow_at_once": {**WEIGHTS, "scope": "global", "criterion": "synflow", "iterations": 1},
}  # fmt: skip
STUDY: dict[str, Any] = {
    "study": "measured_pruning",
    "extends": "tiny.yaml",
    "model": {"untrained": False, "retraining": []},
    "pruning": {
        "rates": [RATE],
        "methods": {"global_unstructured": None, "structured": None, **METHODS},
    },
    "retraining": {"one_shot": None, "iterative": None},
    "recipes": {"short": None},
    "compact": {"rates": []},
}
TARGETS = {
    name: f"results/measured_pruning/networks/{name}/none/rate{RATE:.2f}/seed0/pruned.safetensors"
    for name in METHODS
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with temporary_project(tmp_path_factory, "measured_pruning") as workspace:
        workspace.path(CONFIG).write_text(yaml.safe_dump(STUDY))
        done = workspace.snakemake("--", *TARGETS.values(), config=CONFIG)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def pruned(workspace: Workspace, method: str) -> Network:
    return network_files.load(workspace.path(TARGETS[method]))


def convolutions(network: Network) -> list[str]:
    excluded = ("conv1.conv", "conv2.conv", "conv3.conv")
    layers = network.description.layers
    return [one.weight for one in layers if one.kind == "conv2d" and one.name not in excluded]


def counted(network: Network, name: str) -> np.ndarray:
    """Which weights an image reaches: on a map of one pixel, the centre of a 3 x 3 kernel."""
    shape = network.tensors[name].shape
    reached = np.ones(shape, dtype=bool)
    if name.startswith("inception5") and shape[2:] == (3, 3):
        reached[:] = False
        reached[:, :, 1, 1] = True
    return reached


@pytest.mark.parametrize("method", METHODS)
def test_the_weights_that_go_are_as_many_as_the_rate_says(made: Workspace, method: str) -> None:
    network = pruned(made, method)
    names = convolutions(network)
    assert names
    gone = {name: ~network.masks[name] for name in names}
    for name in names:
        assert not network.tensors[name][gone[name]].any()
    if METHODS[method]["scope"] == "global":
        total = sum(int(counted(network, name).sum()) for name in names)
        assert sum(int(one.sum()) for one in gone.values()) == round(RATE * total)
        return
    for name in names:
        if method == "taylor":
            filters = gone[name].reshape(len(gone[name]), -1)
            assert int(filters.all(axis=1).sum()) == int(filters.any(axis=1).sum())
            assert int(filters.all(axis=1).sum()) == round(RATE * len(filters))
        else:
            assert gone[name].sum() == round(RATE * counted(network, name).sum())


@pytest.mark.parametrize("other", ["synflow_at_once", "snip"])
def test_steps_and_criteria_choose_other_weights(made: Workspace, other: str) -> None:
    first, second = pruned(made, "synflow"), pruned(made, other)
    names = convolutions(first)
    assert any((first.masks[name] != second.masks[name]).any() for name in names)


EDITS = {
    "images of a sample": ("taylor", "images: 32", "images: 16"),
    "batch of a sample": ("wanda", "batch: 24", "batch: 16"),
    "seed of a sample": ("snip", "images: 64", "images: 64\n        seed: 1"),
    "iterations": ("synflow", "iterations: 3", "iterations: 4"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_a_sample_prunes_its_method_anew_and_nothing_else(
    made: Workspace, edit: Callable[[Path, str, str], None], name: str
) -> None:
    method, old, new = EDITS[name]
    edit(made.path(CONFIG), old, new)
    for targets in (TARGETS.values(), [TARGETS[method]]):
        assert made.stale(CONFIG, *targets) == {"prune_measured_network": 1}


def test_nothing_is_left_to_do_afterwards(made: Workspace) -> None:
    assert made.stale(CONFIG, *TARGETS.values()) == {}
