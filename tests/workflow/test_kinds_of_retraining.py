"""Networks that go back to a step of the dense training, or whose masks change during training."""

import math
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
from event_points import NEEDED, points
from workspaces import TINY, Workspace, temporary_project

from prunescope.data import sampling
from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import accuracy
from prunescope.evaluate.predictions import predict
from prunescope.networks import modules, network_files
from prunescope.networks.description import Network
from prunescope.train import event_files, history_table
from prunescope.train.mask_updates.updates import MASK_UPDATES

pytestmark = pytest.mark.slow

OTHER = "config/kinds.yaml"
# Trainings are watched where that can be seen.
WATCHED = find_spec("tensorboard") is not None
# The dense training has 6 steps, the short one 3.
CHANGES = {
    "study: tiny": f"study: kinds\nevent_files: {str(WATCHED).lower()}",
    "rates: [0.30, 0.60]": "rates: [0.37, 0.60]",
    "      retraining: [one_shot]\n    structured": (
        "      retraining: [late, again, gradual, regrown]\n    structured"
    ),
    "compact: {rates: [0.60]": "compact: {rates: [0.37]",
    "recipes:\n": (
        "  late: {start: geometric, mask: enforced, recipe: from_scratch,\n"
        "         rewind: {what: weights, step: 4}}\n"
        "  again: {start: dense, mask: enforced, recipe: from_scratch,\n"
        "          rewind: {what: learning_rate, step: 3}}\n"
        "  gradual: {start: dense, mask: enforced, recipe: short,\n"
        "            gradual: {begin: 0, end: 2, every: 1}}\n"
        "  regrown: {start: dense, mask: enforced, recipe: from_scratch,\n"
        "            rewind: {what: weights, step: 0}, regrow: {every: 2, end: 5, fraction: 0.3}}\n"
        "recipes:\n"
    ),
    "  retraining: [one_shot]\npruning": "  retraining: [gradual]\npruning",
}
NETWORKS = "results/kinds/networks"
LATE, AGAIN, GRADUAL, REGROWN = (
    f"{NETWORKS}/global_unstructured/{kind}/rate{rate}/seed0"
    for kind, rate in (
        ("late", "0.60"),
        ("again", "0.37"),
        ("gradual", "0.60"),
        ("regrown", "0.60"),
    )
)
CONTROL = f"{NETWORKS}/dense/gradual/rate0.00/seed0"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with temporary_project(tmp_path_factory, "kinds") as workspace:
        text = workspace.path(TINY).read_text()
        for old, new in CHANGES.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        workspace.path(OTHER).write_text(text)
        folders = (LATE, AGAIN, GRADUAL, REGROWN, CONTROL)
        wanted = [f"{folder}/network.safetensors" for folder in folders]
        done = workspace.snakemake(*wanted, config=OTHER)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def test_networks_are_rewound(kinds: Workspace) -> None:
    dense = kinds.path(f"{NETWORKS}/dense/none/rate0.00/seed0")
    steps_kept = [path.name for path in sorted(dense.glob("step*"))]
    assert steps_kept == ["step0.safetensors", "step4.safetensors"]
    kept = network_files.load(dense / "step4.safetensors")
    for folder, start, steps in ((LATE, kept, [0, 2]), (AGAIN, None, [0, 3])):
        pruned = network_files.load(kinds.path(folder) / "pruned.safetensors")
        history = history_table.HISTORY.read(kinds.path(folder) / "history.parquet")
        assert history["step"].to_list() == steps
        network = (start or pruned).masked(pruned.masks)
        assert history["validation_loss"][0] == pytest.approx(loss_of(network, kinds), rel=1e-5)
        retrained = network_files.load(kinds.path(folder) / "network.safetensors")
        for name, mask in pruned.masks.items():
            np.testing.assert_array_equal(retrained.masks[name], mask)
            assert not retrained.tensors[name][~mask].any()


