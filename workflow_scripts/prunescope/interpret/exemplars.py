"""Select the exemplars of every unit: the images with the highest and the lowest activations.

Memory does not grow with the number of images: a few batches at a time are merged into the running
extremes of every unit. These are sorted only once, at the end.

An activation and the image's place in the tie order are packed into one 64-bit key. So no two keys
of a unit are equal, and the result does not depend on the size of the batches. Ties are broken by a
seeded random permutation of the images. The order of the dataset is often sorted by class, and
would make dead units look selective for a class.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError

CONSTANT_BELOW = 1e-8
# Sums of float32 are exact to about this fraction of their largest terms.
SCALE_FRACTION = 1e-5
MOSTLY_TIED = 0.5
# What a table tells of the exemplars of a unit.
COLUMNS = (
    "constant", "tied_fraction", "strongest", "strongest_activation", "weakest",
    "weakest_activation",
)  # fmt: skip
# Merging selects among the extremes of all units. Several batches share this cost.
BATCHES_A_MERGE = 4
# The keys of this many units fit into the CPU's cache.
UNITS_A_BLOCK = 128


@dataclass(frozen=True)
class ExemplarSettings:
    """How the exemplars of each unit are selected.

    Attributes
    ----------
    per_side
        Number of strongest images, and of weakest images.
    ties
        The order of images with equal activations. `random`: a seeded permutation of the images.
        `dataset_order`: their order in the dataset, as in the paper. The first of them counts as
        the strongest, the last as the weakest. So the two sides have no image in common, unless
        there are fewer than `2 * per_side` images.
    seed
        Seeds the permutation.
    precision
        The type that activations are rounded to before they are ranked. `float16` makes ties where
        activations differ by less than its step, as in a study that stores them so.
    tokens
        A key of `activations.TOKENS`: which tokens of a row activations are pooled over.
    """

    per_side: int
    ties: str
    seed: int
    precision: str = "float32"
    tokens: str = "all"


@dataclass(frozen=True)
class RankedImages:
    """The strongest, or the weakest, images of every unit, most extreme first.

    Attributes
    ----------
    indices
        int32 `(units, per_side)`.
    activations
        float32 `(units, per_side)`.
    """

    indices: np.ndarray
    activations: np.ndarray


class RunningExtremes:
    """The strongest and the weakest images of every unit, over all batches so far.

    Parameters
    ----------
    images
        Number of images in the probe set.
    settings
        How the exemplars are selected.

    Raises
    ------
    InputError
        There are fewer images than exemplars on each side.
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
        # Each row holds the smallest `per_side` keys of a unit, then the largest. While there are
        # fewer than `2 * per_side` images, it holds all keys.
        self._keys = np.empty((0, 0), dtype=np.int64)
        self._merged = 0
        self._waiting: list[np.ndarray] = []

    def update(self, activations: np.ndarray) -> None:
        """Take the activations of the next images, float32 `(images, units)`, in dataset order.

        The array must not be changed afterwards: it is merged later.
        """
        self._waiting.append(activations)
        if len(self._waiting) == BATCHES_A_MERGE:
            self._merge()

    def extremes(self) -> tuple[RankedImages, RankedImages]:
        """The strongest and the weakest images so far.

        Raises
        ------
        InputError
            An activation is not finite.
        """
        if self._waiting:
            self._merge()
        kept = self._keys.shape[1]
        # The first `end` keys contain the weakest images, the last `end` keys the strongest.
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
        # Once the rows are full, they are overwritten in place, so that memory stays constant.
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

    def _ordered(self, keys: np.ndarray, direction: slice) -> RankedImages:
        """Sort the keys of one side in place, and unpack the first `per_side` in `direction`."""
        shape = len(keys), min(self.per_side, keys.shape[1])
        found = RankedImages(np.empty(shape, np.int32), np.empty(shape, np.float32))
        for block in blocks(len(keys)):
            keys[block].sort(axis=1)
            activations, rank = unpack(keys[block, direction][:, : self.per_side])
            found.activations[block] = activations
            self._order.take(rank, out=found.indices[block], mode="wrap")
        # Infinite and undefined values are sorted to one of the ends.
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
    """Slices of at most `UNITS_A_BLOCK` units that cover all units."""
    return (slice(start, start + UNITS_A_BLOCK) for start in range(0, units, UNITS_A_BLOCK))


