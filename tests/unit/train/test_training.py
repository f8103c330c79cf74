"""The masked training loop against torch's own reparametrisation, and its bookkeeping by hand."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prunescope.data import sampling
from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import accuracy, predictions
from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description, Network
from prunescope.networks.preprocessing import to_input
from prunescope.train import history_table
from prunescope.train import training as training_module
from prunescope.train.held_masks import MaskedParameters, RegrowthError
from prunescope.train.images import augmentation
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.images.train_batch import TrainBatch
from prunescope.train.recipes import learning_rates, optimizers
from prunescope.train.recipes.recipe import Recipe, make_plan
from prunescope.train.training import Task, cross_entropy, train

CLASSES = 7
SGD = Recipe(
    optimizer="sgd",
    lr=0.1,
    momentum=0.9,
    weight_decay=0.01,
    schedule="constant",
    batch=8,
    epochs=2,
    history_images=10,
)


def vary(recipe: Recipe, **fields: object) -> Recipe:
    return Recipe(**{**vars(recipe), **fields})


def pictures(count: int, seed: int = 0) -> PackedImages:
    """Noise, random labels; the first pixel is the index of the image."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(count, 3, 8, 8), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return PackedImages(images, rng.integers(0, CLASSES, size=count))


TRAINING = pictures(37)
VALIDATION = pictures(30, seed=1)


@dataclass
class Seen:
    """The batches that a module was trained on, as images in 0..255."""

    description: Description
    batches: list[np.ndarray] = field(default_factory=list)

    def watch(self, module: nn.Module) -> None:
        def note(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
            if module.training:
                mean, std = (
                    np.reshape(values, (3, 1, 1))
                    for values in (self.description.mean, self.description.std)
                )
                pixels = (inputs[0].numpy() * std + mean) * 255
                self.batches.append(np.rint(pixels).astype(np.uint8))

        module.register_forward_pre_hook(note)

    @property
    def indices(self) -> list[list[int]]:
        return [batch[:, 0, 0, 0].tolist() for batch in self.batches]


@dataclass
class Run:
    """A toy network after training, and what was seen on the way."""

    module: nn.Module
    description: Description
    masks: Mapping[str, np.ndarray]
    start: nn.Module
    rows: list[dict]
    seen: Seen

    @property
    def state(self) -> dict[str, torch.Tensor]:
        return self.module.state_dict()

    def regrown(self) -> int:
        parameters = dict(self.module.named_parameters())
        return sum(
            int(np.count_nonzero(parameters[name].detach().numpy()[~mask]))
            for name, mask in self.masks.items()
        )


@pytest.fixture
def start(make_toy: Callable) -> tuple[nn.Module, Description, dict[str, np.ndarray]]:
    """A pruned toy network: about half the entries of most of its parameters are gone."""
    module, network = make_toy(CLASSES)
    rng = np.random.default_rng(3)
    names = [*(layer.weight for layer in network.description.layers), "fc.bias"]
    masks = {name: rng.random(network.tensors[name].shape) < 0.5 for name in names}
    MaskedParameters(module, masks).apply()
    return module, network.description, masks


@pytest.fixture
def run(start: tuple) -> Callable[..., Run]:
    """Train a copy of the pruned toy network."""

    def run(
        recipe: Recipe,
        *,
        seed: int | list[int] = 0,
        training: PackedImages = TRAINING,
        validation: PackedImages = VALIDATION,
        source: type[PackedSource] = PackedSource,
        prepare: Callable[[nn.Module], object] = lambda module: None,
        **options: Any,
    ) -> Run:
        original, description, masks = start
        module = copy.deepcopy(original)
        prepare(module)
        seen = Seen(description)
        seen.watch(module)
        network = Network(description, {}, masks)
        task = Task(network, source(training), validation, recipe, seed, **options)
        rows = train(module, task)
        return Run(module, description, masks, original, list(rows), seen)

    return run


def split_name(name: str) -> tuple[str, str]:
    module, _, parameter = name.rpartition(".")
    return module, parameter


def reparametrised(run: Run, recipe: Recipe, steps_by_epoch: list[int]) -> nn.Module:
    """The same training by torch alone: masks in the forward pass, one scheduler for `sgd`."""
    module = copy.deepcopy(run.start).train()
    for name, mask in run.masks.items():
        child, parameter = split_name(name)
        prune.custom_from_mask(module.get_submodule(child), parameter, torch.from_numpy(mask))
    optimizer = torch.optim.SGD(
        module.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, recipe.gamma)
    batches = iter(run.seen.indices)
    for steps in steps_by_epoch:
        for _ in range(steps):
            chosen = next(batches)
            inputs = to_input(TRAINING.images[chosen], run.description)
            labels = torch.from_numpy(TRAINING.labels[chosen])
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs), labels).backward()
            optimizer.step()
        schedule.step()
    for name in run.masks:
        child, parameter = split_name(name)
        prune.remove(module.get_submodule(child), parameter)
    return module


