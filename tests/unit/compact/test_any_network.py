"""Compact forms of networks of all kinds: the same outputs, whatever was pruned."""

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_cross_section
import torch
from compacted import recorded, state
from files import load_module
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cross_section import CLASSES, of_timm
from torch import nn
from torch.overrides import TorchFunctionMode

from prunescope.compact import channels, equivalence, removal
from prunescope.compact.graph import (
    batch_norms,
    lowering,
    onnx_models,
    onnx_sessions,
    torch_modules,
)
from prunescope.compact.graph.nodes import Tensors
from prunescope.compact.graph.operations.operation import CannotCompactError
from prunescope.compact.removal import Compact
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Layer, Network
from prunescope.networks.exported.steps import Recorded
from prunescope.networks.preprocessing import logits_of
from prunescope.prune.group_masks import make_group_masks
from prunescope.prune.masks import PruningMethod, make_masks

ROOT = Path(__file__).resolve().parents[3]


def resnet20() -> nn.Module:
    made: nn.Module = load_module(ROOT / "networks" / "resnet_cifar.py").resnet20(
        num_classes=CLASSES
    )
    return made


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    **test_cross_section.NETWORKS,
    "convnext_atto": (of_timm("convnext_atto"), 32),
    "efficientnet_b0": (of_timm("efficientnet_b0"), 32),
    "deit": (of_timm("deit_tiny_distilled_patch16_224", img_size=32), 32),
    "resnet20": (resnet20, 32),
}
# What compact networks have no counterpart of.
REFUSED = {"coat_tiny": "conv1d"}
COMPACTED = [name for name in NETWORKS if name not in REFUSED]


@dataclass(frozen=True)
class Subject:
    """A network in evaluation mode, its graph, and its layers but the classifiers."""

    module: nn.Module
    network: Network
    recorded: Recorded
    pruned: tuple[Layer, ...]


@cache
def subject(name: str) -> Subject:
    """A network in which nothing is trivial, with the statistics of the images that it sees."""
    build, side = NETWORKS[name]
    torch.manual_seed(0)
    module = build().eval()
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim == 1 or not value.any():
                value.add_(torch.randn_like(value), alpha=0.1)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.momentum = 0.9
    with torch.no_grad():
        module.train()(images(side, 16))
    module.eval()
    layers = tuple(
        Layer(
            layer, "conv2d" if isinstance(child, nn.Conv2d) else "linear",
            tuple(child.weight.shape), (1, 1), groups=getattr(child, "groups", 1),
        )
        for layer, child in module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    )  # fmt: skip
    description = Description(name, CLASSES, side, (0.5,) * 3, (0.25,) * 3, layers=layers)
    hidden = tuple(
        layer for layer in layers if layer.shape[0] != CLASSES and not layer.name.startswith("head")
    )
    return Subject(module, Network(description, state(module)), recorded(module, side), hidden)


def images(side: int, number: int = 3) -> torch.Tensor:
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(3))


def masked_outputs(module: nn.Module, tensors: Tensors, given: torch.Tensor) -> np.ndarray:
    """What a module answers with these tensors, in their precision."""
    module.load_state_dict({key: torch.from_numpy(np.array(of)) for key, of in tensors.items()})
    with torch.inference_mode():
        return logits_of(module(given)).numpy()


def prove(on: Subject, tensors: Tensors, round_to: int = 1) -> Compact:
    """Compact a network with these tensors; check its outputs in both runtimes.

    They may differ by 1e-5 (ONNX: 1e-4) of the largest, or ten times what the network rounds.
    """
    given = images(on.network.description.image_size)
    expected = masked_outputs(on.module, tensors, given)
    assert np.isfinite(expected).all()
    exact = masked_outputs(on.module.double(), tensors, given.double())
    on.module.float()
    rounding = 10 * equivalence.difference(exact, expected)
    graph, held = batch_norms.fold_batch_norms(*lowering.lower(on.recorded, tensors))
    made = removal.compact(graph, held, round_to=round_to)
    with torch.inference_mode():
        found = torch_modules.build(made.graph, made.tensors)(given).numpy()
    assert equivalence.difference(expected, found) <= max(1e-5, rounding)
    model = onnx_models.to_onnx(made.graph, made.tensors, on.network.description)
    answered = onnx_sessions.open_session(model, 1)(given.numpy())
    assert equivalence.difference(expected, answered) <= max(1e-4, rounding)
    return made


def weights_left(made: Compact, names: Collection[str] = ()) -> float:
    """The share of the weights of these layers that is left, of all if none is named."""
    total, kept = (
        sum(int(str(row[key])) for row in made.layers if not names or row["layer"] in names)
        for key in ("weights", "weights_kept")
    )
    return kept / total


