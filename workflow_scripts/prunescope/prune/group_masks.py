"""Compute the masks of groups of channels: what makes a channel, carries it and reads it goes.

A piece is one channel, or the channels that can only go together, such as a head of attention
(`channel_groups.py`). Its masks cover the filters and biases of all layers that make it, the scale
and shift of norms, embeddings and other parameters that carry it, and the weights of all layers
that read it. So the channel is exactly zero, and nothing reads it.

**Score.** The criterion ranks the filters of each layer that makes the piece, as one block; the
score of the piece is the sum over these layers. Biases, what carries the piece and what reads it do
not count. Pieces with equal scores go in the order of the layers.
"""

import zlib
from collections.abc import Collection, Mapping

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks.architecture_files import OUT, Architecture, Group, Member
from prunescope.networks.description import Layer, Network
from prunescope.prune import channel_groups, pieces
from prunescope.prune.channel_groups import ChannelGroup, places
from prunescope.prune.masks import PruningMethod, lowest


def make_group_masks(
    network: Network,
    architecture: Architecture,
    settings: PruningMethod,
    rate: float,
    *,
    exclude: Collection[str] = (),
    batch_norm: str = "pruned",
    seed: int = 0,
    counted: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Compute the masks of a network whose groups of channels are pruned.

    With the scope `layer`, each group is ranked by itself: of n pieces, `round(rate * n)` are
    pruned, but at least one stays. With `global`, the pieces of all groups are ranked in one list.

    Parameters
    ----------
    network
        The network to prune. Pieces whose filters its masks exclude stay excluded and count
        towards the rate.
    architecture
        What is known of the network; it tells the groups.
    settings, rate, seed, counted
        As for `masks.make_masks`.
    exclude
        Names of layers that are not pruned. A group whose channels one of them makes is left
        whole. The weights of such a layer that read pruned channels are pruned.
    batch_norm
        `pruned`: scale and shift of batch norms that carry a pruned channel are pruned too.
        `kept`: they are not.

    Returns
    -------
    dict
        Boolean masks by parameter name, True where the parameter is kept: of all parameters that
        belong to a group which may be pruned.

    Raises
    ------
    InputError
        The rate is outside (0, 1), no group can be pruned, or all pieces of the network would be.
    """
    if not 0 < rate < 1:
        raise InputError(f"pruning rate {rate}: must lie between 0 and 1, both excluded.")
    found = channel_groups.find(architecture, exclude, batch_norm)
    groups = channel_groups.prunable(found, settings.layers)
    layers = {layer.name: layer for layer in architecture.layers}
    scores = [
        _scores(network, group, layers, settings.criterion, seed, counted or {}) for group in groups
    ]
    if settings.scope == "global":
        kept = np.split(_keep(np.concatenate(scores), rate), np.cumsum([*map(len, scores)])[:-1])
        if not any(one.any() for one in kept):
            raise InputError(
                f"pruning rate {rate}: would remove all pieces (channel_group) of the network. "
                "Lower the rate."
            )
    else:
        kept = [_keep(one, rate, least=1) for one in scores]
    masks: dict[str, np.ndarray] = {}
    for group, one in zip(groups, kept, strict=True):
        for first, run in group.first_pieces():
            pruned = np.flatnonzero(~one[first : first + run.pieces])
            _prune(masks, network, layers, run, pruned, batch_norm)
    held = network.masks
    return {name: mask & held[name] if name in held else mask for name, mask in masks.items()}


def _keep(scores: np.ndarray, rate: float, least: int = 0) -> np.ndarray:
    """Which pieces stay: booleans, of which at least `least` are true. NaN scores no candidate."""
    candidates = np.flatnonzero(~np.isnan(scores))
    kept = np.ones(scores.size, dtype=bool)
    number = min(round(rate * candidates.size), max(candidates.size - least, 0))
    kept[candidates[lowest(scores[candidates], number)]] = False
    return kept


def _scores(
    network: Network,
    group: ChannelGroup,
    layers: Mapping[str, Layer],
    criterion: str,
    seed: int,
    counted: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The score of each piece, float64: -inf if it is gone already, NaN if no image reaches it."""
    total = np.zeros(group.pieces)
    left = np.zeros(group.pieces, dtype=bool)
    reached = False
    # Members of one run and the next are alike, but for where they lie.
    makers = [[one for one in run.members if one.side == OUT] for run in group.runs]
    for alike in zip(*makers, strict=True):
        name = _weight(alike[0], layers)
        rows = np.concatenate(
            [places(one, run.pieces) for one, run in zip(alike, group.runs, strict=True)]
        )
        block = network.tensors[name][rows]
        mask = network.masks.get(name)
        kept = np.ones(block.shape, dtype=bool) if mask is None else mask[rows]
        left |= kept.reshape(len(rows), -1).any(axis=1)
        if name in counted:
            if not counted[name].any():
                continue
            block = block[..., counted[name][0, 0], None]
        if reached and criterion == pieces.RANDOM:
            # Sums of random numbers would spare pieces that many layers make.
            continue
        reached = True
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), alike[0].first])
        axes = tuple(range(1, block.ndim))
        total += pieces.load_criterion(criterion).rank(block, axes, rng)
    if not reached:
        return np.full(group.pieces, np.nan)
    return np.where(left, total, -np.inf)


def _weight(member: Member, layers: Mapping[str, Layer]) -> str:
    """The parameter that a member's channels are rows or columns of."""
    return layers[member.layer].weight if member.layer in layers else member.layer


def _prune(
    masks: dict[str, np.ndarray],
    network: Network,
    layers: Mapping[str, Layer],
    run: Group,
    pruned: np.ndarray,
    batch_norm: str,
) -> None:
    """Exclude all that belongs to some pieces of a run, given by their numbers."""

    def mask_of(name: str) -> np.ndarray:
        if name not in masks:
            masks[name] = np.ones(network.tensors[name].shape, dtype=bool)
        return masks[name]

    for member in run.members:
        channels = places(member, run.pieces)[pruned].ravel()
        mask = mask_of(_weight(member, layers))
        layer = layers.get(member.layer)
        if member.side == OUT:
            mask[channels] = False
            if layer is not None and layer.bias in network.tensors:
                mask_of(layer.bias)[channels] = False
            continue
        # A group of a convolution reads as many channels as its filters have columns.
        groups = layer.groups if layer is not None else 1
        group, column = np.divmod(channels, mask.shape[1])
        mask.reshape(groups, -1, *mask.shape[1:])[group, :, column] = False
    for carried in run.carried:
        if batch_norm == "kept" and channel_groups.of_batch_norm(carried):
            continue
        indices = places(carried, run.pieces)[pruned].ravel()
        np.moveaxis(mask_of(carried.parameter), carried.axis, 0)[indices] = False
