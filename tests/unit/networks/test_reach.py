"""Weights that no image reaches, against convolutions that are run position by position."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from described import create_described
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d, pad

from prunescope.networks import reach
from prunescope.networks.describing.layers import find_layers
from prunescope.networks.description import Description, Layer

SIDE = 9


class On(nn.Module):
    """Layers that run one after the other, each on the corner of the image of the given size."""

    def __init__(self, *runs: tuple[nn.Module, Sequence[int]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(dict.fromkeys(layer for layer, _ in runs))
        self.runs = runs

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [layer(images[:, :, : size[0], : size[1]]) for layer, size in self.runs]


def conv(*size: int, filters: int = 2, **settings: object) -> nn.Conv2d:
    return nn.Conv2d(3, filters, size, bias=False, **settings)


def found(*runs: tuple[nn.Module, Sequence[int]]) -> Layer:
    (layer,) = find_layers(On(*runs), SIDE)
    return layer


def touched(module: nn.Conv2d, *sizes: Sequence[int]) -> np.ndarray:
    """Which positions of the kernel see an image of ones: a filter for each of them is run."""
    number = module.weight[0, 0].numel()
    filters = torch.eye(number).reshape(number, 1, *module.weight.shape[2:])
    seen = [
        conv2d(
            torch.ones(1, 1, *size), filters, None, module.stride, module.padding, module.dilation
        ).amax(dim=(0, 2, 3))
        for size in sizes
    ]
    return (torch.stack(seen).amax(dim=0) > 0).reshape(module.weight.shape[2:]).numpy()


def has_gradient(module: nn.Module, weight: torch.Tensor, images: torch.Tensor) -> np.ndarray:
    """Which positions of the kernel have a gradient that is not exactly zero."""
    module.zero_grad()
    sum(output.sum() for output in module(images)).backward()
    return (weight.grad != 0).flatten(0, 1).any(dim=0).numpy()


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
kernels = st.tuples(st.integers(1, 4), st.integers(1, 4))
paddings = st.one_of(
    st.tuples(st.integers(0, 5), st.integers(0, 5)), st.sampled_from(["same", "valid"])
)
sizes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@given(kernel=kernels, stride=pairs, dilation=pairs, padding=paddings, sizes=sizes)
def test_reach_is_what_runs_show(
    kernel: tuple, stride: tuple, dilation: tuple, padding: tuple | str, sizes: list
) -> None:
    """A weight counts if any run reaches it, at whatever size."""
    stride = (1, 1) if padding == "same" else stride
    spread = [step * (length - 1) + 1 for step, length in zip(dilation, kernel, strict=True)]
    added = {"valid": (0, 0), "same": [length // 2 for length in spread]}.get(padding, padding)
    sizes = [
        [max(size, length - 2 * more) for size, length, more in zip(*parts, strict=True)]
        for parts in ((size, spread, added) for size in sizes)
    ]
    module = conv(*kernel, stride=stride, dilation=dilation, padding=padding)
    watched = On(*((module, size) for size in sizes))
    (layer,) = find_layers(watched, 12)
    expected = touched(module, *sizes)
    np.testing.assert_array_equal(layer.reached[0, 0], expected)
    assert layer.unreached_weights == module.weight[:, :, ~torch.from_numpy(expected)].numel()
    images = torch.rand(1, 3, 12, 12, dtype=torch.float64) + 0.1
    watched.double()
    np.testing.assert_array_equal(has_gradient(watched, module.weight, images), expected)


def test_reach_by_hand() -> None:
    centre = found((conv(3, 3, padding=1), (1, 1)))
    assert centre.unreached == ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2))
    assert centre.unreached_weights == 2 * 3 * 8
    # On one row only the middle row of the kernel reads, in all its columns.
    assert found((conv(3, 3, padding=1), (1, 4))).unreached == (
        (0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2),
    )  # fmt: skip
    assert found((conv(3, 3, padding=1), (2, 2))).unreached == ()
    # A dilated kernel spreads beyond a map on which a dense one would not.
    assert len(found((conv(3, 3, padding=2, dilation=2), (2, 2))).unreached) == 8
    # With stride 2, the last column begins where the map has ended.
    assert found((conv(1, 3, padding=(0, 1), stride=2), (1, 2))).unreached == ((0, 0),)
    # Nothing but padding at all.
    assert len(found((conv(2, 2, padding=1, dilation=2), (1, 1))).unreached) == 4


def test_groups_have_fewer_inputs() -> None:
    layer = found((conv(3, 3, filters=6, padding=1, groups=3), (1, 1)))
    assert layer.shape == (6, 1, 3, 3)
    assert layer.unreached_weights == 6 * 1 * 8


def test_a_layer_that_runs_twice_needs_one_run_that_reaches() -> None:
    module = conv(3, 3, padding=1)
    assert len(found((module, (1, 4)), (module, (4, 1))).unreached) == 4
    assert found((module, (1, 1)), (module, (3, 3))).unreached == ()


@pytest.mark.parametrize("mode", ["circular", "replicate"])
def test_padding_that_repeats_the_image_is_no_padding(mode: str) -> None:
    module = conv(3, 3, padding=1, padding_mode=mode)
    assert found((module, (1, 1))).unreached == ()
    watched = On((module, (1, 1)))
    assert has_gradient(watched, module.weight, torch.rand(1, 3, SIDE, SIDE)).all()


class SelfPadded(nn.Conv2d):
    """A convolution that pads before it calls its own kernel, as some libraries' do."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(pad(images, (1, 1, 1, 1)))


