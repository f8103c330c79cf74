"""A cross-section of architectures, described at small sizes, against independent looks at them."""

import random
from collections.abc import Callable
from functools import cache

import pytest
import timm
import torch
import torchvision
from oracles import macs_of, pieces, read_from
from timm.models.mlp_mixer import MlpMixer
from torch import nn

from prunescope.evaluate.counts import macs
from prunescope.networks.architecture_files import IN, OUT, Architecture
from prunescope.networks.describing.describe import describe
from prunescope.networks.describing.runs import layers_of

SIDE = 64
models = torchvision.models


def _swin() -> nn.Module:
    return models.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4]
    )


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: models.resnet18(),
    "resnext": lambda: models.ResNet(
        models.resnet.Bottleneck, [1] * 4, groups=4, width_per_group=8
    ),
    "densenet": lambda: models.DenseNet(8, (2, 2, 2), 16),
    "mobilenet_v3_small": lambda: models.mobilenet_v3_small(),
    "shufflenet_v2_x0_5": lambda: models.shufflenet_v2_x0_5(),
    "vit": lambda: models.VisionTransformer(SIDE, 16, 2, 4, 32, 64),
    "swin": _swin,
    "convnext_atto": lambda: timm.create_model("convnext_atto", depths=(1, 1, 2, 1)),
    "ghostnet_100": lambda: timm.create_model("ghostnet_100"),
    "resnest14d": lambda: timm.create_model("resnest14d"),
    "mixer": lambda: MlpMixer(img_size=SIDE, patch_size=16, num_blocks=2, embed_dim=32),
}
pytestmark = pytest.mark.slow


@cache
def built(name: str) -> tuple[nn.Module, Architecture]:
    torch.manual_seed(0)
    module = BUILDERS[name]()
    return module, describe(module, SIDE)


@pytest.fixture(params=BUILDERS)
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Architecture]:
    return built(request.param)


def test_all_layers_are_there(network: tuple[nn.Module, Architecture]) -> None:
    module, architecture = network
    assert architecture.unknown == ""
    assert {layer.name for layer in architecture.layers} == layers_of(module).keys()
    assert architecture.removable.keys() == layers_of(module).keys()
    assert architecture.parameters == sum(tensor.numel() for tensor in module.parameters())


def test_macs_are_those_that_pytorch_counts(network: tuple[nn.Module, Architecture]) -> None:
    module, architecture = network
    assert architecture.macs == macs_of(module, torch.zeros(1, 3, SIDE, SIDE))
    layers = sum(macs(layer) for layer in architecture.layers if not layer.auxiliary)
    assert layers + sum(architecture.parameter_macs.values()) == architecture.macs


def test_each_channel_is_in_one_piece(network: tuple[nn.Module, Architecture]) -> None:
    _, architecture = network
    channels = [channel for members, _ in pieces(architecture) for channel in members]
    assert len(channels) == len(set(channels))
    outs = {
        (name, k) for name, side, k in channels if side == OUT and name in architecture.removable
    }
    main = [layer for layer in architecture.layers if not layer.auxiliary]
    assert outs == {(layer.name, k) for layer in main for k in range(layer.units)}


def test_a_layer_is_removable_if_all_its_pieces_are(
    network: tuple[nn.Module, Architecture],
) -> None:
    _, architecture = network
    free = {layer.name for layer in architecture.layers if not layer.auxiliary}
    for members, stuck in pieces(architecture):
        free -= {name for name, side, _ in members if stuck and side == OUT}
    for name in free:
        reason = architecture.removable[name]
        assert reason == "" or reason.startswith("all units go together")
    removable = {name for name, reason in architecture.removable.items() if not reason}
    assert removable <= free


def test_what_reads_a_piece_belongs_to_it(network: tuple[nn.Module, Architecture]) -> None:
    """NaN in all outputs of a piece shows up in exactly those inputs that belong to it."""
    module, architecture = network
    images = torch.randn(1, 3, SIDE, SIDE)
    called = {layer.name for layer in architecture.layers if not layer.not_measured}
    free = [
        members
        for members, stuck in pieces(architecture)
        if not stuck and {name for name, _, _ in members} <= called
    ]
    for members in random.Random(0).sample(free, min(25, len(free))):
        assert read_from(module, members, images) == {
            channel for channel in members if channel[1] == IN
        }


def test_no_piece_reads_a_piece_that_can_go(network: tuple[nn.Module, Architecture]) -> None:
    """NaN in one output alone stays within its piece, unless something stands in the way."""
    module, architecture = network
    images = torch.randn(1, 3, SIDE, SIDE)
    called = {layer.name for layer in architecture.layers if not layer.not_measured}
    holding = {
        channel: (members, stuck) for members, stuck in pieces(architecture) for channel in members
    }
    outs = sorted(channel for channel in holding if channel[1] == OUT and channel[0] in called)
    for channel in random.Random(1).sample(outs, 25):
        members, stuck = holding[channel]
        for other in read_from(module, [channel], images):
            assert other in members or stuck, (channel, other)


def blocks(name: str) -> list[str]:
    """The blocks of an architecture, in the order of their first layers."""
    _, architecture = built(name)
    return list(dict.fromkeys(layer.block for layer in architecture.layers))


def test_blocks_are_those_of_which_networks_are_stacked() -> None:
    stages = [f"layer{stage}.{number}" for stage in (1, 2, 3, 4) for number in (0, 1)]
    assert blocks("resnet18") == ["conv1", *stages, "fc"]
    layers = [f"encoder.layers.encoder_layer_{number}" for number in (0, 1)]
    assert blocks("vit") == ["conv_proj", *layers, "heads.head"]
    assert blocks("mixer") == ["stem", "blocks.0", "blocks.1", "head"]
    assert blocks("mobilenet_v3_small")[:3] == ["features.0", "features.1", "features.2"]
