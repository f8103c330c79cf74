"""Compute the masks of a pruning method, which say which parameters are pruned.

A pruning method is three independent choices:

- *granularity*: what is pruned as one piece (a weight, a filter, an input channel, a kernel; or
  weights in an N:M pattern, `patterns.py`);
- *scope*: which pieces are ranked together (those of all layers, or those of each layer), and how
  many of each layer go (`budgets.py`);
- *criterion*: how the pieces are ranked.

A new criterion is a file in `prune/criteria/`. A new method is a line in the config.

The number of pruned pieces is exact. Of n pieces (of each layer with the scope `layer`, else of all
layers), `round(rate * n)` are pruned (halves are rounded to even, as in `torch.nn.utils.prune`). Of
n input channels, `int(rate * n)` are pruned (as in von Rad & Seuffert, arXiv 2409.19727). **Ties**:
of pieces with equal rank, the first is pruned first, in the order of the layers and, within a
layer, of the flattened pieces.

**Layers.** The output channels of a grouped convolution are its filters as usual. Its weight has
the shape (out, in / groups, height, width): an input channel is a column of the filters of its own
group, and there are as many as channels of the input. In a depthwise convolution every input
channel has its own filter: `input_channel`, `kernel` and `filter` take the same weights, but
only `filter` takes bias and batch norm along, and the numbers are rounded as above. In a linear
layer an input channel is an input feature, and a kernel is a single weight.

Weights that no image reaches (`networks.reach`) do not count, if the caller says so: a piece is
ranked by its other weights, and a piece without others is neither counted nor pruned.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Layer, Network
from prunescope.prune import budgets, patterns, pieces
from prunescope.prune.measuring import scales
from prunescope.prune.patterns import N_OF_M
from prunescope.prune.pieces import (
    GRANULARITIES,
    OF_A_GROUP,
    SCALES,
    WEIGHTS,
    Criterion,
    Pieces,
    Quantities,
)


@dataclass(frozen=True)
class PruningMethod:
    """The settings of a pruning method.

    Attributes
    ----------
    granularity
        A key of `pieces.GRANULARITIES`, or `patterns.N_OF_M`; or `pieces.CHANNEL_GROUP`, for
        `group_masks`.
    scope
        One of `pieces.SCOPES`.
    criterion
        Name of a file in `prune/criteria/`.
    layers
        Kinds of layers that are pruned: `conv2d`, `linear`.
    biases
        Whether biases are ranked and pruned together with the weights (only for granularity
        `weight`).
    pattern
        What `patterns.parse` takes, for granularity `n_of_m` only. The pattern is the rate, and the
        scope plays no role: each block is ranked by itself.
    """

    granularity: str
    scope: str
    criterion: str
    layers: tuple[str, ...] = ("conv2d",)
    biases: bool = False
    pattern: str | None = None


def make_masks(
    network: Network,
    settings: PruningMethod,
    rate: float,
    *,
    exclude: Iterable[str] = (),
    batch_norm: str = "pruned",
    seed: int = 0,
    counted: Mapping[str, np.ndarray] | None = None,
    quantities: Mapping[str, Quantities] | None = None,
) -> dict[str, np.ndarray]:
    """Compute the masks of a network at a pruning rate.

    Parameters
    ----------
    network
        The network to prune. Parameters that its masks already exclude stay excluded and count
        towards the rate. So an iterative schedule reaches each rate exactly.
    settings
        The pruning method.
    rate
        Fraction of the original network's pieces that are pruned, in (0, 1).
    exclude
        Names of layers that are not pruned.
    batch_norm
        `pruned`: the batch-norm channel of a pruned filter is pruned too, so that the unit's
        output is exactly zero. `kept`: it is not pruned, as in the paper, so that the output is
        a constant.
    seed
        Seeds the criterion `random`. The random ranks depend on the seed and the parameter, not
        on the rate, so that the masks of rising rates are nested.
    counted
        Which weights are ranked and counted, as `reach.counted` returns it; None takes all.
    quantities
        What was measured for the criterion, by the name of the parameter; None for criteria that
        need weights or scales.

    Returns
    -------
    dict
        Boolean masks by parameter name, True where the parameter is kept. Every layer that the
        method may prune has a mask.

    Raises
    ------
    InputError
        The rate is outside (0, 1), the criterion cannot rank such pieces, no layer is left to
        prune, no weight of those that are left counts, nothing was measured of a layer, or all
        pieces that are ranked together (those of a layer, or of all layers) would be pruned.
    """
    if not 0 < rate < 1:
        raise InputError(f"pruning rate {rate}: must lie between 0 and 1, both excluded.")
    layers = layers_to_prune(network, settings, exclude)
    criterion = _criterion(settings)
    needed = scales.measure(network, layers) if criterion.NEEDS == SCALES else quantities or {}
    evidence = _Evidence(network, criterion, seed, counted or {}, needed)
    _refuse_unmeasured(evidence, layers)
    ranked = [piece for layer in layers for piece in _pieces(evidence, layer, settings)]
    if not any(piece.candidates.any() for piece in ranked):
        raise InputError(
            f"pruning: no image reaches a weight of {' or '.join(layer.name for layer in layers)}, "
            "and no other layer is left to prune. Take names out of `pruning.exclude`, or set "
            "`pruning.unreached: counted`."
        )
    if settings.granularity == N_OF_M:
        return _held(network, _patterned(ranked, layers, settings))
    groups = [ranked] if settings.scope == "global" else [[piece] for piece in ranked]
    numbers = _numbers(network, settings, layers, groups, rate)
    masks: dict[str, np.ndarray] = {}
    for group, number in zip(groups, numbers, strict=True):
        masks |= _prune_lowest(group, number, rate, settings.granularity)
    if settings.granularity == "filter":
        for layer in layers:
            masks |= _follow_filters(network, layer, masks[layer.weight], batch_norm)
    return _held(network, masks)


def _held(network: Network, masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Masks without what the network's own masks exclude."""
    held = network.masks
    return {name: mask & held[name] if name in held else mask for name, mask in masks.items()}


