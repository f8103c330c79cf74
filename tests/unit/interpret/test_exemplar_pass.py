"""The exemplar pass against plain hooks, one image at a time."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torchvision.models.googlenet import googlenet

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import arrays, tables
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError
from prunescope.interpret import activations as passing
from prunescope.interpret import exemplar_pass, exemplars, unit_tables
from prunescope.interpret.exemplars import ExemplarSettings
from prunescope.networks.describing.layers import find_layers
from prunescope.networks.description import Description, Layer, Network
from prunescope.networks.preprocessing import to_input

IMAGES = 45
SETTINGS = ExemplarSettings(per_side=10, ties="random", seed=2)


def pictures() -> PackedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(IMAGES, 3, 8, 8), dtype=np.uint8)
    return PackedImages(images, rng.integers(0, 7, size=IMAGES))


def activations(module: nn.Module, network: Network, name: str) -> np.ndarray:
    """Spatial means of the output of the layer `name`, `(images, units)`, image by image."""
    outputs = []
    handle = module.get_submodule(name).register_forward_hook(
        lambda _module, _inputs, output: outputs.append(output[0].numpy().copy())
    )
    mean, std = (
        np.reshape(values, (1, 3, 1, 1))
        for values in (network.description.mean, network.description.std)
    )
    with torch.no_grad():
        for image in pictures().images:
            module(torch.from_numpy(((image[None] / 255 - mean) / std).astype(np.float32)))
    handle.remove()
    return np.stack([output.reshape(len(output), -1).mean(axis=1) for output in outputs])


@pytest.fixture
def toy(make_toy: Callable) -> tuple[nn.Module, Network]:
    return make_toy(7)


def test_no_image_may_be_both_strongest_and_weakest(toy: tuple[nn.Module, Network]) -> None:
    module, network = toy
    for per_side in (23, 45, 50):
        settings = ExemplarSettings(per_side=per_side, ties="random", seed=2)
        with pytest.raises(InputError, match=rf"exemplars\.per_side: {per_side} .*among 45 probe"):
            exemplar_pass.find_exemplars(module, pictures(), network.description, settings)
    settings = ExemplarSettings(per_side=22, ties="random", seed=2)
    found = exemplar_pass.find_exemplars(module, pictures(), network.description, settings)
    for row in found.to_dicts():
        assert not set(row["strongest"]) & set(row["weakest"])


def test_exemplars_are_those_of_all_activations_sorted(toy: tuple[nn.Module, Network]) -> None:
    module, network = toy
    found = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    layers = network.description.measured_layers
    assert [layer.name for layer in layers] == [
        "stem.conv", "mixed.branch1.conv", "mixed.branch2.0.conv", "mixed.branch2.1.conv", "fc"
    ]  # fmt: skip
    assert found.schema == unit_tables.EXEMPLARS.conform(found).schema
    assert found["layer"].to_list() == [layer.name for layer in layers for _ in range(layer.units)]
    assert found["unit"].to_list() == [unit for layer in layers for unit in range(layer.units)]
    assert found["layer_type"].to_list() == ["conv2d"] * 18 + ["linear"] * 7
    assert not found["constant"].any()
    assert found["tied_fraction"].to_list() == [0] * 25
    for layer in layers:
        expected = activations(module, network, layer.name)
        assert expected.shape == (IMAGES, layer.units)
        for row in found.filter(pl.col("layer") == layer.name).iter_rows(named=True):
            unit = expected[:, row["unit"]]
            gaps = np.diff(np.sort(unit))
            assert min(gaps[:10].min(), gaps[-10:].min()) > 1e-6, "rounding could swap neighbours"
            order = np.argsort(unit)
            assert row["weakest"] == order[:10].tolist()
            assert row["strongest"] == order[::-1][:10].tolist()
            for side in ("weakest", "strongest"):
                np.testing.assert_allclose(
                    row[f"{side}_activation"], unit[row[side]], rtol=1e-4, atol=1e-5
                )


def test_half_precision_ranks_and_records_what_is_left_after_rounding(
    toy: tuple[nn.Module, Network],
) -> None:
    """Equal halves are ties. Ranked in the order of the dataset, they can be sorted by hand."""
    module, network = toy
    # A large bias leaves few digits for the image.
    with torch.no_grad():
        module.get_submodule("stem.conv").bias = nn.Parameter(torch.full((6,), 300.0))
    settings = ExemplarSettings(10, "dataset_order", 2, precision="float16")
    recorder = passing.Recorder(np.arange(IMAGES))
    found = exemplar_pass.find_exemplars(
        module, pictures(), network.description, settings, recorder
    )
    halves = activations(module, network, "stem.conv").astype(np.float16).astype(np.float32)
    rows = found.filter(layer="stem.conv").to_dicts()
    np.testing.assert_array_equal(recorder.activations()[:, : len(rows)], halves)
    for row in rows:
        unit = halves[:, row["unit"]]
        # Of equal activations, the first counts as the strongest, the last as the weakest.
        order = sorted(range(IMAGES), key=lambda image: (-unit[image], image))
        assert row["strongest"] == order[:10]
        assert row["weakest"] == order[::-1][:10]
        assert row["tied_fraction"] > 0


def test_activations_of_googlenet_have_the_bits_of_plain_hooks() -> None:
    """Whatever other networks need: those of GoogLeNet are torch's means over positions."""
    torch.manual_seed(0)
    module = googlenet(weights=None, aux_logits=True, init_weights=False, num_classes=10).eval()
    layers = find_layers(module, image_size=32)
    description = Description("googlenet", 10, 32, (0.5,) * 3, (0.25,) * 3, layers)
    rng = np.random.default_rng(0)
    images = PackedImages(rng.integers(0, 256, (9, 3, 32, 32), dtype=np.uint8), np.arange(9))
    recorder = passing.Recorder(np.arange(9))
    settings = ExemplarSettings(4, "random", 2)
    found = exemplar_pass.find_exemplars(module, images, description, settings, recorder)
    kept: dict[str, torch.Tensor] = {}
    for name, child in module.named_modules():
        if isinstance(child, nn.Conv2d):
            child.register_forward_hook(
                lambda _module, _inputs, made, name=name: kept.update({name: made.mean((2, 3))})
            )
    with torch.inference_mode():
        logits = module(to_input(images.images, description))
    expected = torch.cat([*kept.values(), logits], dim=1)
    assert expected.shape == (9, 7_290)
    assert torch.equal(torch.from_numpy(recorder.activations()), expected)
    names = [name for name, means in kept.items() for _ in range(means.shape[1])]
    assert found["layer"].to_list() == names + ["fc"] * 10
    assert found["block"].to_list() == [name.split(".")[0] for name in found["layer"]]
    assert found["layer_type"].to_list() == ["conv2d"] * 7_280 + ["linear"] * 10


