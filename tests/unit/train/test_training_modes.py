"""Accumulation, smoothing, auxiliary heads, mixed precision, compilation: against plain torch."""

import copy
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.networks import devices
from prunescope.networks.description import Description, Network
from prunescope.networks.preprocessing import to_input
from prunescope.train import training
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.recipes.recipe import Recipe

CLASSES = 7
ONE_STEP = Recipe(
    optimizer="sgd",
    lr=0.1,
    weight_decay=0.0,
    schedule="constant",
    batch=12,
    steps=1,
    history_images=4,
)


def vary(**fields: object) -> Recipe:
    return Recipe(**{**vars(ONE_STEP), **fields})


def pictures(count: int = 12) -> PackedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(count, 3, 8, 8), dtype=np.uint8)
    return PackedImages(images, rng.integers(0, CLASSES, size=count))


IMAGES = pictures()


def task(recipe: Recipe) -> training.Task:
    network = Network(DESCRIPTION, {})
    return training.Task(network, PackedSource(IMAGES), IMAGES, recipe, seed=0)


# The order of the first epoch, as `retraining` draws it.
ORDER = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(1,))).permutation(12)


class Plain(nn.Module):
    """No batch norm: a batch and its parts then see the same network. With heads if asked for."""

    def __init__(self, heads: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.fc = nn.Linear(4, CLASSES)
        self.heads = nn.ModuleList(nn.Linear(4, CLASSES) for _ in range(heads))

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        features = torch.relu(self.conv(images)).mean(dim=(2, 3))
        if self.training and self.heads:
            return (self.fc(features), *(head(features) for head in self.heads))
        return self.fc(features)


DESCRIPTION = Description("plain", CLASSES, 8, (0.2, 0.3, 0.4), (0.5, 0.25, 0.4))


def train(module: nn.Module, recipe: Recipe) -> tuple[nn.Module, list[dict]]:
    trained = copy.deepcopy(module)
    rows = list(training.train(trained, task(recipe)))
    return trained, rows


def one_step_of_torch(module: nn.Module, loss: Callable) -> nn.Module:
    """A step of plain gradient descent on the whole batch."""
    stepped = copy.deepcopy(module).train()
    outputs = stepped(to_input(IMAGES.images[ORDER], DESCRIPTION))
    loss(outputs, torch.from_numpy(IMAGES.labels[ORDER])).backward()
    with torch.no_grad():
        for value in stepped.parameters():
            if value.grad is not None:
                value -= 0.1 * value.grad
    return stepped


def assert_close(first: nn.Module, second: nn.Module, tolerance: float = 1e-6) -> None:
    for name, value in first.state_dict().items():
        torch.testing.assert_close(
            value, second.state_dict()[name], rtol=tolerance, atol=tolerance, msg=name
        )


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_accumulated_gradients_are_those_of_the_batch(accumulate: int) -> None:
    trained, rows = train(Plain(), vary(accumulate=accumulate))
    assert_close(trained, one_step_of_torch(Plain(), cross_entropy))
    _, whole = train(Plain(), ONE_STEP)
    assert rows[1]["train_loss"] == pytest.approx(whole[1]["train_loss"], rel=1e-6)
    assert rows[1]["train_top1"] == whole[1]["train_top1"]


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match="batch 12 cannot be divided into 5 equal parts"):
        train(Plain(), vary(accumulate=5))


def test_label_smoothing_by_hand() -> None:
    def smoothed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        target = torch.full((12, CLASSES), 0.1 / CLASSES)
        target[torch.arange(12), labels] += 0.9
        return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()

    trained, _ = train(Plain(), vary(label_smoothing=0.1))
    assert_close(trained, one_step_of_torch(Plain(), smoothed))