# --- every granularity -----------------------------------------------------------------------

EVERY = ("conv2d", "linear")
METHODS: dict[str, tuple[PruningMethod, str]] = {
    "filters": (PruningMethod("filter", "layer", "l1", EVERY), "pruned"),
    "filters without their norms": (PruningMethod("filter", "layer", "random", EVERY), "kept"),
    "inputs": (PruningMethod("input_channel", "layer", "l1", EVERY), "kept"),
    "kernels": (PruningMethod("kernel", "layer", "random", EVERY), "kept"),
    "weights": (PruningMethod("weight", "global", "l1", EVERY, True), "kept"),
}
QUICK = {("filters", 0.8), ("filters without their norms", 0.4)}
CASES = [
    pytest.param(name, method, rate, marks=[] if (method, rate) in QUICK else pytest.mark.slow)
    for name in COMPACTED
    for method in METHODS
    for rate in (0.4, 0.8)
]


@pytest.mark.parametrize(("name", "method", "rate"), CASES)
def test_outputs_stay_whatever_was_pruned(name: str, method: str, rate: float) -> None:
    on = subject(name)
    how, batch_norm = METHODS[method]
    hidden = {layer.name for layer in on.pruned}
    kept = [layer.name for layer in on.network.description.layers if layer.name not in hidden]
    masks = make_masks(on.network, how, rate, exclude=kept, batch_norm=batch_norm, seed=1)
    made = prove(on, on.network.masked(masks).tensors)
    if method == "filters":
        assert weights_left(made) < 1 - rate / 4
    again = removal.compact(made.graph, made.tensors)
    assert {node.name for node in again.graph.nodes} == {node.name for node in made.graph.nodes}
    assert numbers(again.tensors) == numbers(made.tensors)


GROUPS = [
    pytest.param(name, marks=[] if name in ("resnet20", "vit_tiny", "swin") else pytest.mark.slow)
    for name in COMPACTED
]


@pytest.mark.parametrize("name", GROUPS)
def test_all_that_was_pruned_in_groups_goes(name: str) -> None:
    on = subject(name)
    described = describe(on.module, on.network.description.image_size)
    network = replace(
        on.network, description=replace(on.network.description, layers=described.layers)
    )
    how = PruningMethod("channel_group", "layer", "random", EVERY)
    masks = make_group_masks(network, described, how, 0.5, seed=1)
    masked = network.masked(masks)
    made = prove(on, masked.tensors)
    zero = sum(
        np.count_nonzero(masked.tensors[layer.weight] == 0)
        for layer in described.layers if not layer.auxiliary
    )  # fmt: skip
    gone = sum(int(str(row["weights"])) - int(str(row["weights_kept"])) for row in made.layers)
    assert zero > 0
    # Channel shuffles copy groups as a whole: there some pairs stay.
    assert gone >= (0.9 if name.startswith("shufflenet") else 1) * zero


def numbers(tensors: Tensors) -> int:
    return sum(tensor.size for tensor in tensors.values())


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_named(name: str) -> None:
    on = subject(name)
    with pytest.raises(CannotCompactError, match=REFUSED[name]) as error:
        lowering.lower(on.recorded, on.network.tensors)
    assert error.value.operation == REFUSED[name]


# --- random pieces ---------------------------------------------------------------------------

RATES = st.tuples(*[st.sampled_from([0.0, 0.3, 0.7, 1.0]) for _ in range(2)])
SEEDS = st.integers(0, 2**32 - 1)


def with_random_pieces(on: Subject, seed: int, rates: tuple[float, float]) -> Tensors:
    """Whole filters and whole inputs of any layer without weights, and half of those biases."""
    rng = np.random.default_rng(seed)
    tensors = dict(on.network.tensors)
    for layer in on.pruned:
        weight = tensors[layer.weight].copy()
        by_filter, by_input = rng.permutation(rates)
        gone = rng.random(len(weight)) < by_filter
        weight[gone] = 0
        weight[:, rng.random(weight.shape[1]) < by_input] = 0
        tensors[layer.weight] = weight
        bias = f"{layer.name}.bias"
        if bias in tensors and rng.random() < 0.5:
            tensors[bias] = np.where(gone, 0, tensors[bias]).astype(np.float32)
    return tensors


