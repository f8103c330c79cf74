"""Masks of groups of channels: by hand, by what networks compute, and beside Torch-Pruning."""

import copy
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
import torchvision
from files import load_module
from timm.models.convnext import ConvNeXt
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks import modules
from prunescope.networks.architecture_files import OUT, Architecture, Carried, Group, Member
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune.channel_groups import find
from prunescope.prune.group_masks import make_group_masks
from prunescope.prune.masks import PruningMethod
from prunescope.train.held_masks import MaskedParameters

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("conv2d", "linear")
SIDE = 32
models = torchvision.models


def method(criterion: str = "l1", scope: str = "layer", layers: tuple = KINDS) -> PruningMethod:
    return PruningMethod("channel_group", scope, criterion, layers)


# --- by hand -------------------------------------------------------------------------------------

LAYERS = (
    Layer("one", "conv2d", (4, 3, 1, 1), (8, 8), batch_norm="norm"),
    Layer("two", "conv2d", (4, 4, 1, 1), (8, 8)),
    Layer("grouped", "conv2d", (6, 2, 1, 1), (8, 8), groups=2),
    Layer("last", "linear", (2, 6), (1, 1)),
)
STREAM = Group(
    (Member("one", "out", 0), Member("two", "in", 0), Member("two", "out", 0)),
    4,
    carried=(
        Carried("norm.weight", "batch_norm", 0, 0),
        Carried("norm.bias", "batch_norm", 0, 0),
        Carried("places", "add", 1, 0),
    ),
)
# As if the grouped convolution read what another layer made.
PAIRS = Group((Member("grouped", "out", 0, 3, 3), Member("grouped", "in", 0, 2, 2)), 2)
LOGITS = Group((Member("last", "out", 0),), 2, "output")


def small_network() -> tuple[Network, Architecture]:
    rng = np.random.default_rng(0)
    shapes = {layer.weight: layer.shape for layer in LAYERS}
    shapes |= {"two.bias": (4,), "norm.weight": (4,), "norm.bias": (4,), "places": (5, 4)}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tensors["one.weight"] = np.ones((4, 3, 1, 1), np.float32) * [[[[4]]], [[[1]]], [[[3]]], [[[2]]]]
    tensors["two.weight"] = np.ones((4, 4, 1, 1), np.float32) * [[[[1]]], [[[3]]], [[[9]]], [[[2]]]]
    # The scores of the stream are now 5, 4, 12 and 4.
    network = Network(Description("none", 2, 8, (0,), (1,), LAYERS), tensors)
    return network, Architecture(LAYERS, (STREAM, PAIRS, LOGITS))


def test_scores_are_sums_over_what_makes_a_channel() -> None:
    """Of the stream, the pieces with scores 4 and 4 go: what makes, carries and reads them."""
    network, architecture = small_network()
    masks = make_group_masks(network, architecture, method(layers=("conv2d",)), 0.5)
    kept = np.array([True, False, True, False])
    for name in ("norm.weight", "norm.bias", "two.bias"):
        assert masks[name].tolist() == kept.tolist()
    assert masks["one.weight"].all(axis=(1, 2, 3)).tolist() == kept.tolist()
    assert masks["two.weight"][:, :, 0, 0].tolist() == (kept[:, None] & kept).tolist()
    assert masks["places"].tolist() == [kept.tolist()] * 5
    # One of two pieces, the group of the convolution whose filters are smaller.
    sizes = np.abs(network.tensors["grouped.weight"]).reshape(2, -1).mean(axis=1)
    expected = np.repeat(sizes == sizes.max(), 3)
    assert masks["grouped.weight"].all(axis=(1, 2, 3)).tolist() == expected.tolist()
    assert "last.weight" not in masks


