"""Read and write what is known of an architecture: `architecture.json`. No torch.

It is found once for each architecture (`networks/describing/`); all later steps and the checks of
the config read it here.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prunescope.foundation import provenance, whole_files
from prunescope.networks.description import Layer

OUT, IN = "out", "in"


@dataclass(frozen=True)
class Member:
    """Channels of one layer that belong to a group.

    Piece `k` of the group holds the channels `first + k * step` to
    `first + k * step + size - 1`.

    Attributes
    ----------
    layer
        Name of the layer; where a function uses a parameter as the weight of a layer that no
        module stands for, the name of that parameter.
    side
        `out` for the layer's outputs, its units; `in` for the channels of its input, counted over
        all groups of a grouped convolution.
    first, size, step
        Where the channels lie.
    """

    layer: str
    side: str
    first: int
    size: int = 1
    step: int = 1


@dataclass(frozen=True)
class Carried:
    """Numbers of a parameter that belong to channels, though no layer owns the parameter.

    Such as the scale of a norm, a positional embedding, a class token. Piece `k` of the group has
    the places `first + k * step` to `first + k * step + size - 1` along the axis.

    Attributes
    ----------
    parameter
        Name of the parameter.
    operation
        The step that uses it, such as `layer_norm`; of several, separated by commas.
    axis
        The axis along which the channels lie.
    first, size, step
        Where they lie.
    """

    parameter: str
    operation: str
    axis: int
    first: int
    size: int = 1
    step: int = 1


@dataclass(frozen=True)
class Group:
    """Pieces of a network that are alike: the channels of one piece can be removed together only.

    Attributes
    ----------
    members
        Where the channels of a piece lie.
    pieces
        Number of pieces.
    stuck
        The operations, separated by commas, that stand in the way of removing a piece without a
        change of what the network computes, or that could not be followed; empty if there are
        none. `layer_norm` alone stands for norms that read zeros where the members' weights and
        the carried numbers of a piece are zero.
    carried
        Parameters without a layer that belong to the channels of a piece.
    """

    members: tuple[Member, ...]
    pieces: int
    stuck: str = ""
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """What is known of a network before it has weights.

    Attributes
    ----------
    layers
        Convolutions and fully connected layers in forward order, auxiliary heads last.
    coupled
        All channels of the layers that run in evaluation mode, in groups of what goes together.
        A layer that nothing is coupled with has a group of its own. Channels of the images, and
        inputs that no layer makes, are in no group.
    removable
        By name of the layer: why its units cannot be removed physically, such as `layer_norm`;
        empty if all of them can.
    parameters
        Number of parameters, those of auxiliary heads included.
    macs
        Multiplications and additions of all convolutions and fully connected layers for one
        image, in evaluation mode. None if the graph, or the step of a layer in it, is unknown.
    batch_norms
        Number of batch norms that keep statistics; None if nobody has counted them.
    unmeasured_parameters
        By name: why a parameter that acts as the weight of a layer has no layer, and so no units.
        It is not pruned.
    parameter_macs
        By name of such a parameter: its part of `macs`.
    unknown
        Why the network's graph could not be read; empty if it could. If it is unknown, `coupled`
        and what is known of parameters are empty, no layer has a batch norm, and none is removable.
    """

    layers: tuple[Layer, ...]
    coupled: tuple[Group, ...] = ()
    removable: Mapping[str, str] = field(default_factory=dict)
    parameters: int = 0
    macs: int | None = None
    batch_norms: int | None = None
    unmeasured_parameters: Mapping[str, str] = field(default_factory=dict)
    parameter_macs: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""

    @property
    def recalibration_problem(self) -> str:
        """Why the network cannot be recalibrated, and what to do; empty if it can."""
        if self.batch_norms != 0:
            return ""
        return (
            "the network has no batch norm whose statistics could be measured anew. Remove this "
            "kind of retraining"
        )


def save(architecture: Architecture, path: str | Path) -> None:
    """Write a description, whole or not at all."""
    values = {"architecture": asdict(architecture), "provenance": provenance.current()}
    with whole_files.atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(path: str | Path) -> Architecture:
    """Read a description.

    Raises
    ------
    InputError
        The file is damaged, or is no description of an architecture.
    """
    with whole_files.reading(path, "description of an architecture"):
        fields: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))["architecture"]
        layers = tuple(Layer.from_json(layer) for layer in fields["layers"])
        coupled = tuple(
            Group(
                members=tuple(Member(**member) for member in group["members"]),
                pieces=group["pieces"],
                stuck=group["stuck"],
                carried=tuple(Carried(**part) for part in group["carried"]),
            )
            for group in fields["coupled"]
        )
        return Architecture(**{**fields, "layers": layers, "coupled": coupled})
