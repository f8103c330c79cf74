"""The images that excite every unit most and least, found in one pass over the probe images.

Memory does not grow with the number of images: each batch is merged into the running
extremes of every unit, whose keys are sorted only once, at the end. An activation and the image's
place in the tie order are packed into one 64-bit key, so that the order is total, the result
does not depend on the batches, and ties are broken by a seeded random permutation of the images
instead of the dataset's order (which is often sorted by class, and then makes dead units look
pure).
"""

from dataclasses import dataclass

import numpy as np

from prunescope.errors import InputError

CONSTANT_BELOW = 1e-8
TIE_ORDERS = ("random", "dataset_order")
# Their keys stay in the cache while they are made and the ends are parted from them.
UNITS_A_BLOCK = 128


@dataclass(frozen=True)
class Settings:
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

    def __init__(self, images: int, settings: Settings) -> None:
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
        self._seen = 0

    def update(self, *batches: np.ndarray) -> None:
        """Merge the next images, in dataset order: `(images, units)` float32 each."""
        images, units = sum(map(len, batches)), batches[0].shape[1]
        rank = self._rank[self._seen : self._seen + images]
        self._seen += images
        kept = self._keys.reshape(units, -1)
        held = kept.shape[1]
        left = min(held + images, 2 * self.per_side)
        # Once both ends are full they are replaced in place: memory stays the same from then on.
        merged = kept if left == held else np.empty((units, left), dtype=np.int64)
        for start in range(0, units, UNITS_A_BLOCK):
            block = slice(start, start + UNITS_A_BLOCK)
            keys = np.empty((len(kept[block]), held + images), dtype=np.int64)
            keys[:, :held] = kept[block]
            first = 0
            for batch in batches:
                part = slice(first, first + len(batch))
                pack(batch[:, block].T, rank[part], out=keys[:, held:][:, part])
                first += len(batch)
            if left == 2 * self.per_side:
                part_ends(keys, self.per_side)
            weak = left // 2
            merged[block, :weak] = keys[:, :weak]
            merged[block, weak:] = keys[:, weak - left :]
        self._keys = merged

    def strongest(self) -> Extremes:
        keys = self._keys[:, -self._end :]
        keys.sort(axis=1)
        return self._unpack(keys[:, ::-1])

    def weakest(self) -> Extremes:
        keys = self._keys[:, : self._end]
        keys.sort(axis=1)
        return self._unpack(keys)

    @property
    def _end(self) -> int:
        """How many keys from either side of those kept hold that side's extremes."""
        kept = self._keys.shape[1]
        return self.per_side if kept == 2 * self.per_side else kept

    def _unpack(self, keys: np.ndarray) -> Extremes:
        activations, rank = unpack(keys[:, : self.per_side])
        # What is not finite lies at one of the ends.
        if not np.isfinite(activations[:, 0]).all():
            raise InputError(
                "activations: the network yields infinite or undefined activations; "
                "it has diverged. Lower the learning rate and retrain it."
            )
        return Extremes(self._order.take(rank), activations)


def _tie_order(images: int, settings: Settings) -> np.ndarray:
    if settings.ties == "dataset_order":
        return np.arange(images)
    return np.random.default_rng(settings.seed).permutation(images)


def part_ends(keys: np.ndarray, number: int) -> None:
    """Reorder rows in place: the `number` smallest keys first, the `number` largest last."""
    keys.partition(number - 1, axis=1)
    rest = keys[:, number:]
    rest.partition(rest.shape[1] - number, axis=1)


def pack(activations: np.ndarray, rank: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Pack float32 activations and non-negative int64 ranks (below 2^32) into ordered int64 keys.

    The keys compare as (activation, rank) does. A float's bits, read as an integer, order
    non-negative floats; flipping the lower bits of negative ones orders these too.
    """
    # Adding zero makes -0.0 equal to 0.0, and a copy that may be changed in place.
    bits = np.add(activations, np.float32(0), order="C").view(np.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF
    keys = np.left_shift(bits, 32, out=out, dtype=np.int64)
    keys |= rank
    return keys


def unpack(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undo `pack`: float32 activations and uint32 ranks."""
    halves = np.ascontiguousarray(keys, dtype="<i8").view("<u4").reshape(*keys.shape, 2)
    ordered = halves[..., 1].view(np.int32)
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(np.float32), halves[..., 0]


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