def test_padding_of_its_own_counts_as_an_image() -> None:
    """What a module does besides its settings is not known: nothing is left out by mistake."""
    assert found((SelfPadded(3, 2, 3), (1, 1))).unreached == ()


class Headed(nn.Module):
    """A network with a head that runs in training only, and layers that never run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(3, 3, padding=1)
        self.head = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(),
            nn.Linear(4, 2),
        )  # fmt: skip
        self.forgotten = conv(2, 2)
        self.fc = nn.Linear(2, 2)
        self.unused = nn.Linear(2, 5)

    def forward(self, images: torch.Tensor) -> object:
        maps = self.first(images).mean(dim=(2, 3), keepdim=True)
        logits = self.fc(maps.flatten(1))
        return (logits, self.head(maps)) if self.training else logits


@pytest.mark.parametrize("training", [False, True])
def test_heads_are_watched_in_training(training: bool) -> None:
    module = Headed().train(training)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    random = torch.get_rng_state()
    layers = {layer.name: layer for layer in find_layers(module, SIDE)}
    assert list(layers) == ["first", "fc", "head.0", "head.4", "forgotten", "unused"]
    idle = [name for name, layer in layers.items() if layer.auxiliary]
    assert idle == ["head.0", "head.4", "forgotten", "unused"]
    assert layers["head.0"].output_size == (0, 0)
    unreached = {name: layer.unreached_weights for name, layer in layers.items()}
    assert unreached == {
        "first": 0, "fc": 0, "head.0": 4 * 2 * 8, "head.4": 0,
        "forgotten": 2 * 3 * 4, "unused": 10,
    }  # fmt: skip
    assert layers["unused"].reached.shape == (1, 1)
    assert module.training == training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def googlenet(side: int) -> tuple[nn.Module, Description]:
    blank = Description(
        "torchvision:googlenet",
        10,
        side,
        (0.5,) * 3,
        (0.5,) * 3,
        auxiliary_heads=True,
        options={"init_weights": False},
    )
    return create_described(blank, seed=0)


@pytest.mark.parametrize(("side", "unreached"), [(32, 1_081_344), (224, 0)])
def test_googlenet(side: int, unreached: int) -> None:
    """By the gradients of the whole network, for random images."""
    module, described = googlenet(side)
    module.eval().double()
    torch.manual_seed(0)
    module(torch.randn(2, 3, side, side, dtype=torch.float64)).sum().backward()
    weights = dict(module.named_parameters())
    without_gradient = 0
    for layer in described.measured_layers:
        gradient = weights[layer.weight].grad
        seen = (gradient != 0).flatten(0, 1).any(dim=0).reshape(layer.shape[2:]).numpy()
        np.testing.assert_array_equal(layer.reached.reshape(seen.shape), seen, layer.name)
        without_gradient += layer.shape[0] * layer.shape[1] * int((~seen).sum())
    assert without_gradient == unreached
    assert sum(layer.unreached_weights for layer in described.layers) == unreached
    *convolutions, _ = described.measured_layers
    if unreached:
        total = sum(int(np.prod(layer.shape)) for layer in convolutions)
        assert unreached / total == pytest.approx(0.194, abs=0.001)
        assert [layer.name for layer in convolutions if layer.unreached] == [
            f"inception{block}.{branch}.1.conv"
            for block in ("5a", "5b")
            for branch in ("branch2", "branch3")
        ]


def test_what_counts() -> None:
    first = Layer("first", "conv2d", (4, 2, 1, 3), (1, 1), unreached=((0, 0), (0, 2)))
    second = Layer("second", "linear", (5, 4), (1, 1))
    description = Description("none", 5, 8, (0.0,) * 3, (1.0,) * 3, (first, second))
    assert reach.counted(description, "counted") == {}
    counted = reach.counted(description, "left_out")
    assert counted.keys() == {"first.weight"}
    assert counted["first.weight"].tolist() == [[[[False, True, False]]]]
    weight = np.arange(24).reshape(4, 2, 1, 3)
    assert reach.values("first.weight", weight, counted).tolist() == [1, 4, 7, 10, 13, 16, 19, 22]
    assert reach.values("second.weight", weight, counted) is weight
    assert reach.in_words(description, "left_out") == "16, left out (first 16 of 24)"
    assert reach.in_words(description, "counted") == "16, counted (first 16 of 24)"
    whole = Description("none", 5, 8, (0.0,) * 3, (1.0,) * 3, (second,))
    assert reach.in_words(whole, "left_out") == "0"
