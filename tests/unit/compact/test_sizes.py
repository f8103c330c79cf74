"""Sizes are counted."""

import numpy as np

from prunescope.compact import sizes
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node


def test_sizes_are_counted() -> None:
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    graph = Graph(
        (
            Node("a", "conv", (INPUT,), window),
            Node("n", "batch_norm", ("a",), {"eps": 1e-3}),
            Node("m", "global_mean", ("n",)),
            Node("fc", "linear", ("m",)),
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
        "head.weight": np.ones((9, 9), np.float32),
    }
    counted = sizes.count(graph, tensors, {"a": 64, "fc": 1})
    assert counted["parameters"] == 54 + 4 + 10
    assert counted["nonzero_parameters"] == 12
    assert counted["macs"] == 54 * 64 + 10
    assert counted["bytes"] == 4 * (54 + 4 + 4 + 10) + 8
    assert 0 < counted["bytes_compressed"] < counted["bytes"] / 3
