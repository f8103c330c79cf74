"""Predictions against torch, one image at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import accuracy, network_tables
from prunescope.evaluate.predictions import BATCH, predict
from prunescope.networks.description import Description
from prunescope.networks.preprocessing import to_input


def split(count: int, classes: int) -> PackedImages:
    """Noise of very different colours, so that the toy network finds different classes."""
    rng = np.random.default_rng(0)
    colour = rng.random(size=(count, 3, 1, 1)) ** 3
    images = (colour * rng.integers(0, 256, size=(count, 3, 8, 8))).astype(np.uint8)
    return PackedImages(images, rng.integers(0, classes, size=count))


@pytest.mark.parametrize("classes", [7, 5, 3])
def test_predictions_equal_torch_image_by_image(
    make_toy: Callable, tmp_path: Path, classes: int
) -> None:
    module, network = make_toy(classes)
    images = split(BATCH + 20, classes)  # more than one batch, the last one smaller
    predictions = predict(module, images, network.description)
    network_tables.PREDICTIONS.write(predictions, tmp_path / "predictions.parquet")
    assert predictions["image"].to_list() == list(range(len(images)))
    assert predictions["label"].to_list() == images.labels.tolist()
    mean, std = (
        np.reshape(values, (3, 1, 1))
        for values in (network.description.mean, network.description.std)
    )
    module.double()
    for row in predictions.iter_rows(named=True):
        pixels = (images.images[row["image"]] / 255 - mean) / std
        with torch.inference_mode():
            logits = module(torch.from_numpy(pixels)[None])
        probabilities = functional.softmax(logits, dim=1)[0]
        loss = functional.cross_entropy(logits, torch.tensor([row["label"]]))
        assert row["loss"] == pytest.approx(loss.item(), abs=1e-5)
        assert row["p_label"] == pytest.approx(probabilities[row["label"]].item(), abs=1e-5)
        ranked = sorted(range(classes), key=lambda label: -probabilities[label])
        assert len(row["top5"]) == min(5, classes)
        for place, best in zip(row["top5"], ranked, strict=False):
            # Equal up to rounding: another class may be named if it is as probable.
            assert probabilities[place].item() == pytest.approx(
                probabilities[best].item(), abs=1e-6
            )
        assert len(set(row["top5"])) == len(row["top5"])


def test_predictions_vary_between_images(make_toy: Callable) -> None:
    """Otherwise the comparison above would say little."""
    module, network = make_toy(7)
    predictions = predict(module, split(100, 7), network.description)
    assert predictions["loss"].n_unique() == 100
    assert predictions["top5"].list.first().n_unique() > 1


def test_with_fewer_than_five_classes_every_image_is_a_top5_hit(make_toy: Callable) -> None:
    module, network = make_toy(3)
    summary = accuracy.summarize(predict(module, split(30, 3), network.description))
    assert summary["top5"] == 1
    assert summary["images"] == 30


def test_input_by_hand() -> None:
    description = Description("none", 2, 1, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    images = np.array([[0, 255, 51], [255, 0, 255]], dtype=np.uint8).reshape(2, 3, 1, 1)
    tensor = to_input(images, description)
    expected = torch.tensor([[0.0, 1.0, -3.2], [1.0, -1.0, 0.0]]).reshape(2, 3, 1, 1)
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor, expected)


def test_input_is_channels_last_and_leaves_the_images_alone() -> None:
    images = split(4, 2).images
    before = images.copy()
    tensor = to_input(images, Description("none", 2, 8, (0.0,) * 3, (1.0,) * 3))
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(tensor.numpy(), before / 255, rtol=1e-6)
    tensor.zero_()
    np.testing.assert_array_equal(images, before)