def joined(batches: list[np.ndarray], block: slice) -> np.ndarray:
    """Join the activations of a block of units: float32 `(units, images)`, with -0.0 made 0.0."""
    parts = [batch[:, block].T for batch in batches]
    copy = np.empty((len(parts[0]), sum(map(len, batches))), dtype=np.float32)
    first = 0
    for part in parts:
        np.add(part, np.float32(0), out=copy[:, first : first + part.shape[1]])
        first += part.shape[1]
    return copy


def part_ends(keys: np.ndarray, number: int) -> None:
    """Partition rows in place: the `number` smallest keys first, the `number` largest last."""
    keys.partition(number - 1, axis=1)
    rest = keys[:, number:]
    rest.partition(rest.shape[1] - number, axis=1)


def pack(activations: np.ndarray, rank: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Pack activations and ranks into int64 keys with the order of (activation, rank).

    The bits of non-negative floats, read as integers, have the order of the floats. For negative
    floats, the bits below the sign are flipped.

    Parameters
    ----------
    activations
        float32; none may be -0.0.
    rank
        int64 in [0, 2^32), broadcast to the shape of `activations`.
    out
        int64 array for the keys, if given.
    """
    keys = np.left_shift(_flipped(activations.view(np.int32)), 32, out=out, dtype=np.int64)
    keys |= rank
    return keys


def unpack(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The float32 activations and int64 ranks in keys: the inverse of `pack`."""
    return _flipped((keys >> 32).astype(np.int32)).view(np.float32), keys & 0xFFFFFFFF


def _flipped(bits: np.ndarray) -> np.ndarray:
    """Flip all bits except the sign of the negative numbers in an int32 array."""
    flips = bits >> 31
    flips &= 0x7FFFFFFF
    flips ^= bits
    return flips


def is_constant(strongest: RankedImages, weakest: RankedImages, layers: np.ndarray) -> np.ndarray:
    """Which units do not tell images apart, boolean `(units,)`. All others are live.

    A unit counts as constant in three cases:

    - its spread, max - min, is below `CONSTANT_BELOW` (arXiv 2409.19727);
    - its spread is below `SCALE_FRACTION` of the largest absolute activation of its layer: then
      rounding decides how its images are ranked;
    - more than half of its exemplars are tied: then the tie order decides.

    Parameters
    ----------
    strongest, weakest
        The extremes of each unit.
    layers
        `(units,)` the layer of each unit.
    """
    highest = strongest.activations[:, 0].astype(np.float64)
    lowest = weakest.activations[:, 0].astype(np.float64)
    _, codes = np.unique(layers, return_inverse=True)
    scales = np.zeros(codes.max() + 1)
    np.maximum.at(scales, codes, np.maximum(np.abs(highest), np.abs(lowest)))
    spread = highest - lowest
    return (
        (spread < CONSTANT_BELOW)
        | (spread < SCALE_FRACTION * scales[codes])
        | (tied_fraction(strongest, weakest) > MOSTLY_TIED)
    )


def columns(
    strongest: RankedImages, weakest: RankedImages, constant: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns `COLUMNS` of `unit_tables.EXEMPLARS`, with a row for each unit.

    `constant` is boolean `(units,)`.
    """
    values = (
        constant,
        tied_fraction(strongest, weakest),
        strongest.indices,
        strongest.activations,
        weakest.indices,
        weakest.activations,
    )
    return dict(zip(COLUMNS, values, strict=True))


def tied_fraction(strongest: RankedImages, weakest: RankedImages) -> np.ndarray:
    """Fraction of each unit's exemplars with the same activation as a neighbour in the ranking.

    `(units,)` float64 in 0..1. A high value means that the tie order selected the exemplars, not
    the unit.
    """
    return (_tied(strongest.activations) + _tied(weakest.activations)) / 2


def _tied(activations: np.ndarray) -> np.ndarray:
    number = activations.shape[1]
    if number == 1:
        return np.zeros(len(activations))
    equal = activations[:, 1:] == activations[:, :-1]
    inner = np.count_nonzero(equal[:, 1:] | equal[:, :-1], axis=1)
    return (inner + equal[:, 0] + equal[:, -1]) / number
