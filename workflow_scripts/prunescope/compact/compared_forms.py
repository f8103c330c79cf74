"""A pruned network in the forms that are compared, in each runtime.

Compared are `dense`, the network before pruning; `dense_folded`, the same with its batch norms
folded into the convolutions, as those of compact networks are; `masked`, the pruned network with
its zeros in place; and `compact`. In onnxruntime there is no `dense_folded`: it folds batch norms
of every network by itself.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import nn

from prunescope import networks
from prunescope.checkpoints import Description, Network
from prunescope.compact.graph import batch_norms, onnx_models, onnx_sessions, torch_modules, tracing
from prunescope.compact.graph.graph import INPUT, Graph, Node
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.preprocessing import to_input

PYTORCH, ONNXRUNTIME = "pytorch", "onnxruntime"

# Runs a batch of images, normalised as the network wants it; gives its logits.
Run = Callable[[torch.Tensor], object]
Load = Callable[[], Run]


def loaders(
    dense: Network, masked: Network, compact: CompactNetwork, model: bytes, threads: int
) -> dict[str, dict[str, Load]]:
    """How to load each variant: by runtime, then by variant.

    Parameters
    ----------
    dense, masked, compact
        The networks.
    model
        The compact network as an ONNX model.
    threads
        How many threads onnxruntime uses. Those of torch are a setting of the process.
    """
    graph = tracing.trace(dense.description)
    folded = batch_norms.fold_batch_norms(graph, dense.tensors)
    models = {
        "dense": onnx_models.to_onnx(graph, dense.tensors, dense.description),
        "masked": onnx_models.to_onnx(graph, masked.tensors, masked.description),
        "compact": model,
    }
    return {
        PYTORCH: {
            "dense": lambda: in_torch(networks.to_module(dense)),
            "dense_folded": lambda: in_torch(torch_modules.build(*folded)),
            "masked": lambda: in_torch(networks.to_module(masked)),
            "compact": lambda: in_torch(torch_modules.build(compact.graph, compact.tensors)),
        },
        ONNXRUNTIME: {
            name: partial(in_onnxruntime, model, threads) for name, model in models.items()
        },
    }


def small_loaders(description: Description, threads: int) -> dict[str, Load]:
    """A network of hardly any size, by runtime: what loading it takes, the runtime itself takes."""
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    graph = Graph(
        (
            Node("conv", "conv", (INPUT,), window),
            Node("relu", "relu", ("conv",)),
            Node("pool", "max_pool", ("relu",), {"kernel": (3, 3), "ceil_mode": False, **window}),
            Node("join", "concat", ("pool", "relu")),
            Node("mean", "global_mean", ("join",)),
            Node("fc", "linear", ("mean",)),
        )
    )
    tensors = {
        "conv.weight": np.ones((4, 3, 3, 3), np.float32),
        "conv.bias": np.ones(4, np.float32),
        "fc.weight": np.ones((description.classes, 8), np.float32),
        "fc.bias": np.ones(description.classes, np.float32),
    }
    model = onnx_models.to_onnx(graph, tensors, description)
    return {
        PYTORCH: lambda: in_torch(torch_modules.build(graph, tensors)),
        ONNXRUNTIME: lambda: in_onnxruntime(model, threads),
    }


def in_torch(module: nn.Module) -> Run:
    """Run a module without gradients."""

    def run(inputs: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            result: torch.Tensor = module(inputs)
        return result

    return run


def in_onnxruntime(model: bytes, threads: int) -> Run:
    """Run a model in a session of its own."""
    session = onnx_sessions.open_session(model, threads)
    return lambda inputs: session(np.ascontiguousarray(inputs.numpy()))


def batch_of(images: np.ndarray, number: int, description: Description) -> torch.Tensor:
    """The first images, again from the start if there are not enough; normalised."""
    return to_input(images[np.arange(number) % len(images)], description)


def measurements(
    runtimes: Mapping[str, Mapping[str, object]], batches: tuple[int, ...]
) -> list[tuple[str, str, int]]:
    """All combinations of runtime, variant and size of batches."""
    return [
        (runtime, variant, batch)
        for runtime, variants in runtimes.items()
        for batch in batches
        for variant in variants
    ]