def test_training_with_masks_equals_training_torchs_pruned_parametrisation(
    run: Callable[..., Run],
) -> None:
    recipe = vary(SGD, schedule="exponential", gamma=0.5, epochs=3)
    done = run(recipe)
    expected = reparametrised(done, recipe, [4, 4, 4]).state_dict()
    assert expected.keys() == done.state.keys()
    for name, tensor in done.state.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6, msg=name)
        if tensor.is_floating_point():
            moved = (tensor - done.start.state_dict()[name]).abs().max()
            assert moved > 1e-3, f"{name} was not trained: the comparison says nothing"


@pytest.mark.parametrize("optimizer", list(optimizers.OPTIMIZERS))
def test_masks_hold_exactly_zero(run: Callable[..., Run], optimizer: str) -> None:
    done = run(vary(SGD, optimizer=optimizer, lr=0.02, weight_decay=0.1, epochs=3))
    assert done.regrown() == 0
    for name, mask in done.masks.items():
        kept = done.state[name].numpy()[mask]
        assert np.count_nonzero(kept) == kept.size, f"{name}: too much is zero"


@pytest.mark.parametrize("optimizer", list(optimizers.OPTIMIZERS))
def test_released_masks_regrow(run: Callable[..., Run], optimizer: str) -> None:
    done = run(vary(SGD, optimizer=optimizer, lr=0.01), enforce_masks=False)
    pruned = sum(int((~mask).sum()) for mask in done.masks.values())
    # Not all of them: units that ReLU silences on every image get no gradient.
    assert done.regrown() > pruned / 2
    size = sum(mask.size for mask in done.masks.values())
    sparsity = [row["sparsity"] for row in done.rows]
    assert sparsity[0] == pruned / size
    assert sparsity[-1] == (pruned - done.regrown()) / size


@pytest.mark.parametrize("enforced", [True, False])
def test_history_leaves_out_what_no_image_reaches(run: Callable[..., Run], enforced: bool) -> None:
    name = "mixed.branch2.1.conv.weight"
    counted = {name: np.zeros((1, 1, 3, 3), bool)}
    counted[name][..., 1, 1] = True
    done = run(SGD, enforce_masks=enforced, counted=counted)
    kept = {
        parameter: done.state[parameter].numpy()[np.broadcast_to(where, mask.shape)]
        for parameter, mask in done.masks.items()
        for where in [counted.get(parameter, True)]
    }
    size = sum(values.size for values in kept.values())
    assert size == sum(mask.size for mask in done.masks.values()) - 5 * 3 * 8
    zeros = sum(int((values == 0).sum()) for values in kept.values())
    assert done.rows[-1]["sparsity"] == zeros / size
    plain = run(SGD, enforce_masks=enforced)
    assert plain.rows[-1]["sparsity"] != zeros / size
    for parameter, values in plain.state.items():
        assert torch.equal(values, done.state[parameter]), "what counts changes no training"


def test_a_mask_that_is_not_held_fails_the_run(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MaskedParameters, "apply", lambda self: None)
    with pytest.raises(RegrowthError, match=r"epoch 1: \d+ pruned weights are not zero"):
        run(SGD)