def test_readers_of_a_grouped_convolution_lose_the_columns_of_their_own_group() -> None:
    network, architecture = small_network()
    reader = Group((Member("one", "out", 0), Member("grouped", "in", 0)), 4)
    masks = make_group_masks(
        network, replace(architecture, coupled=(reader,)), method(layers=("conv2d",)), 0.25
    )
    expected = np.ones((6, 2), dtype=bool)
    expected[:3, 1] = False  # channel 1: the second column of the first three filters
    assert masks["grouped.weight"][:, :, 0, 0].tolist() == expected.tolist()


def test_batch_norms_are_kept_on_request() -> None:
    network, architecture = small_network()
    settings = method(layers=("conv2d",))
    masks = make_group_masks(network, architecture, settings, 0.5, batch_norm="kept")
    assert {"norm.weight", "norm.bias"}.isdisjoint(masks)
    assert not masks["places"].all()


def test_one_list_of_all_groups() -> None:
    """The stream has scores 5, 4, 12, 4; the pairs have less than 3."""
    network, architecture = small_network()
    masks = make_group_masks(network, architecture, method(scope="global", layers=("conv2d",)), 0.5)
    assert not masks["grouped.weight"].any()
    assert masks["one.weight"].all(axis=(1, 2, 3)).tolist() == [True, False, True, True]


def test_held_pieces_count_towards_the_rate() -> None:
    network, architecture = small_network()
    held = {"one.weight": np.ones((4, 3, 1, 1), bool), "two.weight": np.ones((4, 4, 1, 1), bool)}
    for mask in held.values():
        mask[2] = False  # the piece with the largest score
    masks = make_group_masks(network.masked(held), architecture, method(layers=("conv2d",)), 0.5)
    assert masks["one.weight"].all(axis=(1, 2, 3)).tolist() == [True, False, False, True]


def test_weights_that_no_image_reaches_do_not_count() -> None:
    layers = (Layer("one", "conv2d", (2, 1, 1, 2), (1, 1), unreached=((0, 1),)),)
    tensors = {"one.weight": np.array([[[[1, 9]]], [[[2, 0]]]], np.float32)}
    network = Network(Description("none", 2, 8, (0,), (1,), layers), tensors)
    architecture = Architecture(layers, (Group((Member("one", "out", 0),), 2),))
    for counted, gone in ((None, 1), ({"one.weight": layers[0].reached}, 0)):
        masks = make_group_masks(network, architecture, method(), 0.5, counted=counted)
        assert not masks["one.weight"][gone].any()
        assert masks["one.weight"][1 - gone].all()


def test_random_masks_are_nested_and_differ_between_seeds() -> None:
    layers = (Layer("one", "conv2d", (40, 3, 1, 1), (8, 8)),)
    network = Network(
        Description("none", 2, 8, (0,), (1,), layers), {"one.weight": np.ones((40, 3, 1, 1))}
    )
    architecture = Architecture(layers, (Group((Member("one", "out", 0),), 40),))

    def kept(rate: float, seed: int) -> np.ndarray:
        masks = make_group_masks(network, architecture, method("random"), rate, seed=seed)
        return masks["one.weight"].any(axis=(1, 2, 3))

    assert [int((~kept(rate, 3)).sum()) for rate in (0.2, 0.5, 0.9)] == [8, 20, 36]
    assert not (kept(0.5, 3) & ~kept(0.2, 3)).any()
    assert (kept(0.5, 3) != kept(0.5, 4)).any()
    rng = np.random.default_rng([3, zlib.crc32(b"one.weight"), 0])
    assert (~kept(0.5, 3)).nonzero()[0].tolist() == sorted(np.argsort(rng.random(40))[:20].tolist())


def test_one_piece_of_a_group_stays() -> None:
    network, architecture = small_network()
    masks = make_group_masks(network, architecture, method(layers=("conv2d",)), 0.95)
    assert masks["one.weight"].any(axis=(1, 2, 3)).sum() == 1
    assert masks["grouped.weight"].any(axis=(1, 2, 3)).sum() == 3


