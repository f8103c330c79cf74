"""A cross-section of torchvision's and timm's networks: masks, training, exemplars and scores.

Small images and random weights. What a layer is follows here from what a plain pass shows: nothing
of it is the library's own description.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pytest
import timm
import torch
import torchvision
from timm.models.mlp_mixer import MlpMixer
from torch import nn
from torchvision.models import SwinTransformer, VisionTransformer

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import tables
from prunescope.interpret import activations, exemplar_pass, mis
from prunescope.interpret.exemplars import ExemplarSettings
from prunescope.networks import modules
from prunescope.networks.description import Description, Layer, Network
from prunescope.networks.preprocessing import to_input
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train import training
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.recipes.recipe import Recipe

CLASSES = 7
IMAGES, PER_SIDE = 16, 6
UNSEEN = "no hook fires"


def of_torchvision(name: str, **options: object) -> Callable[[], nn.Module]:
    return partial(torchvision.models.get_model, name, num_classes=CLASSES, **options)


def of_timm(name: str, **options: object) -> Callable[[], nn.Module]:
    return partial(timm.create_model, name, num_classes=CLASSES, **options)


# By name: how to build the network, and the side of its images.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (of_torchvision("resnet18"), 32),
    "mobilenet_v3_small": (of_torchvision("mobilenet_v3_small"), 32),
    "shufflenet_v2_x0_5": (of_torchvision("shufflenet_v2_x0_5"), 32),
    "densenet121": (of_torchvision("densenet121"), 32),
    "squeezenet1_1": (of_torchvision("squeezenet1_1"), 32),
    "regnet_y_400mf": (of_torchvision("regnet_y_400mf"), 32),
    # Those of ImageNet have the same layers, but more of them, and wider ones.
    "vit": (
        partial(VisionTransformer, 32, 8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64,
                num_classes=CLASSES), 32,
    ),
    "swin": (
        partial(SwinTransformer, [4, 4], 24, [2, 2], [2, 4], [4, 4], num_classes=CLASSES), 32,
    ),
    "convnextv2_atto": (of_timm("convnextv2_atto"), 32),
    "vit_tiny": (of_timm("vit_tiny_patch16_224", img_size=32), 32),
    "swin_windows": (of_timm("swin_tiny_patch4_window7_224", img_size=32, window_size=4,
                             embed_dim=24, depths=(2, 2), num_heads=(2, 4)), 32),
    "mixer": (partial(MlpMixer, num_classes=CLASSES, img_size=64, patch_size=16, num_blocks=2,
                      embed_dim=64), 64),
    "resnest14d": (of_timm("resnest14d"), 32),
    "coat_tiny": (of_timm("coat_tiny", img_size=32), 32),
}  # fmt: skip
# Networks that show what others do not: each of these facts is there, or a test below is empty.
FACTS = {
    "vit": {"unseen": 2, "tokens": 5},
    "swin_windows": {"windows": 4},
    "mobilenet_v3_small": {"groups": 11},
    "resnest14d": {"groups": 1},
    "coat_tiny": {"twice": 20},
}


@dataclass(frozen=True)
class Subject:
    """A network in evaluation mode, what a plain pass shows of it, and its answers to images."""

    module: nn.Module
    network: Network
    images: PackedImages
    # By output name: `(images, units)`, found image by image.
    answers: dict[str, np.ndarray]
    windows: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.network.description.layers


def layers_of(module: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    kinds = (nn.Conv2d, nn.Linear)
    return {name: child for name, child in module.named_modules() if isinstance(child, kinds)}


def run_by_run(module: nn.Module, images: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    """The outputs of each layer in the order of its runs, before anything overwrites them."""
    found: dict[str, list[torch.Tensor]] = {}
    handles = [
        child.register_forward_hook(
            lambda _module, _given, made, name=name: found.setdefault(name, []).append(made.clone())
        )
        for name, child in layers_of(module).items()
    ]
    with torch.inference_mode():
        module(images)
    for handle in handles:
        handle.remove()
    return found


def average(child: nn.Module, made: torch.Tensor) -> np.ndarray:
    """The mean of the output for one image over all that is no unit."""
    units_last = made[0].movedim(0, -1) if isinstance(child, nn.Conv2d) else made
    return units_last.reshape(-1, units_last.shape[-1]).double().mean(dim=0).numpy()


@cache
def subject(name: str) -> Subject:
    torch.manual_seed(0)
    build, side = NETWORKS[name]
    module = build().eval()
    # Norms that do nothing would leave means over channels at zero, and some layers begin at zero.
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim == 1 or not value.any():
                value.add_(torch.randn_like(value), alpha=0.1)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, size=(IMAGES, 3, side, side), dtype=np.uint8)
    # Images that differ in more than noise, of which averages would be all the same.
    pixels = (pixels * rng.random((IMAGES, 3, 1, 1))).astype(np.uint8)
    images = PackedImages(pixels, np.arange(IMAGES) % CLASSES)
    blank = Description("none", CLASSES, side, (0.5,) * 3, (0.25,) * 3)
    inputs = to_input(images.images, blank)
    # Without the statistics of these images, a deep network makes nearly the same of all of them;
    # with these alone, it would enlarge rounding.
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.momentum = 0.9
    with torch.no_grad():
        module.train()(inputs)
    module.eval()
    shown = run_by_run(module, inputs[:2])
    layers, windows = [], 0
    for layer, child in layers_of(module).items():
        runs = shown.get(layer, [])
        is_conv = isinstance(child, nn.Conv2d)
        windows += any(len(made) != 2 for made in runs)
        layers.append(
            Layer(
                layer,
                "conv2d" if is_conv else "linear",
                tuple(child.weight.shape),
                (1, 1),
                groups=child.groups if is_conv else 1,
                runs=max(1, len(runs)),
                unit_axis=1 if is_conv else -1,
                not_measured="" if runs else UNSEEN,
            )
        )
    order = {layer: place for place, layer in enumerate(shown)}
    layers.sort(key=lambda layer: order.get(layer.name, len(order)))
    network = modules.to_network(module, replace(blank, layers=tuple(layers)))
    answers: dict[str, list[np.ndarray]] = {}
    for image in inputs:
        for layer in network.description.measured_layers:
            answers.setdefault(layer.name, [])
        for layer, runs in run_by_run(module, image[None]).items():
            child = module.get_submodule(layer)
            for run, made in enumerate(runs, start=1):
                key = layer if len(runs) == 1 else f"{layer}@{run}"
                answers.setdefault(key, []).append(average(child, made))
    found = {key: np.stack(rows) for key, rows in answers.items() if rows}
    return Subject(module, network, images, found, windows)


@pytest.mark.parametrize("name", FACTS)
def test_the_networks_show_what_is_to_be_tested(name: str) -> None:
    layers = subject(name).layers
    found = {
        "unseen": sum(layer.not_measured == UNSEEN for layer in layers),
        "tokens": sum(layer.unit_axis == -1 and not layer.not_measured for layer in layers),
        "windows": subject(name).windows,
        "groups": sum(layer.groups > 1 for layer in layers),
        "twice": sum(layer.runs > 1 for layer in layers),
    }
    for fact, least in FACTS[name].items():
        assert found[fact] >= least, fact


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_exemplars_and_scores_against_loops_over_images(name: str) -> None:
    on = subject(name)
    settings = ExemplarSettings(PER_SIDE, "random", 3)
    recorder = activations.Recorder(np.arange(IMAGES))
    table = exemplar_pass.find_exemplars(
        on.module, on.images, on.network.description, settings, recorder
    )
    names = table["layer"].unique(maintain_order=True).to_list()
    assert sorted(names) == sorted(on.answers)
    expected = np.concatenate([on.answers[layer] for layer in names], axis=1)
    scale = np.concatenate(
        [np.full(on.answers[layer].shape[1], np.abs(on.answers[layer]).max()) for layer in names]
    )
    found = recorder.activations()
    assert (np.abs(found - expected) <= 1e-4 * scale + 1e-7).all()
    sure = 0
    for unit, row in enumerate(table.to_dicts()):
        order = np.argsort(expected[:, unit])
        gaps = np.diff(expected[order, unit])
        np.testing.assert_allclose(
            expected[row["strongest"], unit], expected[order[::-1][:PER_SIDE], unit],
            atol=1e-3 * scale[unit] + 1e-7,
        )  # fmt: skip
        if gaps.min() > 1e-4 * scale[unit]:
            sure += 1
            assert row["weakest"] == order[:PER_SIDE].tolist()
            assert row["strongest"] == order[::-1][:PER_SIDE].tolist()
    assert sure > len(table) / 20, "too many near ties: the comparison says little"

    embedded = np.random.default_rng(1).normal(size=(IMAGES, 5))
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    similarity = (embedded @ embedded.T).astype(np.float32)
    score = mis.ScoreSettings(explanations=2, tasks=2, tau=0.2, draw="imi", seed=0)
    sides = [tables.matrix(table[side]) for side in ("strongest", "weakest")]
    soft, hard, _ = mis.score_units(*sides, similarity, score)
    tasks = mis.draw_tasks(*sides, score)
    assert len(soft) == len(table)
    for unit in range(0, len(table), max(1, len(table) // 50)):
        of_unit = zip(*(side[unit] for side in tasks), strict=True)
        deltas = [delta(strong, weak, similarity, score.query) for strong, weak in of_unit]
        sigmoids = [1 / (1 + np.exp(-value / score.tau)) for value in deltas]
        assert soft[unit] == pytest.approx(np.mean(sigmoids), abs=1e-5)
        assert hard[unit] == np.mean([value > 0 for value in deltas])


@pytest.mark.parametrize("granularity", ["weight", "filter", "input_channel", "kernel"])
@pytest.mark.parametrize("name", NETWORKS)
def test_masks_take_the_lowest_pieces_of_each_layer(name: str, granularity: str) -> None:
    on, rate = subject(name), 0.4
    method = PruningMethod(granularity, "layer", "l1", layers=("conv2d", "linear"))
    small = [layer.name for layer in on.layers if pieces_in(layer, granularity) < 2]
    masks = make_masks(on.network, method, rate, exclude=small)
    pruned = [layer for layer in on.layers if layer.name not in small]
    assert {layer.weight for layer in pruned} <= set(masks)
    for layer in pruned:
        weight, mask = on.network.tensors[layer.weight], masks[layer.weight]
        kept, means = [], []
        own = layer.shape[0] // layer.groups
        for group in range(layer.groups):
            rows = slice(group * own, (group + 1) * own)
            for part, all_of in ((mask[rows], kept), (np.abs(weight[rows]), means)):
                all_of.append(by_piece(part.astype(np.float64), granularity).mean(axis=1))
        share, mean = np.concatenate(kept), np.concatenate(means)
        assert set(np.unique(share)) <= {0.0, 1.0}, f"{layer.name}: a piece in parts"
        total = len(share)
        number = int(rate * total) if granularity == "input_channel" else round(rate * total)
        assert (share == 0).sum() == number, layer.name
        if 0 < number < total:
            assert mean[share == 0].max() <= mean[share == 1].min() * (1 + 1e-6), layer.name


def delta(strong: np.ndarray, weak: np.ndarray, similarity: np.ndarray, query: int) -> float:
    """The task's difference, written out: the query of each side against the other images."""
    (q_strong, rest_strong), (q_weak, rest_weak) = (
        (images[0], images[1:]) for images in (strong, weak)
    )
    assert query == 0

    def near(image: int, others: np.ndarray) -> float:
        return float(np.mean([similarity[image, other] for other in others]))

    return (near(q_strong, rest_strong) - near(q_strong, rest_weak)) - (
        near(q_weak, rest_strong) - near(q_weak, rest_weak)
    )