@pytest.mark.skipif(not WATCHED, reason=NEEDED)
def test_every_training_can_be_watched(kinds: Workspace) -> None:
    """Each network is a run of its own, the levels of a chain too, with the history's points."""
    lower = LATE.replace("rate0.60", "rate0.37")
    dense = f"{NETWORKS}/dense/none/rate0.00/seed0"
    for folder in (dense, lower, LATE, AGAIN, GRADUAL, REGROWN, CONTROL):
        history = history_table.HISTORY.read(kinds.path(folder) / "history.parquet")
        found = points(kinds.path(folder))
        assert set(found) == set(event_files.SCALARS)
        for name, curve in found.items():
            rows = history.select("step", name).drop_nulls().rows()
            assert curve == [(step, pytest.approx(value, rel=1e-6)) for step, value in rows]


def loss_of(network: Network, workspace: Workspace) -> float:
    """The loss on the validation images that the history looks at."""
    folder = workspace.path("results/datasets/fashion_mnist_tiny/validation")
    images = PackedImages.open(folder / "images.npy", folder / "labels.npy")
    watched = images.part(sampling.draw_part(images.labels, 50))
    module = modules.to_module(network)
    return float(accuracy.summarize(predict(module, watched, network.description))["loss"])


def test_a_network_is_pruned_while_it_is_trained(kinds: Workspace) -> None:
    """At half of the steps to the end, 7/8 of the rate are pruned."""
    network = network_files.load(kinds.path(GRADUAL) / "network.safetensors")
    changes = MASK_UPDATES.read(kinds.path(GRADUAL) / "mask_updates.parquet")
    # Weights that no image reaches are not ranked.
    unreached = sum(layer.unreached_weights for layer in network.description.layers)
    ranked = sum(mask.size for mask in network.masks.values()) - unreached
    assert changes["step"].to_list() == [1, 2]
    assert changes["scheduled"].to_list() == pytest.approx([0.525, 0.6])
    assert changes["masked"].to_list() == [round(0.525 * ranked), round(0.6 * ranked)]
    gone = sum(int((~mask).sum()) for mask in network.masks.values())
    assert gone == round(0.6 * ranked)
    for name, mask in network.masks.items():
        assert not network.tensors[name][~mask].any()
    assert not (kinds.path(GRADUAL) / "pruned.safetensors").exists()


def test_the_control_of_gradual_pruning_is_not_pruned(kinds: Workspace) -> None:
    control = network_files.load(kinds.path(CONTROL) / "network.safetensors")
    assert control.masks == {}
    history = history_table.HISTORY.read(kinds.path(CONTROL) / "history.parquet")
    assert history["sparsity"].to_list() == [0, 0, 0]
    pruned = history_table.HISTORY.read(kinds.path(GRADUAL) / "history.parquet")
    assert pruned["train_images"].to_list() == history["train_images"].to_list()
    # Both begin with the dense network and the same images, before anything is pruned.
    assert pruned["validation_loss"][0] == history["validation_loss"][0]


def test_weights_are_dropped_and_grow_elsewhere(kinds: Workspace) -> None:
    """In place of the steps 2 and 4 of 6; a network that is trained from scratch."""
    start = network_files.load(kinds.path(REGROWN) / "pruned.safetensors")
    network = network_files.load(kinds.path(REGROWN) / "network.safetensors")
    changes = MASK_UPDATES.read(kinds.path(REGROWN) / "mask_updates.parquet")
    assert changes["step"].to_list() == [2, 4]
    shares = [0.15 * (1 + math.cos(math.pi * step / 5)) for step in (2, 4)]
    assert changes["scheduled"].to_list() == pytest.approx(shares)
    assert changes["grown"].to_list() == changes["dropped"].to_list()
    moved = 0
    for name, mask in network.masks.items():
        assert mask.sum() == start.masks[name].sum()
        assert not network.tensors[name][~mask].any()
        moved += int((mask != start.masks[name]).sum())
    assert 0 < moved <= 2 * changes["grown"].sum()
    history = history_table.HISTORY.read(kinds.path(REGROWN) / "history.parquet")
    assert history["step"].to_list() == [0, 6]
    kept = kinds.path(f"{NETWORKS}/dense/none/rate0.00/seed0/step0.safetensors")
    first = network_files.load(kept).masked(start.masks)
    assert history["validation_loss"][0] == pytest.approx(loss_of(first, kinds), rel=1e-5)