def test_nothing_to_prune_is_an_error() -> None:
    network, architecture = small_network()
    with pytest.raises(InputError, match=r"pruning\.exclude names two.*last \(output\)"):
        make_group_masks(
            network, architecture, method(layers=("conv2d",)), 0.5, exclude=("two", "grouped")
        )
    with pytest.raises(InputError, match="one \\+ two \\(made by conv2d layers\\)"):
        make_group_masks(network, architecture, method(layers=("linear",)), 0.5)
    for rate in (0, 1):
        with pytest.raises(InputError, match="between 0 and 1"):
            make_group_masks(network, architecture, method(), rate)


# --- by what networks compute --------------------------------------------------------------------


def _convnext() -> nn.Module:
    setting = models.convnext.CNBlockConfig
    return models.ConvNeXt([setting(8, 16, 1), setting(16, None, 2)], num_classes=10)


def _vit() -> nn.Module:
    sizes = {"img_size": SIDE, "patch_size": 8, "embed_dim": 24, "num_heads": 3, "depth": 2}
    return timm.create_model("vit_tiny_patch16_224", num_classes=10, **sizes)


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet20": lambda: load_module(ROOT / "networks" / "resnet_cifar.py").resnet20(),
    "resnet18": lambda: models.resnet18(num_classes=10),
    "resnext": lambda: models.ResNet(
        models.resnet.Bottleneck, [1] * 4, num_classes=10, groups=4, width_per_group=8
    ),
    "mobilenet_v3_small": lambda: models.mobilenet_v3_small(num_classes=10),
    "shufflenet": lambda: models.shufflenet_v2_x0_5(num_classes=10),
    "densenet": lambda: models.DenseNet(8, (2, 2), 16, num_classes=10),
    "convnext": _convnext,
    "convnext_timm": lambda: ConvNeXt(num_classes=10, depths=(1,) * 4, dims=(8, 8, 16, 16)),
    "vit_timm": _vit,
    "vit_torchvision": lambda: models.VisionTransformer(SIDE, 8, 2, 3, 24, 48, num_classes=10),
    "swin": lambda: models.SwinTransformer([4, 4], 8, [2, 2], [2, 4], [4, 4], num_classes=10),
}


@dataclass(frozen=True)
class Built:
    module: nn.Module
    architecture: Architecture
    network: Network
    images: torch.Tensor

    def outputs(self, tensors: dict[str, np.ndarray]) -> torch.Tensor:
        module = copy.deepcopy(self.module)
        module.load_state_dict({name: torch.from_numpy(one) for name, one in tensors.items()})
        with torch.inference_mode():
            return module(self.images)


@cache
def built(name: str) -> Built:
    """A network all of whose numbers differ from zero and one."""
    torch.manual_seed(0)
    module = BUILDERS[name]().double().eval()
    architecture = describe(copy.deepcopy(module).float(), SIDE)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.add_(torch.randn_like(tensor), alpha=0.2)
        for key, tensor in module.named_buffers():
            if key.endswith("running_mean"):
                tensor.copy_(torch.randn_like(tensor))
            elif key.endswith("running_var"):
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    network = modules.to_network(
        module, Description(name, 10, SIDE, (0,) * 3, (1,) * 3, architecture.layers)
    )
    return Built(module, architecture, network, torch.randn(2, 3, SIDE, SIDE).double())


@pytest.fixture(params=BUILDERS)
def net(request: pytest.FixtureRequest) -> Built:
    return built(request.param)


def rows_of(mask: np.ndarray) -> np.ndarray:
    """What makes channels: the filters of which nothing is kept, and no column of others."""
    columns = ~mask.reshape(*mask.shape[:2], -1).any(axis=2)
    all_columns = columns.all(axis=1)
    return np.broadcast_to(all_columns.reshape(-1, *(1,) * (mask.ndim - 1)), mask.shape)