def by_piece(part: np.ndarray, granularity: str) -> np.ndarray:
    """Of one group of a layer: `(pieces, weights)`."""
    out, inputs = part.shape[:2]
    if granularity == "filter":
        return part.reshape(out, -1)
    if granularity == "input_channel":
        return np.stack([part[:, channel].ravel() for channel in range(inputs)])
    if granularity == "kernel":
        return part.reshape(out * inputs, -1)
    return part.reshape(-1, 1)


def pieces_in(layer: Layer, granularity: str) -> int:
    outputs, inputs = layer.shape[0], layer.shape[1] * layer.groups
    return {"filter": outputs, "input_channel": inputs}.get(granularity, outputs * layer.shape[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_masks_hold_through_three_training_steps(name: str) -> None:
    on = subject(name)
    kinds = ("conv2d", "linear")
    single = PruningMethod("weight", "global", "l1", layers=kinds, biases=True)
    masks = make_masks(on.network, single, 0.5)
    # Whole pieces of the layers that no hook sees, and of every second of the others.
    whole = [layer.name for layer in on.layers[1::2] if layer.shape[0] > 1]
    others = [layer.name for layer in on.layers if layer.name not in whole]
    masks |= make_masks(
        on.network, PruningMethod("filter", "layer", "l1", layers=kinds), 0.4, exclude=others
    )
    module = copy.deepcopy(on.module)
    start = on.network.masked(masks)
    with torch.no_grad():
        for key, value in module.state_dict().items():
            value.copy_(torch.from_numpy(start.tensors[key]))
    recipe = Recipe(
        optimizer="adamw", lr=0.01, weight_decay=0.1, weight_decay_on="weights",
        schedule="constant", batch=4, steps=3, history_images=4, auxiliary_weight=0.3,
    )  # fmt: skip
    task = training.Task(start, PackedSource(on.images), on.images, recipe, seed=0)
    rows = list(training.train(module, task))
    assert [row["step"] for row in rows] == [0, 3]
    assert np.isfinite(rows[1]["train_loss"])
    after = {key: value.detach().numpy() for key, value in module.named_parameters()}
    moved = 0
    for key, mask in masks.items():
        assert not after[key][~mask].any(), f"{key}: pruned parameters are not zero"
        moved += bool((after[key][mask] != start.tensors[key][mask]).any())
    left = sum(bool(mask.any()) for mask in masks.values())
    assert moved > 0.9 * left, "too little was trained: holding says nothing"
    zeros = sum(int((after[key] == 0).sum()) for key in masks)
    assert rows[1]["sparsity"] == pytest.approx(zeros / sum(mask.size for mask in masks.values()))


def test_exemplars_of_two_runs_differ() -> None:
    """Runs are told apart: what a layer sees in its second run is not what it saw in its first."""
    on = subject("coat_tiny")
    for layer in on.layers:
        if layer.runs > 1:
            first, second = (on.answers[f"{layer.name}@{run}"] for run in (1, 2))
            assert not np.allclose(first, second), layer.name
