"""Read train images from a packed split."""

from dataclasses import dataclass

import numpy as np

from prunescope.data.packed_images import PackedImages
from prunescope.train.images.augmentation import augment
from prunescope.train.images.train_batch import TrainBatch


@dataclass(frozen=True)
class PackedSource:
    """A packed split as `batches.TrainImages`."""

    packed: PackedImages

    def __len__(self) -> int:
        return len(self.packed)

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> TrainBatch:
        """Read and augment a batch.

        Parameters
        ----------
        indices
            Integer indices `(batch,)` of the images.
        augmentation
            Keys of `augmentation.AUGMENTATIONS`, applied in order.
        rng
            Source of all randomness.
        """
        images = augment(self.packed.images[indices], augmentation, rng)
        return TrainBatch(images, self.packed.labels[indices])