def test_pruned_channels_are_zero_wherever_they_are_read(net: Built) -> None:
    """Whatever the weights of the readers are, the network computes the same."""
    masks = make_group_masks(net.network, net.architecture, method("random"), 0.5, seed=1)
    masked = dict(net.network.masked(masks).tensors)
    expected = net.outputs(masked)
    assert torch.isfinite(expected).all()
    changed = dict(masked)
    rng = np.random.default_rng(0)
    count = 0
    for name, mask in masks.items():
        if mask.ndim > 1 and name not in carried_by(net):
            columns = ~mask & ~rows_of(mask)
            changed[name] = np.where(columns, rng.normal(size=mask.shape), changed[name])
            count += columns.sum()
    assert count > 0
    assert torch.equal(net.outputs(changed), expected)
    # It can fail: with what makes the channels, they are no longer zero.
    whole = {**changed, **{n: net.network.tensors[n] for n in masks if masks[n].ndim == 1}}
    assert not torch.allclose(net.outputs(whole), expected)


def carried_by(net: Built) -> set[str]:
    return {one.parameter for group in net.architecture.coupled for one in group.carried}


def test_nothing_reads_pruned_channels(net: Built) -> None:
    """Whatever makes and carries them, the network computes the same, but for layer norms."""
    free = tuple(group for group in net.architecture.coupled if not group.stuck)
    architecture = replace(net.architecture, coupled=free)
    masks = make_group_masks(net.network, architecture, method("random"), 0.5, seed=1)
    masked = dict(net.network.masked(masks).tensors)
    changed = dict(masked)
    rng = np.random.default_rng(0)
    carried = carried_by(net)
    for name, mask in masks.items():
        made = ~mask if mask.ndim == 1 or name in carried else ~mask & rows_of(mask)
        changed[name] = np.where(made, rng.normal(size=mask.shape), changed[name])
    torch.testing.assert_close(net.outputs(changed), net.outputs(masked), rtol=1e-10, atol=0)


def test_layer_norms_read_zeros(net: Built) -> None:
    """In every place that belongs to a pruned channel of the stream."""
    masks = make_group_masks(net.network, net.architecture, method("random"), 0.5, seed=1)
    module = copy.deepcopy(net.module)
    tensors = net.network.masked(masks).tensors
    module.load_state_dict({name: torch.from_numpy(one) for name, one in tensors.items()})
    norms = {key: one for key, one in module.named_modules() if isinstance(one, nn.LayerNorm)}
    seen = {}

    def note(key: str) -> Callable:
        return lambda _, args: seen.update({key: args[0]})

    for key, one in norms.items():
        one.register_forward_pre_hook(note(key))
    with torch.inference_mode():
        module(net.images)
    for key, one in norms.items():
        gone = torch.from_numpy(~masks[f"{key}.weight"])
        assert gone.any()
        first = type(one).__name__ == "LayerNorm2d"
        read = seen[key].movedim(1, -1) if first else seen[key]
        assert (read[..., gone] == 0).all()
        assert (read[..., ~gone] != 0).any()


def test_each_group_loses_its_share(net: Built) -> None:
    """Counted in the masks of the layers that make the channels."""
    masks = make_group_masks(net.network, net.architecture, method("l2"), 0.4)
    shapes = {layer.name: layer for layer in net.architecture.layers}
    for group in find(net.architecture, (), "pruned"):
        pruned = 0
        for run in group.runs:
            (one, *_) = [member for member in run.members if member.side == OUT]
            name = shapes[one.layer].weight if one.layer in shapes else one.layer
            mask = masks.get(name, np.ones(net.network.tensors[name].shape, bool))
            gone = ~mask.reshape(len(mask), -1).any(axis=1)
            pruned += sum(
                gone[one.first + k * one.step : one.first + k * one.step + one.size].all()
                for k in range(run.pieces)
            )
        assert pruned == (0 if group.whole else min(round(0.4 * group.pieces), group.pieces - 1))


def test_masks_are_held_in_training(net: Built) -> None:
    """Every mask is one of a parameter, and training does not let it grow again."""
    masks = make_group_masks(net.network, net.architecture, method(), 0.5)
    module = copy.deepcopy(net.module)
    held = MaskedParameters(module, masks)
    held.apply()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.1)
    module(net.images).square().mean().backward()
    optimizer.step()
    held.apply()
    assert held.regrown() == 0


