"""Random crops for training, drawn by torchvision, seeded by the caller."""

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from prunescope.data.decoding import to_array

SCALE = [0.08, 1.0]
RATIO = [3 / 4, 4 / 3]


def crop_at_random(image: Image.Image, size: int, seed: int) -> np.ndarray:
    """Cut a piece of 8 to 100 % of the area, 3:4 to 4:3, and resize it to a square.

    Bilinear with antialiasing, as torchvision's `RandomResizedCrop(size)` does. The state of
    torch's generators is left as it was.

    Returns
    -------
    numpy.ndarray
        uint8 `(3, size, size)`.
    """
    with torch.random.fork_rng(devices=[]):
        # Not `torch.manual_seed`: it would seed the GPUs as well, which are not put back.
        torch.default_generator.manual_seed(seed)
        box = RandomResizedCrop.get_params(image, SCALE, RATIO)
    return to_array(resized_crop(image, *box, [size, size]))
