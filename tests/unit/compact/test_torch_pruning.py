"""Our compact networks beside those of Torch-Pruning (DepGraph), from the same filters.

Torch-Pruning takes channels away whatever they emit. So it can be compared where channels of zeros
are without effect. It cannot

- where a channel emits a constant, such as a filter whose batch norm is kept;
- where a layer norm reads it: the mean is then taken over fewer channels. Of transformers and of
  ConvNeXt, only the hidden channels of a block are compared;
- where queries, keys and values of all heads are one layer: it takes single channels of them, and
  the module cannot divide the rest into heads;
- where other parts of a network than layers have a number for each channel, as the norm over all
  hidden channels of ConvNeXt V2 has;
- in RegNet, whose convolutions in groups it breaks, and in DenseNet, where a norm reads channels of
  many groups, whose places there move with each group that it takes away.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from compacted import lowered, lowered_network
from conftest import PREPROCESSING
from timm.layers import LayerNorm2d

from compact.test_any_network import images, masked_outputs, subject
from prunescope.compact import equivalence, removal
from prunescope.compact.graph import torch_modules
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
    made = removal.compact(*lowered_network(masked))
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
    made = removal.compact(*lowered_network(masked))
    images = torch.randn(4, 3, 32, 32)
    pruned = by_torch_pruning(masked)
    with torch.inference_mode():
        expected = modules.to_module(masked)(images).numpy()
        theirs = pruned(images).numpy()
        ours = torch_modules.build(made.graph, made.tensors)(images).numpy()
    assert equivalence.difference(expected, ours) <= 1e-5
    assert equivalence.difference(expected, theirs) > 1e-3


LAYERS = (torch.nn.Conv2d, torch.nn.Linear)
NORMS = (torch.nn.LayerNorm, LayerNorm2d)
# Networks, and how many groups of coupled channels can be compared.
COUPLED = {
    "resnet18": 12,
    "mobilenet_v3_small": 27,
    "squeezenet1_1": 25,
    "efficientnet_b0": 40,
    "convnext_atto": 12,
    "vit": 2,
    "mixer": 4,
    "deit": 12,
}


@pytest.mark.parametrize("name", COUPLED)
def test_coupled_channels_without_weights_go_in_both(name: str) -> None:
    """Half of each group, such as a residual stream or the hidden channels of a block."""
    on = subject(name)
    side = on.network.description.image_size
    # Other tests leave other weights in the module.
    masked_outputs(on.module, on.network.tensors, images(side))
    masked, theirs = copy.deepcopy(on.module), copy.deepcopy(on.module)
    names = {child: at for at, child in theirs.named_modules()}
    pruned = {layer.name for layer in on.pruned}
    graph = tp.DependencyGraph().build_dependency(theirs, torch.randn(1, 3, side, side))
    kept = [child for child, at in names.items() if isinstance(child, LAYERS) and at not in pruned]
    groups = list(graph.get_all_groups(ignored_layers=kept, root_module_types=list(LAYERS)))
    rng, compared = np.random.default_rng(0), 0
    for group in groups:
        parts = [dependency.target.module for dependency, _ in group]
        if any(isinstance(part, NORMS) or "qkv" in names.get(part, "") for part in parts):
            continue
        root, number = group[0].dep.target.module, len(group[0].idxs)
        gone = sorted(rng.choice(number, number // 2, replace=False).tolist())
        chosen = graph.get_pruning_group(root, group[0].dep.handler, idxs=gone)
        assert graph.check_pruning_group(chosen)
        for dependency, where in chosen:
            part = names.get(dependency.target.module)
            if part is None or "out_channels" not in dependency.handler.__name__:
                continue
            for tensor in masked.get_submodule(part).parameters(recurse=False):
                with torch.no_grad():
                    tensor[where] = 0
        chosen.prune()
        compared += 1
    given = images(side)
    made = removal.compact(*lowered(masked, side))
    ours = torch_modules.build(made.graph, made.tensors)
    with torch.inference_mode():
        expected = masked.eval()(given).numpy()
        exact = masked.double()(given.double()).numpy()
        allowed = max(1e-5, 10 * equivalence.difference(exact, expected))
        assert equivalence.difference(expected, theirs.eval()(given).numpy()) <= allowed
        assert equivalence.difference(expected, ours(given).numpy()) <= allowed
    left = sum(made.tensors[key].size for key in made.graph.parameter_names(made.tensors))
    # A table of positions is a tensor of an addition here, which is no parameter.
    tables = sum(
        made.tensors[key].size
        for key in made.tensors
        if key.endswith(".other") and made.tensors[key].size > 1
    )
    assert compared == COUPLED[name]
    assert left + tables == sum(tensor.numel() for tensor in theirs.parameters())
