"""What units answer, against passes by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope import activations
from prunescope.datasets import PackedImages

IMAGES = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_unit_activations_by_hand(make_toy: Callable) -> None:
    """The mean over positions of what a convolution yields, before batch norm."""
    module, network = make_toy()
    layers = network.description.layers
    with torch.inference_mode(), activations.unit_activations(module, layers) as found:
        for images in (IMAGES[:3], IMAGES):  # replaced at each pass
            logits = module(images)
    weights = {name: torch.from_numpy(tensor) for name, tensor in network.tensors.items()}
    stem = functional.conv2d(IMAGES, weights["stem.conv.weight"], stride=2, padding=1)
    normalised = functional.batch_norm(
        stem, *(weights[f"stem.bn.{name}"]
                for name in ("running_mean", "running_var", "weight", "bias")), eps=0.001,
    )  # fmt: skip
    reduced = functional.conv2d(normalised.clamp(min=0), weights["mixed.branch2.0.conv.weight"])
    torch.testing.assert_close(found[0], stem.mean(dim=(2, 3)))
    torch.testing.assert_close(found[2], reduced.mean(dim=(2, 3)))
    torch.testing.assert_close(found[4], logits)
    assert [tuple(one.shape) for one in found] == [(5, layer.units) for layer in layers]


def test_unit_activations_end_with_the_block(make_toy: Callable) -> None:
    module: nn.Module
    module, network = make_toy()
    with (
        pytest.raises(KeyError),
        activations.unit_activations(module, network.description.layers) as found,
    ):
        raise KeyError
    module(IMAGES)
    assert all(one.numel() == 0 for one in found)


@pytest.mark.parametrize(("pooling", "expected"), [("mean", 2.0), ("max", 7.0)])
def test_poolings_by_hand(pooling: str, expected: float) -> None:
    output = torch.tensor([[[[7.0, 0.0], [1.0, 0.0]]]])
    assert activations.POOLINGS[pooling](output).tolist() == [[expected]]
    logits = torch.tensor([[3.0, -1.0]])
    assert activations.POOLINGS[pooling](logits) is logits


@pytest.mark.parametrize("batch", [1, 4, 50])
def test_passes_and_records(
    make_toy: Callable, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    module, network = make_toy()
    rng = np.random.default_rng(0)
    images = PackedImages(
        rng.integers(0, 256, size=(11, 3, 8, 8), dtype=np.uint8), np.arange(11) % 7
    )
    whole = torch.cat(list(activations.passes(module, images, network.description)))
    assert whole.shape == (11, sum(layer.units for layer in network.description.measured_layers))
    monkeypatch.setattr(activations, "BATCH", batch)
    rows = np.array([0, 3, 4, 10])
    recorder = activations.Recorder(rows)
    for part in activations.passes(module, images, network.description):
        recorder.update(part)
    np.testing.assert_allclose(recorder.activations(), whole[rows], atol=1e-6)
