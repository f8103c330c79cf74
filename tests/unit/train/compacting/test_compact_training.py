"""A compact network is trained to the same weights as the whole one with its masks.

The oracle is the plain loop: a step of the whole network, then its masks. It runs in float64, in
which rounding cannot hide a difference, nor grow to one.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from described import create_described
from registries import register_architecture
from torch import nn
from torch.nn.functional import cross_entropy

from prunescope.networks import modules
from prunescope.networks.description import Description, Network
from prunescope.networks.preprocessing import all_logits
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train.compacting.compact_module import CompactModule, compact, share
from prunescope.train.held_masks import MaskedParameters

PREPROCESSING = {"mean": (0.2, 0.3, 0.4), "std": (0.5, 0.25, 0.4)}
CLASSES = 5
# Name, side of the images, options.
NETWORKS = {
    "googlenet": ("torchvision:googlenet", 32, {"init_weights": False}),
    "residual": ("residual", 16, {"groups": 1}),
    "grouped": ("residual", 16, {"groups": 4}),
    "shuffled": ("torchvision:shufflenet_v2_x0_5", 32, {}),
    "tokens": (
        "timm:vit_tiny_patch16_224",
        32,
        {"img_size": 32, "patch_size": 8, "depth": 2},
    ),
}
# Steps are small and batches not tiny, since training itself makes a small difference grow. The
# usual eps of Adam, 1e-8, would make a whole step of a gradient that is zero but for rounding, such
# as that of a shift that a batch norm takes away.
BATCH = 12
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.0001, weight_decay=0.01, momentum=0.9),
    "adam": partial(torch.optim.Adam, lr=0.0002, weight_decay=0.01, eps=1e-3),
    "adamw": partial(torch.optim.AdamW, lr=0.0002, weight_decay=0.05, eps=1e-3),
}


class Block(nn.Module):
    """A residual block whose shortcut has a convolution; its second convolution has groups."""

    def __init__(self, channels: int, filters: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.conv3 = nn.Conv2d(filters, filters, 1)
        self.shortcut = nn.Conv2d(channels, filters, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        made = self.bn1(self.conv1(values)).relu()
        made = self.conv3(self.bn2(self.conv2(made)).relu())
        return (made + self.bn(self.shortcut(values))).relu()


class Residual(nn.Module):
    """A stem, two residual blocks, dropout, a classifier."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        groups = description.options["groups"]
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(Block(16, 24, groups), Block(24, 32, groups))
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(32, description.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.blocks(self.stem(images).relu()).mean((2, 3))))


@pytest.fixture(autouse=True)
def residual(monkeypatch: pytest.MonkeyPatch) -> None:
    register_architecture(monkeypatch, "residual", Residual)


def pruned(
    name: str, granularity: str, rate: float = 0.8, batch_norm: str = "pruned"
) -> tuple[Network, nn.Module]:
    architecture, side, options = NETWORKS[name]
    heads = {"auxiliary_heads": name == "googlenet"}
    blank = Description(architecture, CLASSES, side, **PREPROCESSING, options=options, **heads)
    module, description = create_described(blank, seed=0)
    network = modules.to_network(module, description)
    kinds = ("linear",) if name == "tokens" else ("conv2d",)
    method = PruningMethod(granularity, "layer", "l1", kinds)
    exclude = [layer.name for layer in description.classifiers]
    masks = make_masks(network, method, rate, exclude=exclude, batch_norm=batch_norm)
    masked = network.masked(masks)
    return masked, modules.to_module(masked)


def trained(
    network: Network,
    module: nn.Module,
    optimizer: str,
    steps: int,
    make: Callable[[nn.Module], CompactModule],
) -> tuple[dict[str, torch.Tensor], float]:
    """The state after so many steps, and the sparsity that is measured on what was trained."""
    module = copy.deepcopy(module).double().train()
    made = make(module)
    steps_taken = OPTIMIZERS[optimizer](module.parameters())
    masked = MaskedParameters(module, network.masks, left=made.block)
    generator = torch.Generator().manual_seed(3)
    side = network.description.image_size
    torch.manual_seed(4)
    for _ in range(steps):
        images = torch.randn(BATCH, 3, side, side, generator=generator).double()
        labels = torch.randint(CLASSES, (BATCH,), generator=generator)
        steps_taken.zero_grad()
        sum(cross_entropy(logits, labels) for logits in all_logits(module(images))).backward()
        steps_taken.step()
        masked.apply()
    assert masked.regrown() == 0
    sparsity = masked.sparsity()
    made.restore()
    return dict(module.state_dict()), sparsity


