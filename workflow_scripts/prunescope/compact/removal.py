"""Remove from a network what its zeros make superfluous: the same outputs from fewer channels.

Three questions are answered for every channel of every value of the graph:

1. Is it the same number everywhere, whatever the image? A filter whose weights are all zero makes
   such a constant, and what is computed from constants may be constant, too. This is found
   forwards, from the images to the output (`channels.find_constants`).
2. Does anything depend on it? A channel that all its readers multiply by zero is superfluous, and
   so is the filter that makes it, whatever its weights are. This is found backwards
   (`channels.find_needs`).
3. Can a constant become part of its reader? A convolution without padding makes the number `w * c`
   of a constant `c`, which can be added to the bias. With padding, the constant ends at the border
   of the image, and the channel must stay. But one such channel can stand for all others of the
   same reader, because what a convolution makes of two constants differs by a factor only.

Then the network is built anew from the channels that are left (`surgery`). What each operation
contributes is a question to its class in `graph.operations`.

One pass in each direction finds everything: what is constant does not depend on what is read, and
the pass backwards comes to a filter before it comes to the filters that this one reads. Compacting
a compact network again changes nothing.

Which parameters go is decided by what is exactly zero in the file, never by its masks. Weights
that have regrown stay. Weights that no image reaches are taken for zero, if the caller says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prunescope.compact import channels, layer_report
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import Tensors
from prunescope.compact.surgery import Surgery


@dataclass(frozen=True)
class Compact:
    """A network without what it does not need.

    Attributes
    ----------
    graph, tensors
        The network.
    layers
        What became of each convolution and fully connected layer, in the order of the graph: rows
        of `cost_tables.COMPACTION`.
    """

    graph: Graph
    tensors: Tensors
    layers: list[dict[str, object]]


def compact(
    graph: Graph,
    tensors: Tensors,
    counted: Mapping[str, np.ndarray] | None = None,
    round_to: int = 1,
) -> Compact:
    """Remove every channel of a network that its outputs do not depend on.

    Parameters
    ----------
    graph
        What the network computes.
    tensors
        Its parameters and buffers, by name. Those that the graph does not use, such as those of
        auxiliary heads, are left out.
    counted
        Which weights count, as `reach.counted` returns it; None counts all. The others become
        zero, because no image reaches them.

    Returns
    -------
    Compact
        A network that computes the same, up to rounding. Its tensors have the types of `tensors`.

    Raises
    ------
    CannotCompactError
        An operation treats channels in a way that is not known.
    ValueError
        An operation of the graph is not known.
    """
    counted = counted or {}
    original = {
        name: _zeroed(np.asarray(tensors[name]), counted.get(name))
        for name in graph.tensor_names(tensors)
    }
    facts = channels.find_constants(graph, original)
    merged = channels.merge_constants(graph, original, facts)
    needs = channels.find_needs(graph, merged, facts, round_to)
    surgery = Surgery(graph, merged, facts, needs)
    surgery.run()
    made = Graph(tuple(surgery.nodes), graph.shape)
    layers = layer_report.describe_layers(original, surgery, counted)
    return Compact(made, surgery.tensors, layers)


def _zeroed(tensor: np.ndarray, counted: np.ndarray | None) -> np.ndarray:
    return tensor if counted is None else np.where(counted, tensor, 0).astype(tensor.dtype)