def count(rate: float, pieces: int, granularity: str) -> int:
    """The number of pieces, of `pieces` in total, that are pruned at `rate`."""
    return int(rate * pieces) if granularity == "input_channel" else round(rate * pieces)


def layers_to_prune(
    network: Network, settings: PruningMethod, exclude: Iterable[str]
) -> list[Layer]:
    """The layers that a method prunes.

    Raises
    ------
    InputError
        There is none.
    """
    excluded = frozenset(exclude)
    layers = [
        layer
        for layer in network.description.layers
        if layer.kind in settings.layers and layer.name not in excluded
    ]
    if not layers:
        raise InputError(
            f"pruning: no layer of kind {' or '.join(settings.layers)} is left to prune. "
            "Take names out of `pruning.exclude`."
        )
    return layers


def _criterion(settings: PruningMethod) -> Criterion:
    criterion = pieces.load_criterion(settings.criterion)
    if told := criterion.problem(settings.granularity, settings.scope, settings.biases):
        raise InputError(f"criterion {settings.criterion!r} {told}.")
    if told := budgets.problem(settings.scope, settings.biases):
        raise InputError(f"scope {settings.scope!r} {told}.")
    return criterion


@dataclass(frozen=True)
class _Evidence:
    """What scores are computed from."""

    network: Network
    criterion: Criterion
    seed: int
    counted: Mapping[str, np.ndarray]
    quantities: Mapping[str, Quantities]


def _refuse_unmeasured(evidence: _Evidence, layers: list[Layer]) -> None:
    if evidence.criterion.NEEDS == WEIGHTS:
        return
    without = [layer.name for layer in layers if layer.weight not in evidence.quantities]
    if without:
        raise InputError(
            f"pruning: the criterion needs {evidence.criterion.NEEDS}, and there are none of "
            f"{', '.join(without)}: no image runs through these layers as modules in evaluation "
            "mode. Name them in `pruning.exclude`, or choose another criterion."
        )


def _pieces(evidence: _Evidence, layer: Layer, settings: PruningMethod) -> list[Pieces]:
    names = [layer.weight]
    if settings.biases and layer.bias in evidence.network.tensors:
        names.append(layer.bias)
    return [_score(evidence, name, layer, settings.granularity) for name in names]