def assert_same_training(
    network: Network, module: nn.Module, optimizer: str, steps: int = 50
) -> CompactModule:
    kept: list[CompactModule] = []

    def make(whole: nn.Module) -> CompactModule:
        kept.append(compact(whole, network.masks, network.description))
        assert kept[0].layers
        kept.append(replace(kept[0]))  # `restore` empties the first one
        return kept[0]

    start = {name: value.double() for name, value in module.state_dict().items()}
    expected, sparsity = trained(network, module, optimizer, steps, CompactModule)
    found, measured = trained(network, module, optimizer, steps, make)
    assert list(found) == list(expected)
    assert measured == pytest.approx(sparsity, abs=1e-12)
    for name, value in expected.items():
        # What starts at zero and has no gradient, such as those shifts, is nothing but rounding.
        scale = max(float(value.abs().max()), 0.01)
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5 * scale, msg=name)
    moved = [name for name in expected if not torch.equal(expected[name].double(), start[name])]
    assert len(moved) > len(expected) / 2, "little was trained: the comparison says nothing"
    return kept[1]


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("googlenet", "adamw"),
        ("residual", "sgd"),
        ("residual", "adam"),
        ("grouped", "sgd"),
        ("grouped", "adamw"),
    ],
)
def test_without_pruned_filters_the_same_network_is_trained(name: str, optimizer: str) -> None:
    network, module = pruned(name, "filter")
    made = assert_same_training(network, module, optimizer)
    assert share(made, network.description) < 0.5


@pytest.mark.parametrize(
    ("name", "optimizer"), [("googlenet", "sgd"), ("residual", "adamw"), ("shuffled", "adam")]
)
def test_without_pruned_channels_the_same_network_is_trained(name: str, optimizer: str) -> None:
    network, module = pruned(name, "input_channel")
    assert_same_training(network, module, optimizer)


@pytest.mark.parametrize("granularity", ["filter", "input_channel"])
def test_tokens_without_pruned_features_train_the_same_network(granularity: str) -> None:
    network, module = pruned("tokens", granularity)
    assert_same_training(network, module, "adamw")


def test_constants_of_kept_batch_norms_are_trained_as_in_the_whole_network() -> None:
    network, module = pruned("residual", "filter", batch_norm="kept")
    made = assert_same_training(network, module, "sgd")
    # Their batch norms shift pruned filters away from zero: the next layer must read them.
    second = made.layers["blocks.0.conv2"]
    assert second.multiplied == second.weight.numel()


def test_weights_of_silent_inputs_decay_as_in_the_whole_network() -> None:
    """AdamW multiplies by 1 - lr x decay at each step what has no gradient."""
    network, module = pruned("residual", "filter")
    name, before = "blocks.0.conv2.weight", network.tensors["blocks.0.conv2.weight"]
    silent = ~network.masks["blocks.0.bn1.weight"]
    resting = network.masks[name] & silent[None, :, None, None]
    assert resting.any()

    def make(whole: nn.Module) -> CompactModule:
        return compact(whole, network.masks, network.description)

    found, _ = trained(network, module, "adamw", 3, make)
    expected = before[resting] * (1 - 0.0002 * 0.05) ** 3
    np.testing.assert_allclose(found[name].numpy()[resting], expected, rtol=1e-7)


def test_a_mask_may_change_nothing(make_toy: Callable) -> None:
    module, network = make_toy()
    everything = {layer.weight: np.ones(layer.shape, bool) for layer in network.description.layers}
    made = compact(module, everything, network.description)
    assert made.layers == {}
    assert share(made, network.description) == 1


def test_shares_are_counted_by_hand(make_toy: Callable) -> None:
    """Of 6 stem filters 3 go, with their batch norm: the block reads 3 channels."""
    _, network = make_toy()
    gone = np.arange(6) % 2 == 0
    masks: dict[str, np.ndarray] = {
        "stem.conv.weight": np.broadcast_to(~gone[:, None, None, None], (6, 3, 3, 3)).copy(),
        "stem.bn.weight": ~gone,
        "stem.bn.bias": ~gone,
    }
    masked = network.masked(masks)
    made = compact(modules.to_module(masked), masks, masked.description)
    # 4 x 4 positions each; 6 -> 4 and 6 -> 3 filters of side 1, 3 -> 5 of side 3; the classifier.
    whole = 16 * (6 * 3 * 9 + 6 * 4 + 6 * 3 + 3 * 5 * 9) + 9 * 7
    left = 16 * (3 * 3 * 9 + 3 * 4 + 3 * 3 + 3 * 5 * 9) + 9 * 7
    assert share(made, masked.description) == pytest.approx(left / whole)
    assert set(made.layers) == {"stem.conv", "mixed.branch1.conv", "mixed.branch2.0.conv"}


def test_layers_come_back_whole(make_toy: Callable) -> None:
    module, network = make_toy()
    mask = np.random.default_rng(0).random((6, 3, 3, 3)) < 0.3
    mask[1] = False
    mask[:, 2] = False
    masked = network.masked({"stem.conv.weight": mask})
    module = modules.to_module(masked)
    original = {name: value.clone() for name, value in module.state_dict().items()}
    layers = dict(module.named_modules())
    made = compact(module, masked.masks, masked.description)
    assert module.get_parameter("stem.conv.weight").shape == (5, 2, 3, 3)
    made.restore()
    for name, value in module.state_dict().items():
        assert torch.equal(value, original[name]), name
    assert dict(module.named_modules()) == layers
