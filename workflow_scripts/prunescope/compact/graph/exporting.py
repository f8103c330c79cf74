"""Export the graph of a network, and prove that the network can be built anew from it."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from prunescope.compact import equivalence, removal
from prunescope.compact.graph import lowering, torch_modules
from prunescope.compact.graph.graph import Graph, find_values
from prunescope.compact.graph.nodes import Tensors
from prunescope.compact.graph.operations.operation import TRACED, CannotCompactError
from prunescope.networks.describing.export import export
from prunescope.networks.exported.recording import record
from prunescope.networks.exported.steps import Recorded
from prunescope.networks.preprocessing import logits_of

# Another number than that of the images with which the graph was exported.
CHECKED = 3
# Rounding is far below; a step that was understood wrongly is far above.
TOLERANCE = 1e-4
UNSOUND = "steps of which compaction makes another network"
DEPENDS = "steps whose meaning depends on how many images there are"


def export_graph(module: nn.Module, image_size: int, channels: int = 3) -> Recorded:
    """Write down what a network computes, if it can be built anew from that.

    Parameters
    ----------
    module
        A module on the CPU in evaluation mode. It stays as it is.
    image_size
        Side of the images in pixels.
    channels
        Channels of the images.

    Returns
    -------
    Recorded
        The graph. If the network that is built from it with the same weights does not give the
        same outputs for random images, or cannot be built, `stays_masked` says why. So it does if
        half of all filters are pruned and the compact network gives other outputs.
    """
    images = torch.zeros(TRACED, channels, image_size, image_size)
    try:
        recorded = record(export(module, images))
    except Exception as error:  # of many types, of this module's code as well
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Recorded(stays_masked=f"a graph that PyTorch cannot export ({first})")
    if recorded.stays_masked:
        return recorded
    try:
        reason = _fault(module, recorded)
    except CannotCompactError as error:
        reason = error.operation
    return replace(recorded, stays_masked=reason)


def _fault(module: nn.Module, recorded: Recorded) -> str:
    """What is wrong with what is built from a graph; empty if nothing is."""
    varied = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in varied.parameters():
            # Freshly initialised, some layers do nothing yet, which would hide what they do.
            if parameter.ndim <= 1 or not parameter.any():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(noise.to(parameter.dtype), alpha=0.1)
        shape = (CHECKED, *recorded.shape[1:])
        images = torch.randn(shape, generator=generator)
        expected = logits_of(varied(images)).numpy()
        tensors = {name: tensor.numpy() for name, tensor in varied.state_dict().items()}
        try:
            graph, used = lowering.lower(recorded, tensors)
            find_values(graph)
            rebuilt = np.asarray(torch_modules.build(graph, used)(images))
        except CannotCompactError:
            raise
        except Exception:  # whatever a wrong shape leads to
            return DEPENDS
        if not _alike(expected, rebuilt):
            return DEPENDS
        return _fault_of_compact(graph, used, images)


def _fault_of_compact(graph: Graph, tensors: Tensors, images: torch.Tensor) -> str:
    pruned = dict(tensors)
    for node in graph.layers()[:-1]:
        for name in (node.tensor("weight"), node.tensor("bias")):
            if name in pruned:
                pruned[name] = pruned[name].copy()
                pruned[name][::2] = 0
    expected = np.asarray(torch_modules.build(graph, pruned)(images))
    try:
        made = removal.compact(graph, pruned)
        found = np.asarray(torch_modules.build(made.graph, made.tensors)(images))
    except CannotCompactError:
        raise
    except Exception:  # whatever an operation says wrongly of its channels leads to
        return UNSOUND
    return "" if _alike(expected, found) else UNSOUND


def _alike(expected: np.ndarray, found: np.ndarray) -> bool:
    if expected.shape != found.shape or not np.isfinite(expected).all():
        return False
    return equivalence.difference(expected, found) <= TOLERANCE
