"""Build a network once and let it classify images, so that the first job says what is wrong."""

import torch
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture
from prunescope.networks.description import Description


def build_and_try(description: Description) -> nn.Module:
    """A freshly initialised module that has been shown to take images and to tell classes.

    Parameters
    ----------
    description
        The architecture, its options, the number of classes, and the image size.

    Raises
    ------
    InputError
        It cannot be built, does not take images of this size, or does not return one number for
        each class.
    """
    torch.manual_seed(0)
    module = architecture.build(description).eval()
    size, classes, images = description.image_size, description.classes, 2
    try:
        with torch.inference_mode():
            logits = module(torch.zeros(images, 3, size, size))
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(
            f"model.architecture: {description.architecture} does not take images of {size} x "
            f"{size} pixels ({why}). Change `image_size` of the dataset, or tell the network the "
            "size in `model.options`, if it has an option for it, such as `img_size` or "
            "`image_size`."
        ) from error
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != (images, classes):
        raise InputError(
            f"model.architecture: {description.architecture} returns {shape} in evaluation mode "
            f"for {images} images, but a tensor of the shape {(images, classes)} is expected: one "
            f"number for each of the {classes} classes of the dataset."
        )
    return module
