"""Sizes are counted."""

import numpy as np

from prunescope.compact import sizes
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node


def test_sizes_are_counted() -> None:
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    mean = {"kind": "mean", "over": (2, 3), "keep": False}
    graph = Graph(
        (
            Node("a", "conv", (INPUT,), window, (1, 2, 8, 8)),
            Node("n", "batch_norm", ("a",), {"eps": 1e-3}, (1, 2, 8, 8)),
            Node("m", "reduce", ("n",), mean, (1, 2)),
            Node("fc", "linear", ("m",), {}, (1, 5)),
            # The same layer once more, with tensors of its own that are no others.
            Node("fc@2", "linear", ("m",), {}, (1, 5)),
        )
    )
    tensors = {
        "a.weight": np.zeros((2, 3, 3, 3), np.float32),
        "n.weight": np.ones(2, np.float32),
        "n.bias": np.zeros(2, np.float32),
        "n.running_mean": np.ones(2, np.float32),
        "n.running_var": np.ones(2, np.float32),
        "n.num_batches_tracked": np.array(7, np.int64),
        "fc.weight": np.ones((5, 2), np.float32),
        "fc@2.weight": np.ones((5, 2), np.float32),
        "head.weight": np.ones((9, 9), np.float32),
    }
    counted = sizes.count(graph, tensors)
    assert counted["parameters"] == 54 + 4 + 10
    assert counted["nonzero_parameters"] == 12
    assert counted["macs"] == 54 * 64 + 10 + 10
    assert counted["bytes"] == 4 * (54 + 4 + 4 + 10) + 8
    assert 0 < counted["bytes_compressed"] < counted["bytes"] / 3


def test_weights_that_no_image_reaches_have_no_size() -> None:
    """They are noise, which does not compress, around a kernel of zeros."""
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    mean = {"kind": "mean", "over": (2, 3), "keep": False}
    graph = Graph(
        (
            Node("a", "conv", (INPUT,), window, (1, 32, 1, 1)),
            Node("m", "reduce", ("a",), mean, (1, 32)),
        )
    )
    weight = np.random.default_rng(0).normal(size=(32, 3, 3, 3)).astype(np.float32)
    weight[:, :, 1, 1] = 0
    centre = np.zeros((1, 1, 3, 3), bool)
    centre[..., 1, 1] = True
    tensors = {"a.weight": weight, "a.bias": np.ones(32, np.float32)}
    counted = sizes.count(graph, tensors, {"a.weight": centre})
    assert counted["parameters"] == 32 * 3 + 32
    assert counted["nonzero_parameters"] == 32
    assert counted["macs"] == 32 * 3 * 9
    assert counted["bytes"] == 4 * (32 * 3 + 32)
    assert counted["bytes_compressed"] < counted["bytes"] / 5
    everything = sizes.count(graph, tensors)
    assert everything["parameters"] == 32 * 3 * 9 + 32
    assert everything["bytes_compressed"] > 0.8 * 4 * 32 * 3 * 8
