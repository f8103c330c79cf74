"""SNIP by hand, and against factors before the connections, which it is defined by."""

import copy

import numpy as np
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from prunescope.data.packed_images import PackedImages
from prunescope.networks.preprocessing import to_input
from prunescope.prune.criteria import snip
from prunescope.prune.measuring import gradients

RNG = np.random.default_rng(0)


def test_by_hand() -> None:
    weight, needed = np.float32([[3, -0.5]]), {"gradient": np.array([[-1.0, 3.0]])}
    np.testing.assert_array_equal(snip.rank(weight, (), RNG, needed), [[3, 1.5]])
    np.testing.assert_array_equal(snip.rank(weight, (1,), RNG, needed), [4.5])


def test_scores_are_the_slopes_by_factors_of_the_connections(make_toy) -> None:
    module, network = make_toy()
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, size=(12, 3, 8, 8), dtype=np.uint8)
    labels = rng.integers(0, 7, size=12)
    name = "mixed.branch2.1.conv.weight"
    batches = list(PackedImages(images, labels).batches(4))
    found = gradients.measure(module, network.description, batches, [name])[name]
    exact = copy.deepcopy(module).double()
    factors = torch.ones(network.tensors[name].shape, dtype=torch.float64, requires_grad=True)
    weight = dict(exact.named_parameters())[name].detach()
    inputs = to_input(images, network.description).double()
    logits = functional_call(exact, {name: factors * weight}, (inputs,))
    # All images at once: the mean over batches of equal size.
    (slopes,) = torch.autograd.grad(cross_entropy(logits, torch.from_numpy(labels)), factors)
    scores = snip.rank(network.tensors[name], (), RNG, found)
    np.testing.assert_allclose(scores, slopes.abs().numpy(), rtol=1e-3, atol=1e-7)