def test_one_regrown_weight_is_enough_to_fail(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = MaskedParameters.apply

    def almost(masked: MaskedParameters) -> None:
        hold(masked)
        weight, mask = masked._parameters[0], masked._masks[0]
        with torch.no_grad():
            weight[tuple((mask == 0).nonzero()[0])] = 1e-30

    monkeypatch.setattr(MaskedParameters, "apply", almost)
    with pytest.raises(RegrowthError, match="epoch 1: 1 pruned weights are not zero"):
        run(SGD)


def test_history_is_one_row_before_training_and_one_for_each_epoch(
    run: Callable[..., Run],
) -> None:
    done = run(vary(SGD, schedule="exponential", gamma=0.5, epochs=3))
    history = history_table.HISTORY.conform(pl.DataFrame(done.rows, infer_schema_length=None))
    assert history["epoch"].to_list() == [0, 1, 2, 3]
    assert history["step"].to_list() == [0, 4, 8, 12]
    assert history["lr"].to_list() == pytest.approx([None, 0.1, 0.05, 0.025])
    assert history["train_images"].to_list() == [None, 32, 32, 32]
    assert history["replaced_images"].to_list() == [None, 0, 0, 0]
    for column in ("train_loss", "train_top1"):
        assert history[column].is_null().to_list() == [True, False, False, False]
    size = sum(mask.size for mask in done.masks.values())
    zeros = sum(int((~mask).sum()) for mask in done.masks.values())
    assert history["sparsity"].to_list() == [zeros / size] * 4


def test_history_watches_a_balanced_part_of_the_validation_images(
    run: Callable[..., Run],
) -> None:
    done = run(SGD)
    rows = sampling.draw_part(VALIDATION.labels, 10)
    watched = PackedImages(VALIDATION.images[rows], VALIDATION.labels[rows])
    assert {row["validation_images"] for row in done.rows} == {10}
    for module, row in ((done.start, done.rows[0]), (done.module, done.rows[-1])):
        expected = accuracy.summarize(predictions.predict(module, watched, done.description))
        assert row["validation_top1"] == expected["top1"]
        assert row["validation_loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert not done.module.training


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"schedule": "cosine", "epochs": 2}, [3, 7]),
        ({"schedule": "one_cycle", "epochs": 2}, [3, 7]),
        ({"schedule": "cosine", "epochs": None, "steps": 6}, [3, 5]),
    ],
)
def test_learning_rate_is_that_of_the_last_step(
    run: Callable[..., Run], fields: dict, steps: list[int]
) -> None:
    recipe = vary(SGD, **fields)
    plan = make_plan(recipe, len(TRAINING))
    schedule = learning_rates.LEARNING_RATES[recipe.schedule]
    expected = [recipe.lr * schedule(recipe, plan, step) for step in steps]
    assert [row["lr"] for row in run(recipe).rows] == pytest.approx([None, *expected])


