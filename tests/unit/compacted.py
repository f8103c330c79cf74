"""Networks whose graphs are recorded once, and a pruned GoogLeNet in compact form."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from conftest import PREPROCESSING
from described import create_described
from torch import nn

from prunescope.compact import removal
from prunescope.compact.graph import batch_norms, lowering
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.compact.graph.operations.operation import TRACED
from prunescope.networks import architecture, modules
from prunescope.networks.describing.export import export
from prunescope.networks.description import Description, Network
from prunescope.networks.exported.recording import record
from prunescope.networks.exported.steps import Recorded
from prunescope.prune import masks

# GoogLeNet for small images, with auxiliary heads and a transformed input.
SMALL_GOOGLENET = Description(
    "torchvision:googlenet",
    10,
    32,
    **PREPROCESSING,
    transform_input=True,
    auxiliary_heads=True,
    options={"init_weights": False},
)


def recorded(module: nn.Module, side: int) -> Recorded:
    """The graph of a module in evaluation mode, for square images."""
    return record(export(module.eval(), torch.zeros(TRACED, 3, side, side)))


def state(module: nn.Module) -> dict[str, np.ndarray]:
    """Copies of a module's parameters and buffers, by name."""
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def lowered(module: nn.Module, side: int) -> tuple[Graph, dict[str, np.ndarray]]:
    """The steps of a module, and the tensors that they use."""
    return lowering.lower(recorded(module, side), state(module))


_recorded: dict[str, Recorded] = {}


def recorded_of(description: Description) -> Recorded:
    """The graph of an architecture, recorded once. A name must stand for one architecture only."""
    key = repr(replace(description, layers=(), mean=(), std=()))
    if key not in _recorded:
        with torch.random.fork_rng(devices=[]):
            module = architecture.build(replace(description, transform_input=False))
        _recorded[key] = recorded(module, description.image_size)
    return _recorded[key]


def lowered_network(
    network: Network, tensors: Mapping[str, np.ndarray] | None = None
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The steps of a network, and the tensors that they use: its own, or others."""
    described = network.description
    return lowering.lower(
        recorded_of(described),
        network.tensors if tensors is None else tensors,
        transform_input=described.transform_input,
    )


@cache
def masked_googlenet() -> Network:
    """GoogLeNet for small images, with heads and a transformed input, some channels pruned."""
    network = modules.to_network(*create_described(SMALL_GOOGLENET, seed=0))
    method = masks.PruningMethod("input_channel", "layer", "l1")
    return network.masked(masks.make_masks(network, method, 0.6))


@cache
def compact_googlenet() -> CompactNetwork:
    masked = masked_googlenet()
    made = removal.compact(*batch_norms.fold_batch_norms(*lowered_network(masked)))
    return CompactNetwork(masked.description, made.graph, made.tensors)


def some_images() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 3, 32, 32)


@cache
def expected_logits() -> np.ndarray:
    """What the masked network says of `some_images`."""
    with torch.inference_mode():
        return modules.to_module(masked_googlenet())(some_images()).numpy()
