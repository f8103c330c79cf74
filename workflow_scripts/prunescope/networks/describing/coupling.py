"""Which channels of a network must be removed together, and what stands in the way.

Labels (`channels.py`) are followed through the exported graph, step by step. A step of
`operations.py` says what it does to them; layers read the channels of their input and make new
ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from prunescope.networks.architecture_files import IN, OUT, Carried, Group, Member
from prunescope.networks.describing.carried.places import Places
from prunescope.networks.describing.carried.zeros import zeros
from prunescope.networks.describing.channels import Channels, varies
from prunescope.networks.describing.export import Exported, operation_of, shape_of
from prunescope.networks.describing.operations import (
    OPERATIONS,
    Known,
    Step,
    cannot_follow,
    labels_of,
    lost,
    step_of,
    tensors_in,
)
from prunescope.networks.describing.uses import CONVOLUTIONS, LINEAR, Use

# What stands in the way of removing outputs of the last layer.
OUTPUT = "output"
UNSEEN = "its step in the graph cannot be told"
CONSTANT = "what it reads does not depend on the images"

# What stands in the way of setting all that carries a channel to zero.
NOT_ZERO = "layer_norm of what stays other than zero"
NORM = "layer_norm"
COMPUTED = "a weight that is computed"

# Consecutive channels of a layer: its name, the side, the first and the number. Of a parameter
# that carries channels: its name, the axis, the first and the number.
_Run = tuple[str, str, int, int]


class Coupling:
    """What goes together in a graph.

    Parameters
    ----------
    exported
        The graph, in evaluation mode.
    uses
        Where it uses weights.
    """

    def __init__(self, exported: Exported, uses: Mapping[fx.Node, Use]) -> None:
        self._channels = Channels()
        self._exported = exported
        self._uses = uses
        owned = {use.parameter for use in uses.values()}
        owned |= {f"{use.layer}.bias" for use in uses.values()}
        self._places = Places(exported, owned)
        self._slots: dict[tuple[str, str], torch.Tensor] = {}
        self._values: dict[fx.Node, Any] = {}
        self._state = {tensor.untyped_storage().data_ptr() for _, tensor in exported.state.values()}
        self._lost_all: set[str] = set()
        with torch.no_grad():
            for node in exported.nodes:
                self._values[node] = self._follow(node, exported)

    def removable(self, layer: str) -> str:
        """What stands in the way of removing units of a layer; empty if all can be removed."""
        outs = self._slots.get((layer, OUT))
        if outs is None:
            used = any(use.layer == layer for use in self._uses.values())
            return CONSTANT if used else UNSEEN
        found = self._channels.hindrances(outs.tolist()) | self._lost_all
        roots = torch.unique(self._channels.roots(outs))
        if len(roots) == 1 and len(outs) > 1 and not found:
            glue = ", ".join(sorted(self._channels.glue(int(roots[0]))))
            return f"all units go together ({glue})" if glue else "all units go together"
        return ", ".join(sorted(found))

    def groups(self) -> tuple[Group, ...]:
        """All channels in groups of what goes together, in the order of the layers."""
        pieces: dict[int, list[tuple[str, str, int]]] = {}
        for (name, side), labels in self._slots.items():
            for number, root in enumerate(self._channels.roots(labels).tolist()):
                pieces.setdefault(root, []).append((name, side, number))
        carried = list(self._places.numbers(self._channels))
        for numbers in carried:
            for number, root in enumerate(numbers.roots):
                pieces.setdefault(root, []).append((numbers.parameter, str(numbers.axis), number))
        not_zero = self._not_zero({numbers.node for numbers in carried})
        computed = self._of_computed_weights()
        made = []
        for root, places in pieces.items():
            stuck = self._channels.hindrances([root]) | self._lost_all
            if root in not_zero and NORM in stuck:
                stuck = stuck | {NOT_ZERO}
            if root in computed:
                stuck = stuck | {COMPUTED}
            if any(side == OUT for _, side, _ in places):
                made.append((tuple(_runs(places)), ", ".join(sorted(stuck))))
        operations = {numbers.parameter: numbers.operation for numbers in carried}
        return tuple(_told(group, operations) for group in _gathered(made))

    def _not_zero(self, masked: set[str]) -> set[int]:
        """Channels that a layer norm may read as other than zero, whatever is set to zero."""
        found = zeros(self._exported, self._uses, masked)
        read = [
            labels_of(self._values[node.all_input_nodes[0]])
            for node in self._exported.nodes
            if node.op == "call_function"
            and operation_of(node) == NORM
            and node.all_input_nodes[0] not in found
        ]
        return {
            root for labels in read for root in torch.unique(self._channels.roots(labels)).tolist()
        }

    def _of_computed_weights(self) -> set[int]:
        """Channels of layers whose weights are not parameters as they are, or no plain weights."""
        found: set[int] = set()
        for node, use in self._uses.items():
            weight = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
            plain = isinstance(weight, fx.Node) and weight.name in self._exported.parameters
            # The layout of other weights is not that of (out, in).
            told = use.layer is not None or operation_of(node) in LINEAR
            if not (plain and told):
                for side in (OUT, IN):
                    if (slot := self._slots.get((use.name, side))) is not None:
                        found |= set(self._channels.roots(slot).tolist())
        return found

    # --- the steps -------------------------------------------------------------------------------

    def _follow(self, node: fx.Node, exported: Exported) -> Any:
        if node.op == "placeholder":
            if node.name in exported.state:
                return Known(exported.state[node.name][1], self._places.of(node.name))
            value = node.meta.get("val")
            unknown = torch.tensor(self._channels.unknown("images"))
            return unknown.expand(value.shape) if isinstance(value, torch.Tensor) else value
        if node.op == "output":
            for value in tensors_in(self._value(node.args)):
                self._channels.hinder(labels_of(value), OUTPUT)
            return None
        if node.op != "call_function":
            # Part of a graph that another step runs: that one cannot be followed.
            return None
        step = step_of(node, self._value, self._channels)
        if all(isinstance(value, Known) for value in tensors_in(step.given.values())):
            return self._places.follow(step, self._compute(node))
        if operation_of(node) in ("zeros_like", "new_zeros", "new_ones", "ones_like", "new_full"):
            return self._compute(node)
        made = self._changed(step)
        self._places.meet(step, made)
        self._write(step, made)
        return made

    def _changed(self, step: Step) -> Any:
        operation = operation_of(step.node)
        if operation in (*CONVOLUTIONS, *LINEAR):
            use = self._uses.get(step.node)
            if use is None or isinstance(step.given.get("bias"), torch.Tensor):
                return cannot_follow(step)
            return self._mix(step, use)
        return OPERATIONS.get(step.name, cannot_follow)(step)

    def _value(self, argument: Any) -> Any:
        return fx.node.map_arg(argument, lambda node: self._values[node])

    def _compute(self, node: fx.Node) -> Any:
        """Run a step whose result does not depend on the images."""

        def real(other: fx.Node) -> Any:
            value = self._values[other]
            if isinstance(value, torch.Tensor):
                # Only its shape is read.
                return torch.zeros(value.shape, dtype=other.meta["val"].dtype)
            return _unwrapped(value)

        given: Any = fx.node.map_arg((node.args, node.kwargs), real)
        args, kwargs = given
        if _writes(node) and args[0].untyped_storage().data_ptr() in self._state:
            self._lost_all.add(operation_of(node))
            return Known(args[0])
        target: Any = node.target
        return _wrapped(target(*args, **kwargs))

    def _write(self, step: Step, made: Any) -> None:
        """Let the input that a step writes to have the labels of what it makes."""
        if not _writes(step.node):
            return
        target = step.node.args[0]
        before = self._values[target] if isinstance(target, fx.Node) else None
        same = (
            step.name in OPERATIONS
            and isinstance(before, torch.Tensor)
            and isinstance(made, torch.Tensor)
            and torch.equal(self._channels.roots(before), self._channels.roots(made))
        )
        if not same:
            # Other names of the same memory would have to change as well.
            self._lost_all.add(operation_of(step.node))

    def _mix(self, step: Step, use: Use) -> Any:
        """A layer: new channels, each made of all of its input."""
        node, labels = step.node, step.labels("input")
        shape = shape_of(node)
        axis = labels.ndim - 1 if step.name in LINEAR else labels.ndim - len(shape) + 1
        groups = int(step.given.get("groups") or 1)
        outs, ins = shape[axis], labels.shape[axis]
        made, read = self._slot(use, OUT, outs), self._slot(use, IN, ins)
        if made is None or read is None:
            self._hinder_layer(use, step.name)
            return lost(node, self._channels, [labels], step.name)
        roots = self._channels.roots(labels)
        if any(varies(roots, other) for other in range(labels.ndim) if other != axis):
            # It mixes along another axis than that of the channels.
            self._hinder_layer(use, step.name)
            return lost(node, self._channels, [labels], step.name)
        given = labels
        for other in range(labels.ndim):
            given = given if other == axis else given.narrow(other, 0, 1)
        self._channels.meet(read, given.reshape(-1))
        if groups > 1:
            together = torch.cat([read.reshape(groups, -1), made.reshape(groups, -1)], dim=1)
            first = together[:, :1].expand(together.shape)
            self._channels.unite(first, together, glue=f"grouped {step.name}")
        places = [1] * len(shape)
        places[axis] = outs
        return made.reshape(places).expand(shape)

    def _slot(self, use: Use, side: str, number: int) -> torch.Tensor | None:
        """The channels of one side of a layer; None if they cannot be told."""
        if not use.whole:
            return None
        if (use.name, side) not in self._slots:
            self._slots[use.name, side] = self._channels.new(number)
        slot = self._slots[use.name, side]
        return slot if len(slot) == number else None

    def _hinder_layer(self, use: Use, operation: str) -> None:
        for side in (OUT, IN):
            if (slot := self._slots.get((use.name, side))) is not None:
                self._channels.hinder(slot, operation)


def _writes(node: fx.Node) -> bool:
    return operation_of(node).endswith("_") and not operation_of(node).endswith("__")


def _unwrapped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_unwrapped, value))
    return value.tensor if isinstance(value, Known) else value


def _wrapped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_wrapped, value))
    return Known(value) if isinstance(value, torch.Tensor) else value


# --- groups --------------------------------------------------------------------------------------


def _runs(places: Sequence[tuple[str, str, int]]) -> Iterator[_Run]:
    """Channels that follow one another, as one run."""
    run: _Run | None = None
    for name, side, number in places:
        if run and run[:2] == (name, side) and run[2] + run[3] == number:
            run = (name, side, run[2], run[3] + 1)
        else:
            if run:
                yield run
            run = (name, side, number, 1)
    if run:
        yield run


def _told(group: Group, operations: Mapping[str, str]) -> Group:
    """A group with the parameters that carry its channels apart from the layers."""
    members, carried = [], []
    for one in group.members:
        if one.side in (OUT, IN):
            members.append(one)
        else:
            where = (int(one.side), one.first, one.size, one.step)
            carried.append(Carried(one.layer, operations[one.layer], *where))
    return replace(group, members=tuple(members), carried=tuple(carried))


def _gathered(pieces: Sequence[tuple[tuple[_Run, ...], str]]) -> Iterator[Group]:
    """Pieces that are alike and follow one another at equal steps, as one group."""
    group: Group | None = None
    for runs, stuck in pieces:
        if group and (longer := _longer(group, runs, stuck)):
            group = longer
            continue
        if group:
            yield group
        group = Group(tuple(Member(*run) for run in runs), 1, stuck)
    if group:
        yield group


def _longer(group: Group, runs: Sequence[_Run], stuck: str) -> Group | None:
    """The group with one more piece, if it fits."""
    likeness = [(member.layer, member.side, member.size) for member in group.members]
    if stuck != group.stuck or likeness != [(name, side, size) for name, side, _, size in runs]:
        return None
    steps = [run[2] - member.first for member, run in zip(group.members, runs, strict=True)]
    if group.pieces == 1:
        members = (
            replace(member, step=step) for member, step in zip(group.members, steps, strict=True)
        )
        return replace(group, members=tuple(members), pieces=2)
    if steps != [member.step * group.pieces for member in group.members]:
        return None
    return replace(group, pieces=group.pieces + 1)