@pytest.mark.parametrize("name", ["resnet20", "vit", "shufflenet_v2_x0_5"])
@given(seed=SEEDS, rates=RATES)
@settings(max_examples=4)
def test_random_pieces(name: str, seed: int, rates: tuple[float, float]) -> None:
    on = subject(name)
    prove(on, with_random_pieces(on, seed, rates))


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPACTED)
@given(seed=SEEDS, rates=RATES, round_to=st.sampled_from([1, 4, 8]))
@settings(max_examples=10)
def test_random_pieces_of_any_network(
    name: str, seed: int, rates: tuple[float, float], round_to: int
) -> None:
    on = subject(name)
    prove(on, with_random_pieces(on, seed, rates), round_to)


# --- odd cases -------------------------------------------------------------------------------


def zeroed(on: Subject, layers: list[Layer], left: int = 0) -> dict[str, np.ndarray]:
    """The tensors with no weights and biases in these layers but for the first `left` filters."""
    tensors = dict(on.network.tensors)
    for layer in layers:
        for name in (layer.weight, f"{layer.name}.bias"):
            if name in tensors:
                tensors[name] = tensors[name].copy()
                tensors[name][left:] = 0
    return tensors


SOME = ("resnet20", "vit", "mobilenet_v3_small", "convnextv2_atto")
ANY = [pytest.param(name, marks=[] if name in SOME else pytest.mark.slow) for name in COMPACTED]


@pytest.mark.parametrize("norms", ["kept", "gone"])
@pytest.mark.parametrize("name", ANY)
def test_a_whole_stage_gone(name: str, norms: str) -> None:
    """The middle third of the layers has no weights; their norms shift, or they do not."""
    on = subject(name)
    third = len(on.pruned) // 3
    stage = list(on.pruned[third : 2 * third])
    tensors = zeroed(on, stage)
    if norms == "gone":
        filters = {len(tensors[layer.weight]) for layer in stage}
        for key, tensor in tensors.items():
            if key.endswith(".bias") and f"{key[:-5]}.running_mean" in tensors:
                gone = len(tensor) in filters
                tensors[key] = np.zeros_like(tensor) if gone else tensor
    made = prove(on, tensors)
    # Where everything before the next stage is constant, one channel goes through.
    assert weights_left(made, {layer.name for layer in stage}) < 0.05


@pytest.mark.parametrize("name", ANY)
def test_one_channel_left(name: str) -> None:
    on = subject(name)
    prove(on, zeroed(on, list(on.pruned), left=1))


@pytest.mark.parametrize("name", ANY)
def test_nothing_left(name: str) -> None:
    """Not one weight, also of layers behind which norms and functions make something of zeros."""
    on = subject(name)
    tensors = zeroed(on, list(on.network.description.layers))
    made = prove(on, tensors)
    # One channel goes through, so that there is something to run.
    assert weights_left(made) < 0.2


def test_every_filter_of_residual_branches_gone() -> None:
    """The second convolution of each block makes nothing: neither it nor the first is left."""
    for name, second in (("resnet20", ".conv2"), ("resnet18", ".conv2"), ("vit", ".mlp.3")):
        on = subject(name)
        branches = [layer for layer in on.pruned if layer.name.endswith(second)]
        assert branches
        tensors = zeroed(on, branches)
        for layer in branches:
            for key in ("weight", "bias"):
                norm = f"{layer.name.replace('conv', 'bn')}.{key}"
                if "conv" in layer.name:
                    tensors[norm] = np.zeros_like(tensors[norm])
        made = prove(on, tensors)
        first = {layer.name.replace("conv2", "conv1").replace("mlp.3", "mlp.0")
                 for layer in branches}  # fmt: skip
        left = {node.name for node in made.graph.layers()}
        assert not left & (first | {layer.name for layer in branches})


# --- multiples -------------------------------------------------------------------------------


@pytest.mark.parametrize("round_to", [4, 8])
@pytest.mark.parametrize("name", ANY)
def test_layers_keep_multiples(name: str, round_to: int) -> None:
    on = subject(name)
    hidden = {layer.name for layer in on.pruned}
    kept = [layer.name for layer in on.network.description.layers if layer.name not in hidden]
    masks = make_masks(on.network, METHODS["filters"][0], 0.6, exclude=kept, seed=1)
    made = prove(on, on.network.masked(masks).tensors, round_to)
    before = {layer.name: layer.shape for layer in on.pruned}
    for node in made.graph.layers():
        if node.name not in before:
            continue
        filters, inputs = made.tensors[node.tensor("weight")].shape[:2]
        groups = node.settings.get("groups", 1)
        whole = before[node.name]
        assert filters % round_to == 0 or filters == whole[0], node.name
        assert groups * inputs % round_to == 0 or inputs == whole[1], node.name


