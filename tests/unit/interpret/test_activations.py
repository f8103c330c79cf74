"""What units answer, against passes by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.data.packed_images import PackedImages
from prunescope.interpret import activations
from prunescope.networks.description import Layer

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
    answers = found.joined().split([layer.units for layer in layers], dim=1)
    torch.testing.assert_close(answers[0], stem.mean(dim=(2, 3)))
    torch.testing.assert_close(answers[2], reduced.mean(dim=(2, 3)))
    torch.testing.assert_close(answers[4], logits)
    assert [tuple(one.shape) for one in answers] == [(5, layer.units) for layer in layers]


def test_unit_activations_end_with_the_block(make_toy: Callable) -> None:
    module: nn.Module
    module, network = make_toy()
    with (
        pytest.raises(KeyError),
        activations.unit_activations(module, network.description.layers) as found,
    ):
        raise KeyError
    module(IMAGES)
    assert found.joined().numel() == 0


@pytest.mark.parametrize(("pooling", "expected"), [("mean", 2.0), ("max", 7.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_poolings_by_hand(pooling: str, expected: float, dtype: torch.dtype) -> None:
    outputs = activations.PooledOutputs(4, pooling)
    for layer, output in enumerate((
        torch.tensor([[[[7.0, 0.0], [1.0, 0.0]]]]),
        torch.tensor([[[[3.0]], [[-1.0]]]]),
        torch.tensor([[-2.0, 5.0]]),
        torch.full((1, 1, 8, 8), 60_000.0),  # their sum exceeds half precision
    )):  # fmt: skip
        outputs.keep(layer, output.to(dtype))
    assert outputs.joined().dtype == torch.float32
    assert outputs.joined().tolist() == [[expected, 3.0, -1.0, -2.0, 5.0, 60_000.0]]


@pytest.mark.parametrize("channels_last", [True, False])
def test_means_have_the_bits_of_torch(channels_last: bool) -> None:
    output = torch.randn(3, 5, 7, 7, generator=torch.Generator().manual_seed(2))
    if channels_last:
        output = output.to(memory_format=torch.channels_last)
    outputs = activations.PooledOutputs(1, "mean")
    outputs.keep(0, output)
    assert torch.equal(outputs.joined(), output.mean(dim=(2, 3)))


@pytest.mark.parametrize("size", [1, 4])
def test_activations_survive_what_overwrites_an_output(size: int) -> None:
    convolution, answers = nn.Conv2d(3, 2, 1), nn.Linear(2 * size * size, 2)
    module = nn.Sequential(
        convolution, nn.ReLU(inplace=True), nn.Flatten(), answers, nn.ReLU(inplace=True)
    )
    layers = (
        Layer("0", "conv2d", (2, 3, 1, 1), (size, size), None),
        Layer("3", "linear", (2, 2 * size * size), (1, 1), None),
    )
    images = IMAGES[:, :, :size, :size]
    with torch.no_grad(), activations.unit_activations(module, layers) as found:
        convolution.bias -= 1
        answers.bias -= 1
        module(images)
        output = convolution(images)
        expected = output.mean(dim=(2, 3)), answers(output.relu().flatten(1))
    assert all((one < 0).any() for one in expected)
    torch.testing.assert_close(found.joined(), torch.cat(expected, dim=1))


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
