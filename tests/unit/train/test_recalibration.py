"""Recalibrated batch norms against means and variances computed from all inputs at once."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.networks import modules
from prunescope.networks.description import Network
from prunescope.networks.preprocessing import to_input
from prunescope.prune import masks
from prunescope.train import recalibration
from prunescope.train.images.packed_source import PackedSource

MakeToy = Callable[..., tuple[nn.Module, Network]]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def pictures(count: int) -> PackedImages:
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, size=(count, 3, 8, 8), dtype=np.uint8)
    # Every image has its own brightness, so that the choice of images tells.
    images //= rng.integers(1, 6, size=(count, 1, 1, 1), dtype=np.uint8)
    return PackedImages(images, rng.integers(0, 7, size=count))


IMAGES = pictures(48)


def pruned_toy(make_toy: MakeToy) -> Network:
    _, network = make_toy()
    settings = masks.PruningMethod("filter", "layer", "l1")
    return network.masked(masks.make_masks(network, settings, 0.5))


def recalibrated(network: Network, images: int = 48, batch: int = 12, seed: int = 0) -> Network:
    module = modules.to_module(network)
    settings = recalibration.RecalibrationSettings(images, batch)
    recalibration.recalibrate(
        module, network.description, PackedSource(IMAGES), settings, seed=seed
    )
    assert not any(child.training for child in module.modules())
    return modules.to_network(module, network.description, network.masks)


def activations(network: Network, layer: str, images: np.ndarray) -> np.ndarray:
    """What a layer emits for images, in evaluation mode: `(images, channels, height, width)`."""
    module = modules.to_module(network)
    seen = []
    module.get_submodule(layer).register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        module(to_input(images, network.description))
    return seen[0].numpy().astype(np.float64)


def test_the_first_batch_norm_has_the_mean_of_all_images(make_toy: MakeToy) -> None:
    network = pruned_toy(make_toy)
    received = activations(network, "stem.conv", IMAGES.images)
    after = recalibrated(network).tensors
    np.testing.assert_allclose(
        after["stem.bn.running_mean"], received.mean(axis=(0, 2, 3)), rtol=1e-5, atol=1e-6
    )
    # Of one batch with all images, the variance is that of all of them.
    whole = recalibrated(network, batch=48).tensors
    variance = received.var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(whole["stem.bn.running_var"], variance, rtol=1e-5)
    assert whole["stem.bn.num_batches_tracked"] == 1


def test_variances_are_averages_over_batches_of_the_seeded_draw(make_toy: MakeToy) -> None:
    network = pruned_toy(make_toy)
    received = activations(network, "stem.conv", IMAGES.images)
    drawn = np.random.default_rng(3).permutation(48)[:24].reshape(4, 6)
    variances = [received[batch].var(axis=(0, 2, 3), ddof=1) for batch in drawn]
    means = [received[batch].mean(axis=(0, 2, 3)) for batch in drawn]
    after = recalibrated(network, images=24, batch=6, seed=3).tensors
    np.testing.assert_allclose(after["stem.bn.running_var"], np.mean(variances, axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        after["stem.bn.running_mean"], np.mean(means, axis=0), rtol=1e-5, atol=1e-6
    )
    assert after["stem.bn.num_batches_tracked"] == 4


def test_a_later_batch_norm_receives_what_was_normalised_by_the_batch(make_toy: MakeToy) -> None:
    """One batch: the layer before uses its own, already final, statistics (but for n / (n - 1))."""
    network = pruned_toy(make_toy)
    after = recalibrated(network, batch=48)
    number = 48 * 4 * 4  # images times the stem's output
    biased = {"stem.bn.running_var": after.tensors["stem.bn.running_var"] * (number - 1) / number}
    exact = replace(after, tensors={**after.tensors, **biased})
    received = activations(exact, "mixed.branch1.conv", IMAGES.images)
    np.testing.assert_allclose(
        after.tensors["mixed.branch1.bn.running_mean"],
        received.mean(axis=(0, 2, 3)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_weights_and_masks_stay(make_toy: MakeToy) -> None:
    network = pruned_toy(make_toy)
    after = recalibrated(network)
    assert after.tensors.keys() == network.tensors.keys()
    for name, before in network.tensors.items():
        same = np.array_equal(after.tensors[name], before)
        assert same != name.endswith(STATISTICS), name
    assert after.masks.keys() == network.masks.keys()
    for name, mask in network.masks.items():
        np.testing.assert_array_equal(after.masks[name], mask)
        assert not after.tensors[name][~mask].any(), name


def test_pruned_channels_stay_silent(make_toy: MakeToy) -> None:
    network = pruned_toy(make_toy)
    out = activations(recalibrated(network), "stem", IMAGES.images)
    silent = ~network.masks["stem.bn.weight"]
    assert silent.sum() == 3
    assert not out[:, silent].any()
    assert out[:, ~silent].any()


def test_the_same_seed_gives_the_same_statistics_and_another_does_not(make_toy: MakeToy) -> None:
    network = pruned_toy(make_toy)
    first, again, other = (
        recalibrated(network, images=12, seed=seed).tensors["stem.bn.running_mean"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_images_than_there_are_is_refused(make_toy: MakeToy) -> None:
    with pytest.raises(InputError, match=r"recalibration\.images`: 60, but the train split has 48"):
        recalibrated(pruned_toy(make_toy), images=60)
