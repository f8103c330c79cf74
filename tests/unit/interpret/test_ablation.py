"""Silencing a unit, against a network whose weights were changed by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret import ablation
from prunescope.networks.description import Description, Layer, Output
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
        with ablation.silenced(module, network.description.outputs[0], 2):
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
    (output,) = [
        output for output in network.description.outputs if output.name == "mixed.branch1.conv"
    ]
    rows = ablation.ablate(module, images, network.description, [(output, 1)])

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


def test_units_are_drawn_at_random_from_all_layers_but_the_classifier(
    make_toy: Callable,
) -> None:
    _, network = make_toy()
    description = network.description
    drawn = ablation.sample_units(description, 8, seed=0)
    assert len(set(drawn)) == 8
    assert drawn == ablation.sample_units(description, 8, seed=0)
    assert drawn != ablation.sample_units(description, 8, seed=1)
    assert not [output for output, _ in drawn if output.name == "fc"]
    everything = ablation.sample_units(description, 18, seed=0)  # 6 + 4 + 3 + 5
    order = list(description.outputs)
    assert everything == sorted(everything, key=lambda unit: (order.index(unit[0]), unit[1]))
    with pytest.raises(InputError, match="19 units cannot be drawn from the 18"):
        ablation.sample_units(description, 19, seed=0)


class Tokens(nn.Module):
    """A layer that runs twice on rows of tokens, and a named tuple of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(12, 12)
        self.head = nn.Linear(12, 7)
        self.idle = nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = images.flatten(1).unflatten(1, (16, 12))
        made = [rows := self.twice(rows).relu_() for _ in range(2)]
        return {"features": made[0].mean(dim=1), "logits": self.head(made[1].mean(dim=1))}


TWICE = Layer("twice", "linear", (12, 12), (16, 1), runs=2, unit_axis=-1)


@pytest.mark.parametrize("run", [1, 2])
def test_one_run_on_tokens_is_silenced(images: PackedImages, run: int) -> None:
    torch.manual_seed(0)
    module = Tokens().eval()
    description = Description("tokens", 7, 8, (0.5,) * 3, (0.25,) * 3, (TWICE,))
    batch = to_input(images.images, description)
    with torch.inference_mode():
        whole = module(batch)["logits"]
        with ablation.silenced(module, Output(TWICE, run), 3):
            changed = module(batch)["logits"]
        weight, bias = module.twice.weight, module.twice.bias
        rows = batch.flatten(1).unflatten(1, (16, 12))
        for number in (1, 2):
            rows = rows @ weight.T + bias
            if number == run:
                rows[..., 3] = rows[..., 3].mean()
            rows = rows.clamp(min=0)
        expected = module.head(rows.mean(dim=1))
    assert not torch.allclose(whole, changed)
    torch.testing.assert_close(changed, expected)
    (row,) = ablation.ablate(module, images, description, [(Output(TWICE, run), 3)])
    labels = torch.from_numpy(images.labels)
    rise = functional.cross_entropy(expected, labels) - functional.cross_entropy(whole, labels)
    assert (row["layer"], row["unit"]) == (f"twice@{run}", 3)
    assert row["loss_rise"] == pytest.approx(rise.item(), abs=1e-5)


@pytest.mark.parametrize(("layer", "ran"), [("idle", 0), ("twice", 2)])
def test_silencing_what_does_not_run_as_described(
    images: PackedImages, layer: str, ran: int
) -> None:
    module = Tokens().eval()
    description = Description("tokens", 7, 8, (0.5,) * 3, (0.25,) * 3)
    described = replace(TWICE, name=layer, runs=3)
    with pytest.raises(InputError, match=f"{layer}: the layer ran {ran} times while one of"):
        ablation.ablate(module, images, description, [(Output(described, 1), 0)])
