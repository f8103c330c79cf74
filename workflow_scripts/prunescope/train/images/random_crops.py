"""Random resized crops, with a seed for each image: pieces that torchvision would cut."""

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
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
    box = draw_box((image.height, image.width), seed)
    return to_array(resized_crop(image, *box, [size, size]))


def crop_copy_at_random(
    copy: torch.Tensor, original: tuple[int, int], size: int, seed: int
) -> np.ndarray:
    """Cut the piece that `crop_at_random` cuts from an image out of a smaller copy of it.

    The edges of the piece are rounded to pixels of the copy. Resizing is bilinear with
    antialiasing, by torch: three times as fast as Pillow, from which single values differ by 1.

    Parameters
    ----------
    copy
        uint8 `(3, height, width)`.
    original
        Height and width of the image in pixels.
    size
        Side of the result in pixels.
    seed
        That of the crop.

    Returns
    -------
    numpy.ndarray
        uint8 `(3, size, size)`.
    """
    top, left, height, width = draw_box(original, seed)
    rows = _scaled(top, top + height, copy.shape[1] / original[0])
    columns = _scaled(left, left + width, copy.shape[2] / original[1])
    piece = copy[None, :, rows, columns]
    resized = interpolate(piece, (size, size), mode="bilinear", antialias=True)
    return resized[0].contiguous().numpy()


def draw_box(image: tuple[int, int], seed: int) -> tuple[int, int, int, int]:
    """Draw a piece of an image of some height and width: top, left, height, width."""
    with torch.random.fork_rng(devices=[]):
        # Not `torch.manual_seed`: it also seeds the GPUs, whose state is not restored here.
        torch.default_generator.manual_seed(seed)
        # Only the shape is read.
        shaped = torch.empty(1).expand(3, *image)
        return RandomResizedCrop.get_params(shaped, SCALE, RATIO)


def _scaled(start: int, stop: int, factor: float) -> slice:
    first = round(start * factor)
    return slice(first, max(first + 1, round(stop * factor)))