class Normed(Plain):
    """With batch norms whose scales are 0.5 and -0.25, in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(self.conv.out_channels)
        self.conv = nn.Sequential(self.conv, self.norm)
        with torch.no_grad():
            self.norm.weight[::2], self.norm.weight[1::2] = 0.5, -0.25


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_penalty_moves_scales_by_their_sign_and_nothing_else(accumulate: int) -> None:
    module, recipe = Normed(), vary(accumulate=accumulate)
    without, rows = train(module, recipe)
    trained, other_rows = train(module, vary(accumulate=accumulate, l1_on_scales=0.01))
    moved = trained.norm.weight - without.norm.weight
    expected = -recipe.lr * 0.01 * torch.sign(module.norm.weight)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-7)
    assert other_rows[1]["train_loss"] == rows[1]["train_loss"]
    for name, value in without.state_dict().items():
        if name not in ("norm.weight", "conv.1.weight"):
            assert torch.equal(value, trained.state_dict()[name]), name


def test_a_penalty_on_scales_needs_scales() -> None:
    with pytest.raises(
        InputError, match=r"l1_on_scales is 0\.01, but the network has no batch norm"
    ):
        train(Plain(), vary(l1_on_scales=0.01))


def test_auxiliary_heads_take_part_by_their_weight() -> None:
    def weighted(outputs: tuple, labels: torch.Tensor) -> torch.Tensor:
        main, first, second = (cross_entropy(output, labels) for output in outputs)
        return main + 0.3 * first + 0.3 * second

    module = Plain(heads=2)
    trained, rows = train(module, vary(auxiliary_weight=0.3))
    assert_close(trained, one_step_of_torch(module, weighted))
    without, _ = train(module, ONE_STEP)
    assert torch.equal(without.heads[0].weight, module.heads[0].weight)
    assert not torch.equal(without.conv.weight, trained.conv.weight)
    assert rows[1]["validation_top1"] is not None, "measured without heads"


Answers = namedtuple("Answers", "first logits second")
# Ways to return the logits and those of two auxiliary heads; features are no head.
FORMS = {
    "tuple": lambda main, first, second: (main, first, second),
    "named tuple": lambda main, first, second: Answers(first, main, second),
    "dict": lambda main, first, second: {
        "features": main.new_zeros(len(main), 3), "aux": first, "logits": main, "deep": second
    },
    "dict of segmentation": lambda main, first, second: {"aux": first, "out": main, "b": second},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_logits_may_come_in_any_form(form: str) -> None:
    """While training with heads, and while measuring without."""

    class Wrapped(Plain):
        def forward(self, images: torch.Tensor) -> object:
            outputs = super().forward(images)
            if isinstance(outputs, tuple):
                return FORMS[form](*outputs)
            return {"logits": outputs}

    recipe = vary(auxiliary_weight=0.3, steps=2)
    expected, expected_rows = train(Plain(heads=2), recipe)
    trained, rows = train(Wrapped(heads=2), recipe)
    assert_close(trained, expected)
    assert rows[-1] == pytest.approx(expected_rows[-1])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_keeps_float32_weights_near_those_of_float32(
    optimizer: str, precision: str
) -> None:
    # At Adam's first steps the sign of a gradient counts, not its size: so small a rate.
    lr = 0.1 if optimizer == "sgd" else 0.001
    recipe = vary(steps=5, optimizer=optimizer, lr=lr)
    exact, _ = train(Plain(), recipe)
    mixed, rows = train(Plain(), replace(recipe, precision=precision))
    assert all(value.dtype == torch.float32 for value in mixed.state_dict().values())
    assert_close(mixed, exact, tolerance=0.02)
    assert not torch.equal(mixed.conv.weight, exact.conv.weight), "nothing was rounded"
    assert np.isfinite(rows[1]["train_loss"])


def test_mixed_precision_is_off_while_measuring() -> None:
    module = Plain()
    seen = []
    module.fc.register_forward_hook(lambda _, inputs, output: seen.append(output.dtype))
    list(training.train(module, task(vary(precision="bf16"))))
    assert seen == [torch.float32, torch.bfloat16, torch.float32]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on the CPU")
def test_compiled_training_gives_the_same_network() -> None:
    compiled, _ = train(Plain(), vary(steps=3, compile=True))
    assert_close(compiled, train(Plain(), vary(steps=3))[0], tolerance=1e-5)


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_what_the_recipe_says(allowed: bool) -> None:
    devices.allow_tf32(not allowed)
    train(Plain(), vary(tf32=allowed))
    assert torch.backends.cuda.matmul.allow_tf32 is allowed
    assert torch.backends.cudnn.allow_tf32 is allowed
    devices.choose()
    assert torch.backends.cudnn.allow_tf32 is False, "measuring is never rounded"


def test_without_a_gpu_the_device_is_the_cpu() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert devices.choose().type == expected
