"""The forms of a pruned network that are compared, in each runtime; and whether they agree.

- `dense`: the network before pruning.
- `dense_folded`: the same, its batch norms folded into the convolutions as in compact networks. Not
  in onnxruntime, which folds the batch norms of every network by itself.
- `masked`: the pruned network, its zeros in place.
- `compact`: the pruned network without what was pruned.

Tables call a form a variant.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import nn

from prunescope.compact import equivalence
from prunescope.compact.graph import (
    batch_norms,
    lowering,
    onnx_models,
    onnx_sessions,
    torch_modules,
)
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.compact.graph.nodes import INPUT, Node
from prunescope.data import sampling
from prunescope.data.packed_images import PackedImages
from prunescope.networks import modules
from prunescope.networks.description import Description, Network
from prunescope.networks.exported.steps import Recorded
from prunescope.networks.preprocessing import logits_of, to_input

PYTORCH, ONNXRUNTIME = "pytorch", "onnxruntime"
# Number of images on which the outputs of the masked and of the compact network are compared.
CHECKED = 32

# Computes logits from a batch of images, normalised as the network wants them.
Forward = Callable[[torch.Tensor], object]
Load = Callable[[], Forward]


def loaders(
    dense: Network,
    masked: Network,
    compact: CompactNetwork,
    model: bytes,
    threads: int,
    recorded: Recorded,
) -> dict[str, dict[str, Load]]:
    """How to load each form.

    Parameters
    ----------
    dense, masked, compact
        The networks.
    model
        The compact network as an ONNX model.
    threads
        How many threads onnxruntime uses. Those of torch are a setting of the process.
    recorded
        The graph of their architecture.

    Returns
    -------
    dict
        Functions that load a form, by runtime and then by form. Of a network that was kept masked,
        only the dense and the masked form in PyTorch.
    """
    if compact.kept_masked:
        return {
            PYTORCH: {
                "dense": lambda: in_torch(modules.to_module(dense)),
                "masked": lambda: in_torch(modules.to_module(masked)),
            }
        }
    whole = lowering.of_network(recorded, dense)
    folded = batch_norms.fold_batch_norms(*whole)
    models = {
        "dense": onnx_models.to_onnx(*whole, dense.description),
        "masked": onnx_models.to_onnx(*lowering.of_network(recorded, masked), masked.description),
        "compact": model,
    }
    return {
        PYTORCH: {
            "dense": lambda: in_torch(modules.to_module(dense)),
            "dense_folded": lambda: in_torch(torch_modules.build(*folded)),
            "masked": lambda: in_torch(modules.to_module(masked)),
            "compact": lambda: in_torch(torch_modules.build(compact.graph, compact.tensors)),
        },
        ONNXRUNTIME: {
            name: partial(in_onnxruntime, model, threads) for name, model in models.items()
        },
    }


def small_loaders(description: Description, threads: int) -> dict[str, Load]:
    """How to load a tiny network: its memory is that of the runtime itself.

    Parameters
    ----------
    description
        How many classes the network has, and how large its images are.
    threads
        How many threads onnxruntime uses.

    Returns
    -------
    dict
        Functions that load the network, by runtime.
    """
    side = description.image_size
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    conv, pool = {**window, "groups": 1}, {"kernel": (3, 3), "ceil_mode": False, **window}
    join = {"over": 1, "parts": ("input", "input")}
    mean = {"kind": "mean", "over": (2, 3), "keep": False}
    graph = Graph(
        (
            Node("conv", "conv", (INPUT,), conv, (1, 4, side, side)),
            Node("relu", "relu", ("conv",), {}, (1, 4, side, side)),
            Node("pool", "max_pool", ("relu",), pool, (1, 4, side, side)),
            Node("join", "concat", ("pool", "relu"), join, (1, 8, side, side)),
            Node("mean", "reduce", ("join",), mean, (1, 8)),
            Node("fc", "linear", ("mean",), {}, (1, description.classes)),
        ),
        (1, 3, side, side),
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


def check(
    masked: Network, compact: CompactNetwork, model: bytes, images: PackedImages
) -> tuple[dict[str, float], float]:
    """Fail unless the compact network has the outputs of the masked one, in both runtimes.

    Parameters
    ----------
    masked, compact
        The networks.
    model
        The compact network as an ONNX model.
    images
        The images of a split. `CHECKED` of them are used, a class-balanced part.

    Returns
    -------
    differences, rounding
        The difference by runtime, as `equivalence.difference` gives it; and the difference between
        the outputs of the masked network in single and in double precision.

    Raises
    ------
    ArithmeticError
        As `equivalence.require`.
    """
    shown = images.part(sampling.draw_part(images.labels, CHECKED))
    inputs = to_input(shown.images, masked.description)
    module = modules.to_module(masked)
    expected = _run(in_torch(module), inputs)
    outputs = {
        PYTORCH: _run(in_torch(torch_modules.build(compact.graph, compact.tensors)), inputs),
        ONNXRUNTIME: _run(in_onnxruntime(model, 1), inputs),
    }
    exact = _run(in_torch(module.double()), inputs.double())
    rounding = equivalence.difference(exact, expected)
    return equivalence.require(expected, outputs, rounding), rounding


def _run(forward: Forward, inputs: torch.Tensor) -> np.ndarray:
    return np.asarray(forward(inputs))


def in_torch(module: nn.Module) -> Forward:
    """A function that runs a module without gradients.

    It takes images, floats of shape `(batch, 3, side, side)`, and gives logits of shape
    `(batch, classes)`.
    """

    def run(inputs: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return logits_of(module(inputs))

    return run


def in_onnxruntime(model: bytes, threads: int) -> Forward:
    """A function that runs an ONNX model in a session of its own, with images as for `in_torch`."""
    session = onnx_sessions.open_session(model, threads)
    return lambda inputs: session(np.ascontiguousarray(inputs.numpy()))


def batch_of(images: PackedImages, number: int, description: Description) -> torch.Tensor:
    """A class-balanced part of a split, normalised; repeated if there are not enough images.

    Parameters
    ----------
    images
        The images of the split.
    number
        How many images the batch has.
    description
        How the network wants them normalised.

    Returns
    -------
    torch.Tensor
        float32 of shape `(number, 3, side, side)`.
    """
    rows = np.resize(sampling.draw_part(images.labels, number), number)
    return to_input(images.part(rows).images, description)


def measurements(
    runtimes: Mapping[str, Mapping[str, object]], batches: tuple[int, ...]
) -> list[tuple[str, str, int]]:
    """All combinations of runtime, form and size of batches.

    Parameters
    ----------
    runtimes
        The forms by runtime.
    batches
        Sizes of batches, in images.
    """
    return [
        (runtime, variant, batch)
        for runtime, variants in runtimes.items()
        for batch in batches
        for variant in variants
    ]
