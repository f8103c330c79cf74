"""Train images from a packed split."""

from dataclasses import dataclass

import numpy as np

from prunescope.data.packed_images import PackedImages
from prunescope.train.images.augmentation import augment


@dataclass(frozen=True)
class PackedSource:
    """The images of a packed split, as training reads them."""

    packed: PackedImages

    def __len__(self) -> int:
        return len(self.packed)

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> PackedImages:
        """Read the images at `indices`, and change them by keys of `AUGMENTATIONS`.

        Parameters
        ----------
        indices
            Which images, integers `(batch,)`.
        augmentation
            Applied in this order.
        rng
            Where all chance comes from.
        """
        images = augment(self.packed.images[indices], augmentation, rng)
        return PackedImages(images, self.packed.labels[indices])
