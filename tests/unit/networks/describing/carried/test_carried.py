"""Which parameters carry channels though no layer owns them, in small networks, by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm

from prunescope.networks.architecture_files import Carried, Group
from prunescope.networks.describing.describe import describe

SIDE = 4


class Tokens(nn.Module):
    """Four channels of tokens after a stem, with parameters of their own; then a classifier."""

    def __init__(self, forward: Callable, **parts: nn.Parameter | nn.Module | torch.Tensor) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.last = nn.Linear(4, 2)
        self.computes = forward
        for name, part in parts.items():
            if isinstance(part, nn.Module | nn.Parameter):
                setattr(self, name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.computes(self, self.stem(images.flatten(2).transpose(1, 2))).mean(1))


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def stream(forward: Callable, **parts: nn.Parameter | nn.Module | torch.Tensor) -> Group:
    """The group of the channels that the stem makes."""
    found = describe(Tokens(forward, **parts), SIDE)
    assert found.unknown == ""
    (group,) = [one for one in found.coupled if one.members[0].layer == "stem"]
    assert group.pieces == 4
    return group


def test_what_is_added_multiplied_and_put_beside_tokens() -> None:
    def forward(net: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([net.token.expand(len(tokens), -1, -1), tokens], dim=1)
        return (tokens + net.places) * net.scale

    group = stream(
        forward, token=parameter(1, 1, 4), places=parameter(1, 17, 4), scale=parameter(4)
    )
    assert group.stuck == ""
    assert group.carried == (
        Carried("token", "cat", 2, 0),
        Carried("places", "add", 2, 0),
        Carried("scale", "mul", 0, 0),
    )


def test_scale_and_shift_of_norms() -> None:
    group = stream(lambda net, tokens: net.norm(tokens), norm=nn.LayerNorm(4))
    assert group.stuck == "layer_norm"
    assert [(one.parameter, one.operation) for one in group.carried] == [
        ("norm.weight", "layer_norm"), ("norm.bias", "layer_norm"),
    ]  # fmt: skip

    def over_maps(net: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        maps = net.norm(tokens.transpose(1, 2).unflatten(2, (SIDE, SIDE)))
        return net.slope(maps).flatten(2).transpose(1, 2)

    group = stream(over_maps, norm=nn.BatchNorm2d(4), slope=nn.PReLU(4))
    assert [(one.parameter, one.axis) for one in group.carried] == [
        ("norm.weight", 0), ("norm.bias", 0), ("slope.weight", 0),
    ]  # fmt: skip


def test_numbers_are_followed_where_they_are_moved() -> None:
    """Channel k has the numbers k and 4 + k of one parameter, and the rows k of two others."""

    def forward(net: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        front, back = net.both.split(4)
        tokens = (tokens + front + back) * net.pairs.t()[1]
        return tokens + net.map[None].flatten(2).transpose(1, 2)

    parts = {"both": parameter(8), "pairs": parameter(4, 2), "map": parameter(4, SIDE, SIDE)}
    assert stream(forward, **parts).carried == (
        Carried("both", "add", 0, 0),
        Carried("both", "add", 0, 4),
        Carried("pairs", "mul", 0, 0),
        Carried("map", "add", 0, 0),
    )


@pytest.mark.parametrize(
    ("forward", "shape"),
    [
        # One number for all channels.
        (lambda net, tokens: tokens * net.own, (1,)),
        # It is computed before it meets the channels.
        (lambda net, tokens: tokens + net.own.exp(), (4,)),
        # A part of it takes part elsewhere.
        (lambda net, tokens: (tokens + net.own).softmax(1) * net.own.sum(), (4,)),
        # A channel would be divided by zero.
        (lambda net, tokens: tokens / net.own, (4,)),
        # The numbers of one index belong to two channels.
        (lambda net, tokens: tokens + net.own.flatten().repeat(2), (2, 1)),
    ],
)
def test_what_cannot_be_masked_by_channels_is_not_carried(
    forward: Callable, shape: tuple[int, ...]
) -> None:
    assert stream(forward, own=parameter(*shape)).carried == ()


REASON = "layer_norm of what stays other than zero"


@pytest.mark.parametrize(
    ("forward", "stays"),
    [
        (lambda net, tokens: net.norm(tokens + net.own), False),
        (lambda net, tokens: net.norm(tokens + net.own.tanh()), True),
        (lambda net, tokens: net.norm(tokens * net.own.tanh()), False),
        (lambda net, tokens: net.norm(tokens + net.buffer), True),
        (lambda net, tokens: net.norm(tokens * net.buffer), False),
        (lambda net, tokens: net.norm(tokens + 1), True),
        (lambda net, tokens: net.norm(tokens.sigmoid()), True),
        (lambda net, tokens: net.norm(tokens.sigmoid() * tokens), False),
        (lambda net, tokens: net.norm(torch.nn.functional.gelu(tokens).mean(1, True)), False),
        (lambda net, tokens: net.norm(net.norm(tokens)), False),
        (lambda net, tokens: net.norm(layer_norm(tokens, (4,))), True),
    ],
)
def test_layer_norms_that_read_other_than_zeros_stand_in_the_way(
    forward: Callable, stays: bool
) -> None:
    """Checked by running: a channel whose weights, bias and carried numbers are zero."""
    net = Tokens(forward, norm=nn.LayerNorm(4), own=parameter(4), buffer=torch.rand(4) + 1).eval()
    (group,) = [one for one in describe(net, SIDE).coupled if one.members[0].layer == "stem"]
    assert group.stuck == (f"layer_norm, {REASON}" if stays else "layer_norm")
    read = []
    net.norm.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    state = net.state_dict()
    with torch.no_grad():
        for name in ("stem.weight", "stem.bias", *(one.parameter for one in group.carried)):
            state[name][2] = 0
        net(torch.randn(2, 3, SIDE, SIDE))
    assert any((values[..., 2] != 0).any() for values in read) == stays


def test_computed_weights_stand_in_the_way() -> None:
    """Without some columns, a standardised weight would be another one."""

    class Standardised(nn.Conv2d):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return self._conv_forward(maps, weight, self.bias)

    def forward(net: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        return net.conv(tokens.transpose(1, 2)[..., None]).flatten(2).transpose(1, 2)

    assert stream(forward, conv=Standardised(4, 4, 1)).stuck == "a weight that is computed"


def test_weights_without_a_layer_bring_their_bias_along() -> None:
    def forward(net: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(tokens, net.weight, net.shift) + tokens

    group = stream(forward, weight=parameter(4, 4), shift=parameter(4))
    assert ("weight", "out") in {(one.layer, one.side) for one in group.members}
    assert group.carried == (Carried("shift", "linear", 0, 0),)