def _score(evidence: _Evidence, name: str, layer: Layer, granularity: str) -> Pieces:
    tensor, mask = evidence.network.tensors[name], evidence.network.masks.get(name)
    reached = evidence.counted.get(name)
    shape = tensor.shape
    divided, axes = _division(shape, layer.groups, granularity)
    everywhere = np.broadcast_to(True if reached is None else reached, shape).reshape(divided)
    candidates = np.asarray(everywhere.any(axis=axes))
    if mask is not None:
        tensor = np.where(mask, tensor, 0)

    def seen(array: np.ndarray) -> np.ndarray:
        if reached is not None and reached.any() and 2 in _axes(granularity):
            # The last two axes are the kernel. A layer that no image reaches has no candidates.
            return array.reshape(divided)[..., reached[0, 0], None]
        return np.where(everywhere, array.reshape(divided), 0)

    needed = []
    if evidence.criterion.NEEDS != WEIGHTS:
        needed = [{what: seen(array) for what, array in evidence.quantities[name].items()}]
    rng = np.random.default_rng([evidence.seed, zlib.crc32(name.encode())])
    scores = evidence.criterion.rank(seen(tensor), axes, rng, *needed)
    if mask is not None:
        scores = np.where(mask.reshape(divided).any(axis=axes), scores, -np.inf)
    return Pieces(name, scores, candidates, shape, divided, axes)


def _division(
    shape: tuple[int, ...], groups: int, granularity: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape in which a parameter is divided into pieces, and the axes that a piece spans."""
    if granularity == "input_channel" and groups > 1:
        return (groups, shape[0] // groups, *shape[1:]), OF_A_GROUP
    return shape, tuple(axis for axis in _axes(granularity) if axis < len(shape))


def _axes(granularity: str) -> tuple[int, ...]:
    """The axes of a weight that one piece spans. A pattern ranks single weights."""
    return () if granularity == N_OF_M else GRANULARITIES[granularity]


def _patterned(
    ranked: list[Pieces], layers: list[Layer], settings: PruningMethod
) -> dict[str, np.ndarray]:
    pattern = patterns.parse(settings.pattern or "")
    masks = {
        piece.name: patterns.keep_best(piece.scores, pattern)
        for piece, layer in zip(ranked, layers, strict=True)
        if pattern.fits(layer)
    }
    if not masks:
        raise InputError(
            f"pruning: pattern {settings.pattern!r} fits no layer. "
            f"{patterns.left_dense(layers, pattern)}."
        )
    return masks


def _numbers(
    network: Network,
    settings: PruningMethod,
    layers: list[Layer],
    groups: list[list[Pieces]],
    rate: float,
) -> list[int]:
    """How many pieces of each group are pruned."""
    sizes = [sum(int(piece.candidates.sum()) for piece in group) for group in groups]
    if settings.scope not in budgets.SHARED:
        return [count(rate, size, settings.granularity) for size in sizes]
    left = sum(sizes) - count(rate, sum(sizes), settings.granularity)
    kept = budgets.kept(settings.scope, left, sizes, layers, network.description.layers)
    return [size - number for size, number in zip(sizes, kept, strict=True)]


def _prune_lowest(
    group: list[Pieces], pruned: int, rate: float, granularity: str
) -> dict[str, np.ndarray]:
    scores = np.concatenate([piece.scores[piece.candidates] for piece in group])
    if 0 < pruned == scores.size:
        raise InputError(
            f"pruning rate {rate}: would remove all {scores.size} pieces ({granularity}) of "
            f"{group[0].name}. Lower the rate, or name the layer in `pruning.exclude`."
        )
    kept = np.ones(scores.size, dtype=bool)
    kept[lowest(scores, pruned)] = False
    starts = np.cumsum([np.count_nonzero(piece.candidates) for piece in group])[:-1]
    parts = np.split(kept, starts)
    return {piece.name: piece.mask(part) for piece, part in zip(group, parts, strict=True)}


def lowest(scores: np.ndarray, number: int) -> np.ndarray:
    """Indices of the `number` lowest scores, unsorted.

    `scores` is 1-D. Of equal scores, the first ones are taken.
    """
    if number == 0:
        return np.empty(0, dtype=np.intp)
    threshold = np.partition(scores, number - 1)[number - 1]
    below = np.flatnonzero(scores < threshold)
    ties = np.flatnonzero(scores == threshold)[: number - below.size]
    return np.concatenate([below, ties])


def _follow_filters(
    network: Network, layer: Layer, mask: np.ndarray, batch_norm: str
) -> dict[str, np.ndarray]:
    """Masks of the bias and the batch norm of `layer`, from the mask of its filters."""
    kept = np.any(mask.reshape(len(mask), -1), axis=1)
    names = [layer.bias]
    if layer.batch_norm and batch_norm == "pruned":
        names += [f"{layer.batch_norm}.weight", f"{layer.batch_norm}.bias"]
    return {name: kept for name in names if name in network.tensors}
