"""A pruned GoogLeNet and its compact form, for the tests of what graphs can become."""

from functools import cache

import numpy as np
import torch
from conftest import PREPROCESSING
from described import create_described

from prunescope.compact import removal
from prunescope.compact.graph import batch_norms, tracing
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.networks import modules
from prunescope.networks.description import Description, Network
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


@cache
def masked_googlenet() -> Network:
    """GoogLeNet for small images, with heads and a transformed input, some channels pruned."""
    network = modules.to_network(*create_described(SMALL_GOOGLENET, seed=0))
    method = masks.PruningMethod("input_channel", "layer", "l1")
    return network.masked(masks.make_masks(network, method, 0.6))


@cache
def compact_googlenet() -> CompactNetwork:
    masked = masked_googlenet()
    graph = tracing.trace(masked.description)
    made = removal.compact(*batch_norms.fold_batch_norms(graph, masked.tensors))
    return CompactNetwork(masked.description, made.graph, made.tensors)


def some_images() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 3, 32, 32)


@cache
def expected_logits() -> np.ndarray:
    """What the masked network says of `some_images`."""
    with torch.inference_mode():
        return modules.to_module(masked_googlenet())(some_images()).numpy()