# --- what a channel reaches ------------------------------------------------------------------


class Reaching(TorchFunctionMode):
    """NaN goes where it is multiplied by something else than zero, and nowhere else."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in (torch.conv2d, torch.nn.functional.linear):
            read, weight, bias, *others = (*args, None) if len(args) == 2 else args
            lost = torch.isnan(read)
            if lost.any():
                made = func(read.nan_to_num(0.0), weight, bias, *others)
                # Sums of ones and zeros, up to rounding.
                reached = func(lost.float(), (weight != 0).float(), None, *others) > 0.5
                made = made.masked_fill(reached, torch.nan)
        elif getattr(func, "__name__", "") in ("mul", "__mul__"):
            zero = torch.logical_or(*(torch.as_tensor(factor) == 0 for factor in args))
            made = made.masked_fill(zero, 0)
        return made


def reaches(on: Subject, channels_of: Mapping[str, np.ndarray]) -> bool:
    """Whether any logit becomes NaN if these channels of the outputs of layers are NaN."""

    def spoil(name: str) -> Callable:
        def hook(layer: nn.Module, _: Any, made: torch.Tensor) -> torch.Tensor:
            made = made.clone()
            axis = 1 if isinstance(layer, nn.Conv2d) else -1
            made.movedim(axis, 0)[channels_of[name]] = torch.nan
            return made

        return hook

    handles = [
        on.module.get_submodule(name).register_forward_hook(spoil(name)) for name in channels_of
    ]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(), Reaching():
            made = logits_of(on.module(images(on.network.description.image_size)))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
        for handle in handles:
            handle.remove()
    return bool(torch.isnan(made).any())


# Layers of which channels stay that no output depends on, and why.
STAY = {
    # A channel is shuffled together with its counterpart in the other half.
    "shufflenet_v2_x0_5": "stage",
    # All heads keep the same channels.
    "vit_tiny": "attn.qkv",
    "swin_windows": "attn.qkv",
    "deit": "attn.qkv",
    # Both halves that are weighed against each other keep the same channels.
    "resnest14d": "conv",
    # A filter by depth without weights, of which a norm makes a number, reads its channel.
    "efficientnet_b0": "conv_pw",
    "mobilenet_v3_small": "block.0.0",
    # All groups keep as many channels.
    "regnet_y_400mf": ".f.",
}
# Layers that are functions of the module that holds them: no hook sees their outputs.
UNSEEN = {"vit": "self_attention.out_proj", "swin": ".attn."}
# Norms over all channels: every output depends on every channel.
ALL_READ = {"convnextv2_atto"}


@pytest.mark.parametrize("name", COMPACTED)
def test_a_channel_goes_if_and_only_if_nan_in_it_reaches_no_output(name: str) -> None:
    """Of layers with inputs pruned: which of the outputs before them nobody needs.

    All that goes without being constant is set to NaN at once. Of what stays, single channels are.
    """
    on = subject(name)
    hidden = {layer.name for layer in on.pruned}
    kept = [layer.name for layer in on.network.description.layers if layer.name not in hidden]
    masks = make_masks(on.network, METHODS["inputs"][0], 0.7, exclude=kept, seed=1)
    tensors = on.network.masked(masks).tensors
    # The module holds them from here on.
    masked_outputs(on.module, tensors, images(on.network.description.image_size))
    graph, held = batch_norms.fold_batch_norms(*lowering.lower(on.recorded, tensors))
    facts = channels.find_constants(graph, held)
    needs = channels.find_needs(graph, channels.merge_constants(graph, held, facts), facts)
    unread, read = {}, {}
    for layer in on.pruned:
        if layer.name not in needs.values or UNSEEN.get(name, "no layer") in layer.name:
            continue
        axis = 1 if layer.kind == "conv2d" else -1
        needed, number = (
            np.moveaxis(of[layer.name], axis, 0).reshape(layer.shape[0], -1)[:, 0]
            for of in (needs.values, facts.constants)
        )
        unread[layer.name] = np.flatnonzero(~needed & np.isnan(number))
        read[layer.name] = np.flatnonzero(needed & np.isnan(number))
    assert any(len(gone) for gone in unread.values()) == (name not in ALL_READ)
    assert not reaches(on, unread)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    layers = sorted(name for name, left in read.items() if len(left))
    for layer_name in rng.permutation(layers)[:12]:
        channel = rng.choice(read[layer_name], 1)
        if STAY.get(name, "no layer") not in layer_name:
            assert reaches(on, {layer_name: channel}), (layer_name, channel)
