"""Which weights go: granularity x scope x criterion -> masks.

A pruning method is three independent choices. *Granularity* says what is removed as one piece
(a weight, a filter, an input channel, a kernel), *scope* what is ranked together (all layers,
or each layer by itself), *criterion* how the pieces are ranked. Adding a criterion is one file in
`prune/criteria/`; adding a method is a line of the config.

Counts are exact. Of n pieces, `round(rate * n)` go (halves to even, as `torch.nn.utils.prune`
does), except input channels, of which `int(rate * n)` go (as in von Rad & Seuffert,
arXiv 2409.19727). **Ties**: among pieces of equal rank the one that comes first goes first, in
the order of the layers and, within a layer, in the order of the weight's flattened pieces.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Layer, Network
from prunescope.prune import pieces
from prunescope.prune.pieces import GRANULARITIES, Pieces


@dataclass(frozen=True)
class PruningMethod:
    """A pruning method.

    Attributes
    ----------
    granularity, scope, criterion
        Keys of `pieces.GRANULARITIES`, one of `pieces.SCOPES`, a file in `prune/criteria/`.
    layers
        Kinds of layers that are pruned.
    biases
        Whether biases are ranked and pruned along with the weights (granularity `weight` only).
    """

    granularity: str
    scope: str
    criterion: str
    layers: tuple[str, ...] = ("conv2d",)
    biases: bool = False


def make_masks(
    network: Network,
    settings: PruningMethod,
    rate: float,
    *,
    exclude: Iterable[str] = (),
    batch_norm: str = "pruned",
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Choose what to prune.

    Parameters
    ----------
    network
        The network to prune. What its masks already exclude stays excluded and counts towards
        the rate, so that an iterative schedule reaches each rate exactly.
    settings
        The method.
    rate
        Fraction of the pieces to prune, of the original network, in (0, 1).
    exclude
        Names of layers that are left alone.
    batch_norm
        `pruned`: the batch-norm channel of a pruned filter goes with it, so that the unit
        emits exactly zero. `kept`: it stays, as in the paper, and emits a constant.
    seed
        Seeds the `random` criterion. Scores depend on the seed and the layer, not on the rate,
        so that the masks of rising rates are nested.

    Returns
    -------
    dict
        Boolean masks by parameter name, True where the parameter is kept. Every layer that the
        method considers has one.

    Raises
    ------
    InputError
        The rate lies outside (0, 1), the method fits no layer, or everything that is ranked
        together (a layer, or all layers under the global scope) would go.
    """
    if not 0 < rate < 1:
        raise InputError(f"pruning rate {rate}: must lie between 0 and 1, both excluded.")
    layers = _layers(network, settings, frozenset(exclude))
    ranked = [piece for layer in layers for piece in _pieces(network, layer, settings, seed)]
    groups = [ranked] if settings.scope == "global" else [[piece] for piece in ranked]
    masks: dict[str, np.ndarray] = {}
    for group in groups:
        masks |= _prune_lowest(group, rate, settings.granularity)
    if settings.granularity == "filter":
        for layer in layers:
            masks |= _follow_filters(network, layer, masks[layer.weight], batch_norm)
    held = network.masks
    return {name: mask & held[name] if name in held else mask for name, mask in masks.items()}


def count(rate: float, pieces: int, granularity: str) -> int:
    """How many of `pieces` pieces go at `rate`."""
    return int(rate * pieces) if granularity == "input_channel" else round(rate * pieces)


def _layers(network: Network, settings: PruningMethod, exclude: frozenset[str]) -> list[Layer]:
    layers = [
        layer
        for layer in network.description.layers
        if layer.kind in settings.layers and layer.name not in exclude
    ]
    if not layers:
        raise InputError(
            f"pruning: no layer of kind {' or '.join(settings.layers)} is left to prune. "
            "Take names out of `pruning.exclude`."
        )
    return layers


def _pieces(network: Network, layer: Layer, settings: PruningMethod, seed: int) -> list[Pieces]:
    axes = GRANULARITIES[settings.granularity]
    if layer.kind == "linear":
        axes = tuple(axis for axis in axes if axis < 2)
    names = [layer.weight]
    if settings.biases and layer.bias in network.tensors:
        names.append(layer.bias)
    return [_score(network, name, axes, settings.criterion, seed) for name in names]


def _score(network: Network, name: str, axes: tuple[int, ...], criterion: str, seed: int) -> Pieces:
    tensor = network.tensors[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    scores = pieces.load_criterion(criterion).rank(tensor, axes, rng)
    mask = network.masks.get(name)
    if mask is not None:
        scores = np.where(mask.any(axis=axes), scores, -np.inf)
    return Pieces(name, scores, tensor.shape, axes)


def _prune_lowest(group: list[Pieces], rate: float, granularity: str) -> dict[str, np.ndarray]:
    scores = np.concatenate([piece.scores.ravel() for piece in group])
    pruned = count(rate, scores.size, granularity)
    if pruned == scores.size:
        raise InputError(
            f"pruning rate {rate}: would remove all {scores.size} pieces ({granularity}) of "
            f"{group[0].name}. Lower the rate, or name the layer in `pruning.exclude`."
        )
    kept = np.ones(scores.size, dtype=bool)
    kept[lowest(scores, pruned)] = False
    starts = np.cumsum([piece.scores.size for piece in group])[:-1]
    parts = np.split(kept, starts)
    return {piece.name: piece.mask(part) for piece, part in zip(group, parts, strict=True)}


def lowest(scores: np.ndarray, number: int) -> np.ndarray:
    """Indices of the `number` lowest of the 1-D `scores`; of equal ones, the first."""
    if number == 0:
        return np.empty(0, dtype=np.intp)
    threshold = np.partition(scores, number - 1)[number - 1]
    below = np.flatnonzero(scores < threshold)
    ties = np.flatnonzero(scores == threshold)[: number - below.size]
    return np.concatenate([below, ties])


def _follow_filters(
    network: Network, layer: Layer, mask: np.ndarray, batch_norm: str
) -> dict[str, np.ndarray]:
    """Masks of the parameters that have one entry for each filter of `layer`."""
    kept = np.any(mask.reshape(len(mask), -1), axis=1)
    names = [layer.bias]
    if layer.batch_norm and batch_norm == "pruned":
        names += [f"{layer.batch_norm}.weight", f"{layer.batch_norm}.bias"]
    return {name: kept for name in names if name in network.tensors}
