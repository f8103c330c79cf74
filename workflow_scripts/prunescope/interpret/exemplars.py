"""The images that excite every unit most and least, found in one pass over the probe images.

Memory does not grow with the number of images: a few batches at a time are merged into the running
extremes of every unit, whose keys are sorted only once, at the end. An activation and the image's
place in the tie order are packed into one 64-bit key, so that the order is total, the result
does not depend on the batches, and ties are broken by a seeded random permutation of the images
instead of the dataset's order (which is often sorted by class, and then makes dead units look
pure).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError

CONSTANT_BELOW = 1e-8
TIE_ORDERS = ("random", "dataset_order")
# Merging costs a selection among all units' extremes: done once for several batches.
BATCHES_A_MERGE = 4
# The keys of so many units stay in the cache while they are made, parted, sorted and unpacked.
UNITS_A_BLOCK = 128


@dataclass(frozen=True)
class ExemplarSettings:
    """What is kept of each unit.

    Attributes
    ----------
    per_side
        How many strongest and how many weakest images.
    ties
        `random`: a seeded permutation of the images decides; `dataset_order`: their order in
        the dataset does, as in the paper. Of images that excite a unit equally, the first is
        the strongest and the last the weakest: both sides are ends of one order, so that they
        share no image (unless there are fewer than `2 * per_side`).
    seed
        Seeds the permutation.
    """

    per_side: int
    ties: str
    seed: int


@dataclass(frozen=True)
class Extremes:
    """Indices (int32) and activations (float32) of `(units, per_side)`, most extreme first."""

    indices: np.ndarray
    activations: np.ndarray


class RunningExtremes:
    """The strongest and weakest images of every unit, over all batches seen so far.

    Parameters
    ----------
    images
        Number of images in the probe set.
    settings
        What to keep.
    """

    def __init__(self, images: int, settings: ExemplarSettings) -> None:
        if settings.per_side > images:
            raise InputError(
                f"interpretability.exemplars.per_side: {settings.per_side} exemplars cannot be "
                f"chosen from {images} probe images. Lower it, or raise "
                "`datasets.<name>.probe.images`."
            )
        self.per_side = settings.per_side
        # Of equal activations, the first image in the tie order has the largest key.
        self._order = _tie_order(images, settings)[::-1].astype(np.int32)
        self._rank = np.argsort(self._order)
        # Of each unit the smallest `per_side` keys, then the largest; all, until there are so many.
        self._keys = np.empty((0, 0), dtype=np.int64)
        self._merged = 0
        self._waiting: list[np.ndarray] = []

    def update(self, activations: np.ndarray) -> None:
        """Take the next images, in dataset order: `(images, units)` float32.

        The array is kept until it is merged: do not change it.
        """
        self._waiting.append(activations)
        if len(self._waiting) == BATCHES_A_MERGE:
            self._merge()

    def extremes(self) -> tuple[Extremes, Extremes]:
        """The strongest and the weakest of all images so far."""
        if self._waiting:
            self._merge()
        kept = self._keys.shape[1]
        # How many keys from either side hold that side's extremes.
        end = self.per_side if kept == 2 * self.per_side else kept
        return self._ordered(self._keys[:, -end:], slice(None, None, -1)), self._ordered(
            self._keys[:, :end], slice(None)
        )

    def _merge(self) -> None:
        images, units = sum(map(len, self._waiting)), self._waiting[0].shape[1]
        rank = self._rank[self._merged : self._merged + images]
        kept = self._keys.reshape(units, -1)
        held = kept.shape[1]
        left = min(held + images, 2 * self.per_side)
        # Once both ends are full they are replaced in place: memory stays the same from then on.
        merged = kept if left == held else np.empty((units, left), dtype=np.int64)
        for block in blocks(units):
            keys = np.empty((len(kept[block]), held + images), dtype=np.int64)
            keys[:, :held] = kept[block]
            pack(joined(self._waiting, block), rank, out=keys[:, held:])
            if left == 2 * self.per_side:
                part_ends(keys, self.per_side)
            weak = left // 2
            merged[block, :weak] = keys[:, :weak]
            merged[block, weak:] = keys[:, weak - left :]
        self._keys = merged
        self._merged += images
        self._waiting.clear()

    def _ordered(self, keys: np.ndarray, direction: slice) -> Extremes:
        """Sort one side's keys in place, and unpack the first of them in this direction."""
        shape = len(keys), min(self.per_side, keys.shape[1])
        found = Extremes(np.empty(shape, np.int32), np.empty(shape, np.float32))
        for block in blocks(len(keys)):
            keys[block].sort(axis=1)
            activations, rank = unpack(keys[block, direction][:, : self.per_side])
            found.activations[block] = activations
            self._order.take(rank, out=found.indices[block], mode="wrap")
        # What is not finite lies at one of the ends.
        if not np.isfinite(found.activations[:, 0]).all():
            raise InputError(
                "activations: the network yields infinite or undefined activations; "
                "it has diverged. Lower the learning rate and retrain it."
            )
        return found


