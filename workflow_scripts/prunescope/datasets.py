"""Images: packed stores, batches, augmentation, and the sources they come from."""

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope import artifacts
from prunescope.errors import InputError, how_to_rebuild

FASHION_MNIST_CLASSES = (
    "t-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip

# IDX files: images start after 16 bytes of header, labels after 8 (LeCun's MNIST format).
IDX_MAGIC = {"images": 2051, "labels": 2049}


@dataclass(frozen=True)
class PackedImages:
    """Images and labels of a split, memory-mapped.

    `images` is uint8 `(images, channels, height, width)`, `labels` int64 `(images,)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def open(cls, images: str | Path, labels: str | Path) -> "PackedImages":
        """Open a packed split without reading its images.

        Raises
        ------
        InputError
            The files are damaged or do not belong together.
        """
        packed = cls(artifacts.load_array(images, memory_map=True), artifacts.load_array(labels))
        if packed.images.ndim != 4 or len(packed.images) != len(packed.labels):
            raise InputError(
                f"{images}: shape {packed.images.shape} does not fit the {len(packed.labels)} "
                f"labels of {labels}. {how_to_rebuild(images)}"
            )
        return packed

    def __reduce__(self) -> tuple:
        """Another process maps the same file: a pickled memory map would hold all its content."""
        if isinstance(self.images, np.memmap):
            return _reopen, (str(self.images.filename), self.labels)
        return PackedImages, (self.images, self.labels)

    def batches(self, size: int, indices: np.ndarray | None = None) -> Iterator["PackedImages"]:
        """Yield consecutive batches of at most `size` images, of all images or of `indices`."""
        order = np.arange(len(self)) if indices is None else indices
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield PackedImages(self.images[chosen], self.labels[chosen])
            self._forget()

    def _forget(self) -> None:
        """Count what was read no longer as this process's memory; the system may keep it."""
        mapped = getattr(self.images, "_mmap", None)
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> "PackedImages":
        """Read and augment a batch: the images at `indices`, changed by keys of `AUGMENTATIONS`."""
        return PackedImages(augment(self.images[indices], augmentation, rng), self.labels[indices])


def _reopen(images: str, labels: np.ndarray) -> PackedImages:
    return PackedImages(artifacts.load_array(images, memory_map=True), labels)


def pad_to_rgb(images: np.ndarray, size: int) -> np.ndarray:
    """Centre greyscale images on a black square of `size` pixels and repeat them as RGB.

    `(images, height, width)` uint8 becomes `(images, 3, size, size)` uint8.
    """
    height, width = images.shape[1:]
    top, left = (size - height) // 2, (size - width) // 2
    padding = ((0, 0), (top, size - height - top), (left, size - width - left))
    return np.repeat(np.pad(images, padding)[:, None], 3, axis=1)


def read_idx(content: bytes, kind: str, name: str) -> np.ndarray:
    """Parse an IDX file of `images` or `labels`.

    Returns
    -------
    numpy.ndarray
        uint8 `(images, height, width)` or `(images,)`.

    Raises
    ------
    InputError
        The header or the length is wrong.
    """
    dimensions = {"images": 3, "labels": 1}[kind]
    header = np.frombuffer(content, dtype=">u4", count=min(1 + dimensions, len(content) // 4))
    shape = tuple(int(size) for size in header[1:])
    expected = 4 * (1 + dimensions) + int(np.prod(shape))
    if len(header) != 1 + dimensions or header[0] != IDX_MAGIC[kind] or len(content) != expected:
        raise InputError(
            f"{name}: not a whole IDX file of {kind} ({len(content)} bytes). Fetch it again."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=4 * (1 + dimensions)).reshape(shape)


def sample_rows(labels: np.ndarray, images: int, seed: int) -> np.ndarray:
    """`sample_balanced` with the generator of a seed; of one seed, small samples lie in larger."""
    return sample_balanced(labels, images, np.random.default_rng(seed))


def sample_balanced(labels: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `number` images, as evenly over the classes as their counts allow.

    Returns
    -------
    numpy.ndarray
        Sorted int64 indices into `labels`.

    Raises
    ------
    InputError
        There are fewer images than asked for.
    """
    if number > len(labels):
        raise InputError(
            f"datasets: a sample of {number} images was asked for, but there are {len(labels)}. "
            "Lower `datasets.<name>.validation.images` or `datasets.<name>.probe.images`."
        )
    shuffled = rng.permutation(len(labels))
    by_class = np.argsort(labels[shuffled], kind="stable")
    members = np.split(shuffled[by_class], np.flatnonzero(np.diff(labels[shuffled][by_class])) + 1)
    # Taking the first of every class, then the second, ... keeps the counts within one.
    turn = np.concatenate([np.arange(len(member)) for member in members])
    order = np.lexsort((rng.random(len(turn)), turn))
    return np.sort(np.concatenate(members)[order[:number]])


def horizontal_flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each image with probability one half."""
    flipped = rng.random(len(images)) < 0.5
    return np.where(flipped[:, None, None, None], images[..., ::-1], images)


def random_shift(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move each image by up to an eighth of its size in both directions, black moving in."""
    size = images.shape[-1]
    reach = size // 8
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    tops, lefts = rng.integers(0, 2 * reach + 1, size=(2, len(images)))
    return np.stack(
        [
            image[:, top : top + size, left : left + size]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def draw_seeds(number: int, rng: np.random.Generator) -> list[int]:
    """One seed for each image of a batch, so that each is cropped whatever the others are."""
    return rng.integers(2**63, size=number).tolist()


def random_resized_crop(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a random piece of each image and resize it to the whole, as torchvision does.

    Image files are cut before they are resized: see `image_files.ImageFiles.read`.
    """
    # Slow to import, and not always needed.
    from PIL import Image

    from prunescope.cropping import crop_at_random

    size = images.shape[-1]
    cropped = np.empty_like(images)
    for place, seed in enumerate(draw_seeds(len(images), rng)):
        image = Image.fromarray(np.ascontiguousarray(images[place].transpose(1, 2, 0)))
        cropped[place] = crop_at_random(image, size, seed)
    return cropped


RANDOM_RESIZED_CROP = "random_resized_crop"
Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
AUGMENTATIONS: Mapping[str, Augmentation] = {
    "horizontal_flip": horizontal_flip,
    "random_shift": random_shift,
    RANDOM_RESIZED_CROP: random_resized_crop,
}


def augment(
    images: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
) -> np.ndarray:
    """Change a batch by the entries of `AUGMENTATIONS` that are named, in this order."""
    for name in augmentation:
        images = AUGMENTATIONS[name](images, rng)
    return images