def test_every_step_takes_the_learning_rate_of_the_schedule(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []
    step = torch.optim.SGD.step

    def noting(optimizer: torch.optim.SGD, *arguments: object) -> object:
        taken.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    run(vary(SGD, schedule="cosine"))
    assert taken == pytest.approx([0.05 * (1 + np.cos(np.pi * step / 8)) for step in range(8)])


def add_dropout(module: nn.Module) -> None:
    """Chance within the module, as in GoogLeNet."""
    module.mixed.register_forward_hook(
        lambda module, _, output: nn.functional.dropout(output, 0.3, module.training)
    )


def test_the_same_seed_gives_the_same_bits(run: Callable[..., Run]) -> None:
    recipe = vary(SGD, augmentation=("horizontal_flip", "random_shift"))
    first = run(recipe, seed=5, prepare=add_dropout)
    torch.rand(10)  # what was drawn before training must not matter
    again = run(recipe, seed=5, prepare=add_dropout)
    other = run(recipe, seed=6, prepare=add_dropout)
    assert again.rows == first.rows
    assert all(torch.equal(tensor, first.state[name]) for name, tensor in again.state.items())
    assert other.seen.indices != first.seen.indices
    assert not torch.equal(other.state["fc.weight"], first.state["fc.weight"])


def test_a_seed_may_have_parts(run: Callable[..., Run]) -> None:
    runs = [run(SGD, seed=seed) for seed in ([0, 20], [0, 20], [0, 40], [1, 20])]
    assert runs[0].seen.indices == runs[1].seen.indices
    assert len({str(done.seen.indices) for done in runs}) == 3


def test_an_epoch_takes_every_image_at_most_once(run: Callable[..., Run]) -> None:
    done = run(vary(SGD, images_per_epoch=20, epochs=3))
    assert [len(batch) for batch in done.seen.indices] == [8] * 6
    indices = done.seen.indices
    epochs = [[*indices[first], *indices[first + 1]] for first in (0, 2, 4)]
    assert all(len(set(epoch)) == 16 for epoch in epochs)
    assert len({frozenset(epoch) for epoch in epochs}) == 3, "images must be drawn anew"
    assert max(map(max, epochs)) >= 20, "images must be drawn from the whole split"


def test_labels_stay_with_their_images(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[np.ndarray] = []
    loss = cross_entropy

    def noting(logits: torch.Tensor, target: torch.Tensor, **settings: float) -> torch.Tensor:
        labels.append(target.numpy().copy())
        return loss(logits, target, **settings)

    monkeypatch.setattr(training_module, "cross_entropy", noting)
    done = run(SGD)
    for indices, given in zip(done.seen.indices, labels, strict=True):
        np.testing.assert_array_equal(given, TRAINING.labels[indices])


def test_augmentations_are_applied_in_order(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(augmentation.AUGMENTATIONS, "set", lambda images, rng: 0 * images + 100)
    monkeypatch.setitem(augmentation.AUGMENTATIONS, "double", lambda images, rng: 2 * images)
    done = run(vary(SGD, augmentation=("set", "double")))
    assert np.unique(done.seen.batches).tolist() == [200]


def test_flipping_changes_images_at_random(run: Callable[..., Run]) -> None:
    done = run(vary(SGD, augmentation=("horizontal_flip",)))
    plain = run(SGD)
    flipped = 0
    for batch, untouched in zip(done.seen.batches, plain.seen.batches, strict=True):
        for image, original in zip(batch, untouched, strict=True):
            same = np.array_equal(image, original)
            assert same or np.array_equal(image, original[..., ::-1])
            flipped += not same
    assert 0.2 < flipped / 64 < 0.8


def test_history_watches_all_classes_of_a_split_that_is_sorted_by_class(
    run: Callable[..., Run],
) -> None:
    labels = np.sort(VALIDATION.labels)
    done = run(SGD, validation=PackedImages(VALIDATION.images, labels))
    part = labels[sampling.draw_part(labels, 10)]
    assert set(labels[:10].tolist()) < set(part.tolist()) == set(labels.tolist())
    assert {row["validation_images"] for row in done.rows} == {10}


def test_history_counts_the_images_that_stand_in(run: Callable[..., Run]) -> None:
    class Damaged(PackedSource):
        """A source in which the file of every image with an even index is damaged."""

        def read(self, indices: np.ndarray, *others: object) -> TrainBatch:
            batch = super().read(indices, *others)
            return TrainBatch(batch.images, batch.labels, int((indices % 2 == 0).sum()))

    done = run(vary(SGD, accumulate=2), source=Damaged)
    for row in done.rows[1:]:
        assert row["train_images"] == 32
        assert 8 < row["replaced_images"] < 24
    even = [index for batch in done.seen.indices for index in batch if index % 2 == 0]
    assert sum(row["replaced_images"] for row in done.rows[1:]) == len(even)


@pytest.mark.parametrize("batch", [16, 5], ids=["one step", "three steps"])
def test_loss_and_accuracy_of_an_epoch_by_hand(run: Callable[..., Run], batch: int) -> None:
    images = pictures(16, seed=2)
    # At so small a learning rate all steps see the same weights.
    done = run(vary(SGD, lr=1e-12, batch=batch, epochs=1), training=images)
    module = copy.deepcopy(done.start).double().train()
    losses, hits = [], []
    for indices in done.seen.indices:
        labels = images.labels[indices]
        with torch.no_grad():
            inputs = to_input(images.images[indices], done.description).double()
            logits = module(inputs).numpy()
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        losses += list(-log_p[np.arange(batch), labels])
        hits += list(logits.argmax(axis=1) == labels)
    assert done.rows[1]["step"] == 16 // batch
    assert done.rows[1]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert done.rows[1]["train_top1"] == pytest.approx(np.mean(hits))


def test_training_learns(run: Callable[..., Run]) -> None:
    """Two colours, two classes."""
    images = pictures(32, seed=4)
    images.labels[:] = np.arange(32) % 2
    images.images[:, 0] //= 8
    images.images[images.labels == 1, 0] += 200
    done = run(vary(SGD, lr=0.02, epochs=10), training=images)
    assert done.rows[-1]["train_loss"] < 0.2 * done.rows[1]["train_loss"]
    assert done.rows[-1]["train_top1"] == 1


def test_a_diverged_loss_names_epoch_and_learning_rate(run: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match=r"loss is (nan|inf) in epoch 1 at learning rate 1e\+30"):
        run(vary(SGD, lr=1e30))


def test_a_recipe_that_does_not_fit_the_split_is_refused(run: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match="batch 64 is larger than the 37 images"):
        run(vary(SGD, batch=64))


def test_training_without_masks_counts_no_zeros(
    make_toy: Callable,
) -> None:
    module, network = make_toy(CLASSES)
    rows = list(train(module, Task(network, PackedSource(TRAINING), VALIDATION, SGD, seed=0)))
    assert [row["sparsity"] for row in rows] == [0.0, 0.0, 0.0]
