"""Layers by name, pattern and role, in real networks whose layers are listed here by hand."""

import pytest
import timm
from torch import nn
from torchvision import models

from prunescope.foundation.errors import InputError
from prunescope.networks import chosen_layers
from prunescope.networks.describing.layers import find_layers
from prunescope.networks.description import Layer

KEY = "pruning.exclude"


def layers_of(module: nn.Module) -> tuple[Layer, ...]:
    """The layers with their groups, whoever lists them."""
    groups = {
        name: child.groups for name, child in module.named_modules() if isinstance(child, nn.Conv2d)
    }
    return tuple(
        Layer(
            layer.name, layer.kind, layer.shape, layer.output_size, auxiliary=layer.auxiliary,
            groups=groups.get(layer.name, 1),
        )
        for layer in find_layers(module.eval(), 64)
    )  # fmt: skip


@pytest.fixture(scope="module")
def resnet() -> tuple[Layer, ...]:
    return layers_of(models.resnet18(num_classes=10))


@pytest.fixture(scope="module")
def mobilenet() -> tuple[Layer, ...]:
    return layers_of(models.mobilenet_v3_small(num_classes=10))


FOURTH = tuple(
    f"layer4.{name}" for name in ("0.conv1", "0.conv2", "0.downsample.0", "1.conv1", "1.conv2")
)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], ()),
        (["conv1"], ("conv1",)),
        (["fc", "conv1"], ("conv1", "fc")),  # in the order of the layers
        (["layer4.*"], FOURTH),
        (["layer4.*", "layer4.1.conv1"], FOURTH),
        (["layer4.?.conv2"], ("layer4.0.conv2", "layer4.1.conv2")),
        (["layer[34].1.conv2"], ("layer3.1.conv2", "layer4.1.conv2")),
        (["*downsample*"], tuple(f"layer{n}.0.downsample.0" for n in (2, 3, 4))),
        (["first"], ("conv1",)),
        (["classifier"], ("fc",)),
    ],
)
def test_entries_mean_these_layers(
    resnet: tuple[Layer, ...], entries: list[str], expected: tuple[str, ...]
) -> None:
    assert chosen_layers.find(entries, resnet, KEY) == expected


def test_a_pattern_must_fit_whole_names_and_their_case(resnet: tuple[Layer, ...]) -> None:
    for entry in ("ayer4.*", "layer4.?", "LAYER4.*", "conv"):
        with pytest.raises(InputError):
            chosen_layers.find([entry], resnet, KEY)


def test_depthwise_convolutions_are_those_with_one_channel_a_group(
    mobilenet: tuple[Layer, ...],
) -> None:
    module = models.mobilenet_v3_small(num_classes=10)
    expected = {
        name
        for name, child in module.named_modules()
        if isinstance(child, nn.Conv2d) and child.groups == child.in_channels > 1
    }
    found = chosen_layers.find(["depthwise"], mobilenet, KEY)
    assert len(found) == 11
    assert set(found) == expected
    assert chosen_layers.find(["classifier"], mobilenet, KEY) == ("classifier.3",)


def test_grouped_convolutions_are_not_depthwise() -> None:
    grouped = Layer("a", "conv2d", (8, 2, 3, 3), (4, 4), groups=4)
    one_channel = Layer("b", "conv2d", (8, 1, 3, 3), (4, 4))
    last = Layer("c", "linear", (3, 8), (1, 1))
    with pytest.raises(InputError, match="'depthwise' fits no layer: the network has none"):
        chosen_layers.find(["depthwise"], (grouped, one_channel, last), KEY)


def test_answers_that_are_averaged_are_all_classifiers() -> None:
    layers = layers_of(timm.create_model("levit_128s", num_classes=10, img_size=64))
    found = chosen_layers.find(["classifier"], layers, KEY)
    assert found == ("head.linear", "head_dist.linear")


def test_auxiliary_heads_are_no_classifiers() -> None:
    module = models.googlenet(weights=None, init_weights=False, num_classes=10)
    layers = layers_of(module)
    assert layers[-1].auxiliary
    assert chosen_layers.find(["classifier", "first"], layers, KEY) == ("conv1.conv", "fc")
    assert chosen_layers.find(["aux?.fc2"], layers, KEY) == ("aux1.fc2", "aux2.fc2")


def test_a_layer_goes_before_a_role_of_its_name() -> None:
    layers = tuple(Layer(name, "linear", (2, 3), (1, 1)) for name in ("stem", "first", "last"))
    assert chosen_layers.find(["first"], layers, KEY) == ("first",)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("layer4", "Did you mean `layer4.*` or"),
        ("layer5.*", "'layer5.*' fits no layer of the network. "),
        ("layer4.1.conv3", "Did you mean `layer4.1.conv2` or"),
        ("clasifier", "Did you mean `classifier`?"),
        ("zzz", "Layers: conv1, layer1.0.conv1, layer1.0.conv2, ... fc (21)"),
    ],
)
def test_what_fits_nothing_is_refused_with_the_nearest_names(
    resnet: tuple[Layer, ...], entry: str, told: str
) -> None:
    with pytest.raises(InputError) as refused:
        chosen_layers.find(["conv1", entry], resnet, KEY)
    assert str(refused.value).startswith(f"{KEY}: {entry!r} fits no layer")
    assert told in str(refused.value)
