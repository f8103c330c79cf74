"""Random resized crops, as torchvision computes them, with a seed for each image."""

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from prunescope.data.decoding import to_array

SCALE = [0.08, 1.0]
RATIO = [3 / 4, 4 / 3]


def crop_at_random(image: Image.Image, size: int, seed: int) -> np.ndarray:
    """Cut a random piece out of an image, and resize it to a square of `size` pixels.

    The piece has 8 to 100 % of the area and an aspect ratio of 3:4 to 4:3. The result equals that
    of torchvision's `RandomResizedCrop(size)`. The state of torch's generators does not change.

    Returns
    -------
    numpy.ndarray
        uint8 `(3, size, size)`.
    """
    with torch.random.fork_rng(devices=[]):
        # Not `torch.manual_seed`: it also seeds the GPUs, whose state is not restored here.
        torch.default_generator.manual_seed(seed)
        box = RandomResizedCrop.get_params(image, SCALE, RATIO)
    return to_array(resized_crop(image, *box, [size, size]))