def _tie_order(images: int, settings: ExemplarSettings) -> np.ndarray:
    if settings.ties == "dataset_order":
        return np.arange(images)
    return np.random.default_rng(settings.seed).permutation(images)


def blocks(units: int) -> Iterator[slice]:
    """All units, a few at a time."""
    return (slice(start, start + UNITS_A_BLOCK) for start in range(0, units, UNITS_A_BLOCK))


def joined(batches: list[np.ndarray], block: slice) -> np.ndarray:
    """A copy of some units' activations, `(units, images)`, in which -0.0 is 0.0."""
    parts = [batch[:, block].T for batch in batches]
    copy = np.empty((len(parts[0]), sum(map(len, batches))), dtype=np.float32)
    first = 0
    for part in parts:
        np.add(part, np.float32(0), out=copy[:, first : first + part.shape[1]])
        first += part.shape[1]
    return copy


def part_ends(keys: np.ndarray, number: int) -> None:
    """Reorder rows in place: the `number` smallest keys first, the `number` largest last."""
    keys.partition(number - 1, axis=1)
    rest = keys[:, number:]
    rest.partition(rest.shape[1] - number, axis=1)


def pack(activations: np.ndarray, rank: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Pack float32 activations and non-negative int64 ranks (below 2^32) into ordered int64 keys.

    The keys compare as (activation, rank) does, if no activation is -0.0. A float's bits, read as
    an integer, order non-negative floats; flipping the lower bits of negative ones orders these
    too.
    """
    keys = np.left_shift(_flipped(activations.view(np.int32)), 32, out=out, dtype=np.int64)
    keys |= rank
    return keys


def unpack(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undo `pack`: float32 activations and int64 ranks."""
    return _flipped((keys >> 32).astype(np.int32)).view(np.float32), keys & 0xFFFFFFFF


def _flipped(bits: np.ndarray) -> np.ndarray:
    """Flip all but the sign of negative int32."""
    flips = bits >> 31
    flips &= 0x7FFFFFFF
    flips ^= bits
    return flips


def is_constant(strongest: Extremes, weakest: Extremes) -> np.ndarray:
    """Which units respond alike to all images: max - min < 1e-8 (arXiv 2409.19727), `(units,)`."""
    spread = strongest.activations[:, 0].astype(np.float64) - weakest.activations[:, 0]
    return spread < CONSTANT_BELOW


def tied_fraction(strongest: Extremes, weakest: Extremes) -> np.ndarray:
    """Fraction of a unit's exemplars that share their activation with a neighbour, `(units,)`.

    High values mean that the tie order, not the unit, chose the exemplars.
    """
    return (_tied(strongest.activations) + _tied(weakest.activations)) / 2


def _tied(activations: np.ndarray) -> np.ndarray:
    number = activations.shape[1]
    if number == 1:
        return np.zeros(len(activations))
    equal = activations[:, 1:] == activations[:, :-1]
    inner = np.count_nonzero(equal[:, 1:] | equal[:, :-1], axis=1)
    return (inner + equal[:, 0] + equal[:, -1]) / number
