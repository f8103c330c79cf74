"""LPIPS: distances between the features of a network trained on ImageNet, layer by layer.

The network is that of the authors' package `lpips` ("upstream"). The package also contains the
weights of the linear layers (version 0.1).

Source: Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", arXiv 1801.03924.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics.metric import (
    Embedder,
    Metric,
    Weights,
    device,
    load_tensors,
    resize,
)

if TYPE_CHECKING:
    import torch


TORCHVISION = "https://download.pytorch.org/models"
# The names of torchvision's files contain the first digits of their SHA-256.
TRUNKS = {
    "alex": ("alexnet-owt-7be5be79.pth", "7be5be79"),
    "vgg": ("vgg16-397923af.pth", "397923af"),
    "squeeze": ("squeezenet1_1-b8a52dc0.pth", "b8a52dc0"),
}


def load(net: str, files: Mapping[str, Path], image_size: int) -> Embedder:
    """Build the network of `lpips` with torchvision's weights from a file.

    LPIPS normalises the features of each layer to length 1 at each position. It is the sum over
    the layers of the weighted squared differences of the features, averaged over positions. So if
    each feature is multiplied by sqrt(weight / positions), the squared distance of the feature
    vectors is LPIPS.

    Raises
    ------
    InputError
        The file is damaged, or holds other weights.
    """
    import lpips
    import torch

    # `pnet_rand` keeps upstream from downloading weights. They are loaded from the file below.
    model: Any = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    (path,) = files.values()
    _load_trunk(model.net, path)
    model.to(device())
    roots = [linear.model[-1].weight[0].sqrt() for linear in model.lins]

    def embedder(images: np.ndarray) -> "torch.Tensor":
        pixels = 2 * resize(images, image_size).to(device()) - 1
        layers = model.net(model.scaling_layer(pixels))
        parts = [
            lpips.normalize_tensor(layer) * root / (layer.shape[2] * layer.shape[3]) ** 0.5
            for layer, root in zip(layers, roots, strict=True)
        ]
        return torch.cat([part.flatten(start_dim=1) for part in parts], dim=1).cpu()

    return embedder


def _load_trunk(trunk: Any, path: Path) -> None:
    """Load torchvision's tensors `features.<n>...` into upstream's `slice<i>.<n>...`."""
    stored = load_tensors(path)
    names = {name: f"features.{name.partition('.')[2]}" for name in trunk.state_dict()}
    missing = [name for name in names.values() if name not in stored]
    if missing:
        raise InputError(f"{path}: not the weights that are needed: {missing[0]} is missing.")
    trunk.load_state_dict({name: stored[source] for name, source in names.items()})


METRICS: Mapping[str, Metric] = {
    net: Metric(
        partial(load, net),
        weights=(Weights("lpips", name, f"{TORCHVISION}/{name}", sha256),),
        packages=("lpips",),
        distance=True,
        batch=10,
    )
    for net, (name, sha256) in TRUNKS.items()
}
