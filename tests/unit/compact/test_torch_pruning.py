"""Our compact networks beside those of Torch-Pruning (DepGraph), from the same filters.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import PREPROCESSING

from prunescope.compact import equivalence, removal
from prunescope.compact.graph import torch_modules, tracing
from prunescope.networks import architecture, modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Network
from prunescope.prune.masks import PruningMethod, make_masks

tp = pytest.importorskip("torch_pruning")


@pytest.fixture(scope="module")
def dense() -> Network:
    torch.manual_seed(0)
    blank = Description(
        "torchvision:googlenet", 10, 32, **PREPROCESSING, options={"init_weights": False}
    )
    module = architecture.build(blank)
    layers = describe(module, image_size=32).layers
    return modules.to_network(module, replace(blank, layers=layers))


def by_torch_pruning(network: Network) -> torch.nn.Module:
    """Remove every filter that has no weights, and what depends on it, as DepGraph sees it."""
    module = modules.to_module(network)
    graph = tp.DependencyGraph().build_dependency(module, torch.randn(1, 3, 32, 32))
    for name, layer in module.named_modules():
        if not isinstance(layer, torch.nn.Conv2d):
            continue
        weight = network.tensors[f"{name}.weight"]
        gone = np.flatnonzero(~weight.reshape(len(weight), -1).any(axis=1)).tolist()
        if gone:
            group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, idxs=gone)
            assert graph.check_pruning_group(group)
            group.prune()
    return module.eval()


@pytest.mark.parametrize("rate", [0.4, 0.8])
def test_the_same_filters_give_the_same_network(
    dense: Network, paper_exclude: tuple[str, ...], rate: float
) -> None:
    method = PruningMethod("filter", "layer", "l1")
    masks = make_masks(dense, method, rate, exclude=paper_exclude)
    masked = dense.masked(masks)
    theirs = by_torch_pruning(masked)
    made = removal.compact(tracing.trace(masked.description), masked.tensors)
    ours = torch_modules.build(made.graph, made.tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    assert {name: tuple(tensor.shape) for name, tensor in ours.state_dict().items()} == shapes
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        expected = modules.to_module(masked)(images).numpy()
        assert equivalence.difference(expected, theirs(images).numpy()) <= 1e-5
        assert equivalence.difference(expected, ours(images).numpy()) <= 1e-5


def test_torch_pruning_does_not_know_constants(
    dense: Network, paper_exclude: tuple[str, ...]
) -> None:
    """A pruned filter whose batch norm is kept emits a constant, which Torch-Pruning drops."""
    tensors = {
        name: tensor + np.float32(0.5) if name.endswith(".bn.bias") else tensor
        for name, tensor in dense.tensors.items()
    }
    method = PruningMethod("filter", "layer", "l1")
    shifted = replace(dense, tensors=tensors)
    masks = make_masks(shifted, method, 0.4, exclude=paper_exclude, batch_norm="kept")
    masked = shifted.masked(masks)
    made = removal.compact(tracing.trace(masked.description), masked.tensors)
    images = torch.randn(4, 3, 32, 32)
    pruned = by_torch_pruning(masked)
    with torch.inference_mode():
        expected = modules.to_module(masked)(images).numpy()
        theirs = pruned(images).numpy()
        ours = torch_modules.build(made.graph, made.tensors)(images).numpy()
    assert equivalence.difference(expected, ours) <= 1e-5
    assert equivalence.difference(expected, theirs) > 1e-3
