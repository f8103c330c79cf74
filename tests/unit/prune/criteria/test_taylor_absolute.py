"""The absolute Taylor scores by hand, and against Torch-Pruning."""

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.prune.criteria import taylor_absolute

RNG = np.random.default_rng(0)


def test_by_hand() -> None:
    weight, needed = np.float32([[3, -0.5]]), {"absolute_gradient": np.array([[1.0, 3.0]])}
    np.testing.assert_array_equal(taylor_absolute.rank(weight, (), RNG, needed), [[3, 1.5]])
    np.testing.assert_array_equal(taylor_absolute.rank(weight, (1,), RNG, needed), [4.5])


def test_torch_pruning_has_the_same_scores_of_filters() -> None:
    tp = pytest.importorskip("torch_pruning")
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 6, 3, bias=False)
    images = torch.randn(2, 3, 5, 5)
    graph = tp.DependencyGraph().build_dependency(layer, images)
    layer(images).square().mean().backward()
    group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, list(range(6)))
    importance = tp.importance.GroupTaylorImportance(normalizer=None, group_reduction="mean")
    needed = {"absolute_gradient": layer.weight.grad.abs().double().numpy()}
    ours = taylor_absolute.rank(layer.weight.detach().numpy(), (1, 2, 3), RNG, needed)
    np.testing.assert_allclose(importance(group).numpy(), ours, rtol=1e-5)
