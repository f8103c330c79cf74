"""Which batch norm follows a layer: data flow decides, names do not."""

from collections.abc import Callable

import pytest
import torch
from nets import Net
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn.functional import relu

from prunescope.networks.describing.describe import describe


def norms(forward: Callable, **parts: nn.Module) -> dict[str, str | None]:
    found = describe(Net(forward, **parts), 8)
    assert found.unknown == ""
    return {layer.name: layer.batch_norm for layer in found.layers}


def test_it_reads_what_the_layer_makes_whatever_it_is_called() -> None:
    assert norms(
        lambda net, images: net.first(net.conv1(images)),
        conv1=nn.Conv2d(3, 4, 1),
        bn1=nn.BatchNorm2d(4),
        first=nn.BatchNorm2d(4),
    ) == {"conv1": "first"}


def test_the_batch_norm_before_a_layer_is_not_its_own() -> None:
    """In a pre-activation network, `conv` and `bn` of one block do not follow one another."""
    assert norms(
        lambda net, images: net.conv(relu(net.bn(images))),
        bn=nn.BatchNorm2d(3),
        conv=nn.Conv2d(3, 3, 1),
    ) == {"conv": None}


def test_batch_norms_that_keep_statistics_are_counted_wherever_they_stand() -> None:
    """What follows no layer counts; what keeps no statistics, or is another norm, does not."""
    parts = {
        "bn": nn.BatchNorm2d(3),
        "act": BatchNormAct2d(3),
        "bare": nn.BatchNorm2d(3, track_running_stats=False),
        "other": nn.GroupNorm(1, 3),
        "conv": nn.Conv2d(3, 3, 1),
    }
    for number in (2, 0):
        chosen = {name: part for name, part in parts.items() if number or name not in ("bn", "act")}

        def forward(net: nn.Module, images: torch.Tensor, names: tuple = tuple(chosen)) -> object:
            for name in names:
                images = net.get_submodule(name)(images)
            return images

        assert describe(Net(forward, **chosen), 8).batch_norms == number


def test_nothing_may_come_between() -> None:
    assert norms(
        lambda net, images: net.bn(relu(net.conv(images))),
        conv=nn.Conv2d(3, 4, 1),
        bn=nn.BatchNorm2d(4),
    ) == {"conv": None}


@pytest.mark.parametrize(
    "second",
    [
        lambda net, made: made,
        lambda net, made: net.other(made),
        lambda net, made: made.mean(),
    ],
)
def test_it_must_be_the_sole_reader(second: Callable) -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        made = net.conv(images)
        return net.bn(made) + second(net, made)

    parts = {"conv": nn.Conv2d(3, 4, 1), "bn": nn.BatchNorm2d(4), "other": nn.BatchNorm2d(4)}
    assert norms(forward, **parts) == {"conv": None}


def test_a_shared_layer_must_have_the_same_one_each_time() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        once = net.one(net.conv(images))
        return net.same(net.both(once)) + net.same(net.both(net.other(net.conv(once))))

    parts = {name: nn.BatchNorm2d(3) for name in ("one", "other", "same")}
    convs = {"conv": nn.Conv2d(3, 3, 1), "both": nn.Conv2d(3, 3, 1)}
    assert norms(forward, **parts, **convs) == {"conv": None, "both": "same"}


def test_one_without_a_weight_does_not_count() -> None:
    assert norms(
        lambda net, images: net.bn(net.conv(images)),
        conv=nn.Conv2d(3, 4, 1),
        bn=nn.BatchNorm2d(4, affine=False),
    ) == {"conv": None}


def test_one_with_an_activation_of_its_own_counts() -> None:
    assert norms(
        lambda net, images: net.after(net.conv(images)),
        conv=nn.Conv2d(3, 4, 1),
        after=BatchNormAct2d(4),
    ) == {"conv": "after"}


def test_a_row_of_tokens_may_be_cut_in_another_way() -> None:
    """As LeViT does: its linear layers run on tokens, its batch norms on rows."""

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        made = net.linear(images.flatten(2).transpose(1, 2))
        return net.norm(made.flatten(0, 1)).reshape_as(made).mean(1)

    assert norms(forward, linear=nn.Linear(3, 5), norm=nn.BatchNorm1d(5)) == {"linear": "norm"}


def test_tokens_as_channels_do_not_count() -> None:
    """64 tokens of 64 features: the norm acts on tokens."""

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return net.norm(net.linear(images.flatten(2).transpose(1, 2))).mean(1)

    assert norms(forward, linear=nn.Linear(3, 64), norm=nn.BatchNorm1d(64)) == {"linear": None}
