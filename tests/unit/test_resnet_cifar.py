"""The residual networks for CIFAR-10 against the paper, and with the public checkpoint."""

import io
import os
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from files import load_module
from PIL import Image
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[2]
resnet_cifar = load_module(ROOT / "networks" / "resnet_cifar.py")

# Table 6 of the paper, in millions of parameters.
PUBLISHED = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}
CHECKPOINT, IMAGES = "resnet_cifar10/resnet20-12fca82f.th", "cifar10_jpeg.zip"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parameters(depth: int, **options: int) -> int:
    network = getattr(resnet_cifar, f"resnet{depth}")(**options)
    return sum(tensor.numel() for tensor in network.parameters())


def counted(depth: int, classes: int = 10) -> int:
    """The parameters by the paper's section 4.2: every layer of a stage has as many filters."""
    blocks = (depth - 2) // 6
    widths = [3, 16, *[16] * 2 * blocks, *[32] * 2 * blocks, *[64] * 2 * blocks]
    convolutions = sum(9 * a * b for a, b in pairwise(widths))
    return convolutions + 2 * sum(widths[1:]) + 64 * classes + classes


@pytest.mark.parametrize("depth", PUBLISHED)
def test_parameters_are_those_of_the_paper(depth: int) -> None:
    found = parameters(depth)
    assert found == counted(depth)
    digits = 1 if depth == 110 else 2
    assert round(found / 1e6, digits) == PUBLISHED[depth]


def test_the_smallest_has_as_many_parameters_as_others_count() -> None:
    assert parameters(20) == 269_722
    assert parameters(20, num_classes=7) == 269_722 - 3 * 65


@pytest.mark.parametrize("depth", PUBLISHED)
def test_there_are_as_many_layers_as_the_name_says(depth: int) -> None:
    modules = getattr(resnet_cifar, f"resnet{depth}")().modules()
    layers = [m for m in modules if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == depth


def test_a_shortcut_takes_every_second_pixel_and_adds_channels_of_zeros() -> None:
    images = torch.arange(2 * 16 * 4 * 6, dtype=torch.float32).reshape(2, 16, 4, 6)
    shortcut = resnet_cifar.Block(16, 32, stride=2).shortcut(images)
    assert shortcut.shape == (2, 32, 2, 3)
    assert torch.equal(shortcut[:, 8:24], functional.max_pool2d(images, 1, stride=2))
    assert not shortcut[:, :8].any()
    assert not shortcut[:, 24:].any()


def test_a_block_that_adds_nothing_passes_on_what_is_positive() -> None:
    block = resnet_cifar.Block(8, 8, stride=1).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    images = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(images), images.clamp(min=0))


def test_any_image_size_is_taken() -> None:
    network = resnet_cifar.resnet20(num_classes=4).eval()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 4)
    assert network(torch.zeros(1, 3, 48, 40)).shape == (1, 4)


# --- with data that is not part of the repository ------------------------------------------------


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("PRUNESCOPE_DATA")
    if not folder:
        pytest.skip("PRUNESCOPE_DATA names no folder with the checkpoint and the images")
    for name in (CHECKPOINT, IMAGES):
        if not (Path(folder) / name).is_file():
            pytest.skip(f"{folder} has no {name}")
    return Path(folder)


@pytest.fixture(scope="module")
def trained(data: Path) -> torch.nn.Module:
    stored = torch.load(data / CHECKPOINT, map_location="cpu", weights_only=True)["state_dict"]
    network = resnet_cifar.resnet20()
    state = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
    # PyTorch takes a file of that time, which has no counts of batches.
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.slow
def test_the_public_checkpoint_classifies_the_test_images(
    data: Path, trained: torch.nn.Module
) -> None:
    """As an independent implementation found: 8,103 of 10,000."""
    images, labels = [], []
    with zipfile.ZipFile(data / IMAGES) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("test/"))
        names = [name for name in names if name.endswith(".jpg")]
        classes = sorted({name.split("/")[1] for name in names})
        for name in names:
            image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            images.append(np.asarray(image))
            labels.append(classes.index(name.split("/")[1]))
    assert len(images) == 10_000
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))
    with torch.inference_mode():
        found = [trained((part / 255 - mean) / std).argmax(1) for part in pixels.split(500)]
    assert int((torch.cat(found) == torch.tensor(labels)).sum()) == 8_103