# --- beside Torch-Pruning (DepGraph) -------------------------------------------------------------


def remover(tp: ModuleType, layer: nn.Module) -> Callable:
    """How Torch-Pruning removes channels that a layer makes."""
    if isinstance(layer, nn.Linear):
        return tp.prune_linear_out_channels
    depthwise = layer.groups == layer.out_channels
    return tp.prune_depthwise_conv_out_channels if depthwise else tp.prune_conv_out_channels


@pytest.mark.parametrize("name", ["resnext", "mobilenet_v3_small", "convnext", "vit_timm"])
def test_torch_pruning_removes_the_same(name: str) -> None:
    """Of a random piece of each group: the same channels of the same layers and norms."""
    tp = pytest.importorskip("torch_pruning")
    net = built(name)
    module = copy.deepcopy(net.module).float()
    graph = tp.DependencyGraph().build_dependency(module, net.images.float())
    known = {id(one): key for key, one in module.named_modules()}
    rng = np.random.default_rng(0)
    compared = 0
    for group in find(net.architecture, (), "pruned"):
        run = group.runs[0]
        one = next(member for member in run.members if member.side == OUT)
        layer = module.get_submodule(one.layer)
        # Torch-Pruning takes single filters: it knows heads by a setting only.
        if group.whole or one.size > 1:
            continue
        piece = int(rng.integers(run.pieces))
        theirs = set()
        channel = one.first + piece * one.step
        for dependency, channels in graph.get_pruning_group(
            layer, remover(tp, layer), idxs=[channel]
        ):
            target = known.get(id(dependency.target.module))
            if target is None or not list(module.get_submodule(target).parameters()):
                continue
            sides = ["in" if "in_channels" in dependency.handler.__name__ else "out"]
            if getattr(module.get_submodule(target), "groups", 1) > 1:
                sides = ["in", "out"]
            theirs |= {(target, side, number) for side in sides for number in channels}
        ours = set()
        for member in run.members:
            start = member.first + piece * member.step
            ours |= {(member.layer, member.side, start + k) for k in range(member.size)}
        for carried in run.carried:
            holder = carried.parameter.rpartition(".")[0]
            if carried.operation in ("batch_norm", "layer_norm"):
                start = carried.first + piece * carried.step
                ours |= {(holder, "out", start + k) for k in range(carried.size)}
        assert ours == theirs, one.layer
        compared += 1
    assert compared >= 3


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_what_torch_pruning_leaves_computes_the_same(name: str) -> None:
    """Without layer norms, removing the pruned channels changes nothing.

    Torch-Pruning 1.6.1 cannot do that to filters of grouped convolutions.
    """
    tp = pytest.importorskip("torch_pruning")
    net = built(name)
    masks = make_group_masks(net.network, net.architecture, method(), 0.5)
    tensors = net.network.masked(masks).tensors
    module = copy.deepcopy(net.module)
    module.load_state_dict({key: torch.from_numpy(one) for key, one in tensors.items()})
    with torch.inference_mode():
        expected = module(net.images)
    before = sum(one.numel() for one in module.parameters())
    graph = tp.DependencyGraph().build_dependency(module, net.images)
    for group in find(net.architecture, (), "pruned"):
        name = group.makers[0]
        if not group.whole:
            layer = module.get_submodule(name)
            rows = masks[f"{name}.weight"].reshape(layer.weight.shape[0], -1)
            gone = np.flatnonzero(~rows.any(axis=1)).tolist()
            graph.get_pruning_group(layer, remover(tp, layer), idxs=gone).prune()
    with torch.inference_mode():
        torch.testing.assert_close(module(net.images), expected, rtol=1e-10, atol=0)
    after = sum(one.numel() for one in module.parameters())
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    assert before - after == pruned