class Runs(nn.Module):
    """A convolution that runs twice, and two fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
        self.hidden, self.head = nn.Linear(3, 5), nn.Linear(5, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.stage(torch.relu_(self.stage(images)))
        return self.head(torch.relu_(self.hidden(maps.mean(dim=(2, 3)))))


def test_a_convolution_may_tell_the_classes() -> None:
    """As in SqueezeNet, whose last layer is a convolution."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 7, 1), nn.AdaptiveAvgPool2d(1))
    layers = (
        Layer("0", "conv2d", (4, 3, 3, 3), (6, 6)),
        Layer("1", "conv2d", (7, 4, 1, 1), (6, 6)),
    )
    description = Description("convolutions", 7, 8, (0.5,) * 3, (0.25,) * 3, layers)
    found = exemplar_pass.find_exemplars(module.eval(), pictures(), description, SETTINGS)
    assert found["layer_type"].to_list() == ["conv2d"] * 4 + ["linear"] * 7


def test_the_table_names_runs_blocks_and_hidden_layers() -> None:
    torch.manual_seed(0)
    layers = (
        Layer("stage.0", "conv2d", (3, 3, 3, 3), (8, 8), runs=2, block="the stage"),
        Layer("hidden", "linear", (5, 3), (1, 1)),
        Layer("head", "linear", (7, 5), (1, 1)),
    )
    description = Description("runs", 7, 8, (0.5,) * 3, (0.25,) * 3, layers)
    found = exemplar_pass.find_exemplars(Runs().eval(), pictures(), description, SETTINGS)
    assert found.select("layer", "layer_type", "block", "unit").rows() == [
        *(("stage.0@1", "conv2d", "the stage", unit) for unit in range(3)),
        *(("stage.0@2", "conv2d", "the stage", unit) for unit in range(3)),
        *(("hidden", "hidden", "hidden", unit) for unit in range(5)),
        *(("head", "linear", "head", unit) for unit in range(7)),
    ]
    first, second = (
        found.filter(layer=f"stage.0@{run}").select("strongest").rows() for run in (1, 2)
    )
    assert first != second


