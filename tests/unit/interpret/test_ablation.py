"""Silencing a unit, against a network whose weights were changed by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret import ablation
from prunescope.networks.preprocessing import to_input


@pytest.fixture
def images() -> PackedImages:
    rng = np.random.default_rng(0)
    return PackedImages(
        rng.integers(0, 256, size=(20, 3, 8, 8), dtype=np.uint8), np.arange(20, dtype=np.int64) % 7
    )


def test_a_silenced_unit_gives_its_mean_everywhere(
    make_toy: Callable, images: PackedImages
) -> None:
    module, network = make_toy()
    batch = to_input(images.images, network.description, torch.device("cpu"))
    outputs: list[torch.Tensor] = []
    with torch.inference_mode():
        whole, plain = module(batch), module.stem.conv(batch)
        with ablation.silenced(module, "stem.conv", 2):
            handle = module.stem.bn.register_forward_pre_hook(
                lambda _, given: outputs.append(*given)
            )
            module(batch)
            handle.remove()
        again = module(batch)
    (silenced,) = outputs
    assert torch.allclose(silenced[:, 2], plain[:, 2].mean())
    assert silenced[:, 2].unique().numel() == 1
    others = [channel for channel in range(plain.shape[1]) if channel != 2]
    assert torch.equal(silenced[:, others], plain[:, others])
    assert torch.equal(whole, again)


def test_losses_equal_a_network_whose_channel_is_set_by_hand(
    make_toy: Callable, images: PackedImages
) -> None:
    module, network = make_toy()
    batch = to_input(images.images, network.description, torch.device("cpu"))
    labels = torch.from_numpy(images.labels)
    rows = ablation.ablate(module, images, network.description, [("mixed.branch1.conv", 1)])

    def answers(silenced: bool) -> torch.Tensor:
        """The toy's forward pass, written out."""
        stem = module.stem(batch)
        first = module.mixed.branch1.conv(stem)
        if silenced:
            first[:, 1] = first[:, 1].mean()
        first = torch.relu(module.mixed.branch1.bn(first))
        both = torch.cat([first, module.mixed.branch2(stem)], dim=1)
        return module.fc(both.mean(dim=(2, 3)))

    with torch.inference_mode():
        whole, without = answers(False), answers(True)
    rise = functional.cross_entropy(without, labels) - functional.cross_entropy(whole, labels)
    hits = [(logits.argmax(dim=1) == labels).float().mean() for logits in (whole, without)]
    (row,) = rows
    assert (row["layer"], row["unit"]) == ("mixed.branch1.conv", 1)
    assert row["loss_rise"] == pytest.approx(rise.item(), abs=1e-5)
    assert row["top1_drop"] == pytest.approx((hits[0] - hits[1]).item(), abs=1e-6)


def test_units_are_drawn_at_random_from_the_convolutions(make_toy: Callable) -> None:
    _, network = make_toy()
    layers = network.description.measured_layers
    drawn = ablation.sample_units(layers, 8, seed=0)
    assert len(set(drawn)) == 8
    assert drawn == ablation.sample_units(layers, 8, seed=0) != ablation.sample_units(layers, 8, 1)
    assert not [layer for layer, _ in drawn if layer == "fc"]
    everything = ablation.sample_units(layers, 18, seed=0)  # 6 + 4 + 3 + 5
    order = [layer.name for layer in layers]
    assert everything == sorted(everything, key=lambda unit: (order.index(unit[0]), unit[1]))
    with pytest.raises(InputError, match="19 units cannot be drawn from the 18"):
        ablation.sample_units(layers, 19, seed=0)
