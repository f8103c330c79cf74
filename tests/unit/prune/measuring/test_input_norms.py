"""Norms of the inputs of layers against torch's unfolding, written out as matrices."""

import pytest
import torch
from small_nets import Small, batches, make
from torch import nn
from torch.nn.functional import pad, unfold

from prunescope.networks.preprocessing import to_input
from prunescope.prune.measuring import activations

IMAGES = batches()


def inputs_of(module: nn.Module, network, name: str) -> torch.Tensor:
    """What reaches a layer, of all images: `(images, ...)`."""
    seen = []
    part = dict(module.named_modules())[name]
    hook = part.register_forward_pre_hook(lambda _part, given: seen.append(given[0].double()))
    for batch in IMAGES:
        module(to_input(batch.images, network.description))
    hook.remove()
    return torch.cat(seen).detach()


def unfolded(part: nn.Conv2d, inputs: torch.Tensor) -> torch.Tensor:
    """Norms by unfolding each group of channels, of the shape of the weight."""
    norms = []
    for channels in inputs.chunk(part.groups, dim=1):
        columns = unfold(
            channels, part.kernel_size, part.dilation, part.padding, part.stride
        )  # (images, in * height * width, places)
        norm = columns.square().sum(dim=(0, 2)).sqrt()
        shape = (channels.shape[1], *part.kernel_size)
        norms += [norm.reshape(shape)] * (part.out_channels // part.groups)
    return torch.stack(norms)


@pytest.fixture(scope="module")
def measured() -> tuple:
    module = Small()
    network = make(module)
    layers = network.description.layers
    return module, network, activations.measure(module, network.description, IMAGES, layers)


@pytest.mark.parametrize("name", ["first", "grouped"])
def test_convolutions_see_their_unfolded_input(measured: tuple, name: str) -> None:
    module, network, found = measured
    part = dict(module.named_modules())[name]
    expected = unfolded(part, inputs_of(module, network, name))
    norms = torch.from_numpy(found[f"{name}.weight"]["input_norm"])
    torch.testing.assert_close(norms, expected, rtol=1e-10, atol=0)
    # At the border the kernel reads the padding, so its positions differ.
    assert norms[0, 0].std() > 1e-3


@pytest.mark.parametrize("name", ["rows", "fc"])
def test_linear_layers_see_features_over_images_and_tokens(measured: tuple, name: str) -> None:
    module, network, found = measured
    inputs = inputs_of(module, network, name)
    expected = inputs.reshape(-1, inputs.shape[-1]).norm(dim=0)
    norms = torch.from_numpy(found[f"{name}.weight"]["input_norm"])
    torch.testing.assert_close(norms, expected.expand_as(norms), rtol=1e-10, atol=0)


def test_padding_that_repeats_the_image_counts() -> None:
    module = Small()
    module.first = nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular")
    network = make(module)
    layers = network.description.layers
    found = activations.measure(module, network.description, IMAGES, layers)
    around = pad(inputs_of(module, network, "first"), (1, 1, 1, 1), mode="circular")
    expected = unfold(around, 3).square().sum(dim=(0, 2)).sqrt().reshape(3, 3, 3)
    norms = torch.from_numpy(found["first.weight"]["input_norm"])
    torch.testing.assert_close(norms, expected.expand_as(norms), rtol=1e-10, atol=0)


def test_all_runs_of_a_layer_count() -> None:
    class Twice(Small):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = torch.relu(self.norm(self.first(images)))
            tokens = torch.relu(self.grouped(maps)).flatten(2).transpose(1, 2)
            return self.fc(torch.relu(self.again(torch.relu(self.again(tokens)))).mean(dim=1))

    module = Twice()
    module.again, module.fc = nn.Linear(8, 8), nn.Linear(8, 5)
    module.rows = nn.Identity()
    network = make(module)
    layers = network.description.layers
    found = activations.measure(module, network.description, IMAGES, layers)
    inputs = inputs_of(module, network, "again")
    expected = inputs.reshape(-1, 8).norm(dim=0)
    norms = torch.from_numpy(found["again.weight"]["input_norm"])
    torch.testing.assert_close(norms, expected.expand_as(norms), rtol=1e-10, atol=0)


def test_hooks_are_gone_afterwards(measured: tuple) -> None:
    module, _, _ = measured
    assert not any(part._forward_pre_hooks for part in module.modules())