@pytest.mark.parametrize("layer", ["stem.conv", "mixed.branch2.1.conv"])
def test_a_pruned_filter_is_a_constant_unit(toy: tuple[nn.Module, Network], layer: str) -> None:
    module, network = toy
    with torch.no_grad():
        module.get_submodule(layer).weight[2] = 0
    found = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    constant = found.filter("constant")
    assert constant.select("layer", "unit").rows() == [(layer, 2)]
    row = constant.row(0, named=True)
    assert row["tied_fraction"] == 1
    assert row["strongest_activation"] == row["weakest_activation"] == [0] * 10
    assert not set(row["strongest"]) & set(row["weakest"])
    assert row["strongest"] != sorted(row["strongest"]), "ties must not follow the dataset"


def test_a_logit_that_only_has_a_bias_is_constant(toy: tuple[nn.Module, Network]) -> None:
    module, network = toy
    with torch.no_grad():
        module.fc.weight[3] = 0
    found = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    row = found.filter("constant").row(0, named=True)
    assert (row["layer"], row["unit"]) == ("fc", 3)
    assert row["strongest_activation"] == pytest.approx([module.fc.bias[3].item()] * 10)


@pytest.mark.parametrize("batch", [1, 7, 10, IMAGES])
def test_exemplars_do_not_depend_on_the_batch(
    toy: tuple[nn.Module, Network], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    module, network = toy
    with torch.no_grad():
        module.stem.conv.weight[1] = 0
    expected = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    monkeypatch.setattr(passing, "BATCH", batch)
    found = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    for column in ("layer", "unit", "constant", "tied_fraction", "strongest", "weakest"):
        assert found[column].to_list() == expected[column].to_list()
    for column in ("strongest_activation", "weakest_activation"):
        np.testing.assert_allclose(
            tables.matrix(found[column]), tables.matrix(expected[column]), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("merge", [1, 2, 3, 100])
def test_exemplars_do_not_depend_on_the_merges(
    toy: tuple[nn.Module, Network], monkeypatch: pytest.MonkeyPatch, merge: int
) -> None:
    module, network = toy
    monkeypatch.setattr(passing, "BATCH", 10)
    expected = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    monkeypatch.setattr(exemplars, "BATCHES_A_MERGE", merge)
    found = exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    assert found.equals(expected)


def test_the_network_is_left_as_it_was(toy: tuple[nn.Module, Network]) -> None:
    module, network = toy
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    exemplar_pass.find_exemplars(module, pictures(), network.description, SETTINGS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not any(child._forward_hooks for child in module.modules())


MEMORY = """
import sys
from pathlib import Path

import torch
from torch import nn

from prunescope.data import packed_images
from prunescope.interpret import activations, exemplar_pass, exemplars
from prunescope.networks.describing.layers import find_layers
from prunescope.networks.description import Description

module = nn.Sequential(nn.Conv2d(3, 2, 1, stride=16), nn.Flatten(), nn.Linear(392, 2)).eval()
layers = find_layers(module, 224)
description = Description("small", 2, 224, (0.5,) * 3, (0.5,) * 3, layers)
images = packed_images.PackedImages.open(sys.argv[1], sys.argv[2])
torch.set_num_threads(1)
activations.BATCH = 20
settings = exemplars.ExemplarSettings(10, "random", 0)
found = exemplar_pass.find_exemplars(module, images, description, settings)
assert len(found) == 4
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def peak_memory(folder: Path, images: int) -> int:
    """Peak memory of a process that finds exemplars in so many ImageNet-sized images, in KiB."""
    # Black, and never written: the file takes no room, but its pages count once they are read.
    np.lib.format.open_memmap(
        folder / "images.npy", mode="w+", dtype=np.uint8, shape=(images, 3, 224, 224)
    )
    arrays.save_array(np.zeros(images, dtype=np.int64), folder / "labels.npy")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, folder / "images.npy", folder / "labels.npy"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.slow
def test_memory_of_the_exemplar_pass_does_not_grow_with_the_images(tmp_path: Path) -> None:
    # How much of the file the system maps in advance differs from run to run, by 120 MB.
    few = max(peak_memory(tmp_path, 200) for _ in range(3))
    many = peak_memory(tmp_path, 2000)
    # `few` is small enough for the last line to notice if the 1,800 other images were kept.
    assert few < 1800 * 3 * 224 * 224 / 1024 / 0.2
    assert many < 1.1 * few, f"{few} KiB for 200 images, {many} KiB for 2,000"
