"""Network files, and the way from modules to files and back."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from described import create_described
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from prunescope.foundation import provenance
from prunescope.foundation.errors import InputError
from prunescope.networks import modules, network_files
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune.masks import PruningMethod, make_masks

IMAGES = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def pruned(make_toy: Callable) -> Network:
    """A toy network with masks, and values that are easily lost."""
    _, network = make_toy()
    masks = make_masks(network, PruningMethod("filter", "layer", "l1"), 0.5)
    network = network.masked(masks)
    network.tensors["fc.bias"][:4] = [-0.0, np.nan, np.inf, 1e-45]
    return network


def assert_same_bits(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (array.dtype, array.shape), name
        assert ours[name].tobytes() == array.tobytes(), name


# --- files ---------------------------------------------------------------------------------------


def test_a_network_file_keeps_every_bit(pruned: Network, tmp_path: Path) -> None:
    path = tmp_path / "new" / "network.safetensors"
    network_files.save(pruned, path)
    loaded = network_files.load(path)
    assert loaded.description == pruned.description
    assert_same_bits(loaded.tensors, pruned.tensors)
    assert_same_bits(loaded.masks, pruned.masks)
    assert loaded.tensors["stem.bn.num_batches_tracked"].shape == ()
    assert {mask.dtype for mask in loaded.masks.values()} == {np.dtype(bool)}


def test_what_no_image_reaches_is_kept_in_the_file(pruned: Network, tmp_path: Path) -> None:
    stem, *others = pruned.description.layers
    described = (replace(stem, unreached=((0, 0), (2, 1))), *others[:-1])
    described = (*described, replace(others[-1], unreached=((),)))
    description = replace(pruned.description, layers=described)
    network_files.save(replace(pruned, description=description), tmp_path / "n")
    assert network_files.load(tmp_path / "n").description == description


def test_a_file_that_does_not_say_what_is_reached_is_refused(
    pruned: Network, tmp_path: Path
) -> None:
    """Else all weights of an older file would count without a word."""
    path = tmp_path / "network.safetensors"
    network_files.save(pruned, path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()[provenance.KEY])
    for layer in header["network"]["layers"]:
        del layer["unreached"]
    save_file(load_file(path), path, metadata={provenance.KEY: json.dumps(header)})
    with pytest.raises(InputError, match=r"network\.safetensors: not a whole safetensors file"):
        network_files.load(path)


def test_transposed_tensors_are_written_as_they_read(pruned: Network, tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).T
    network_files.save(
        replace(pruned, tensors={"w": weight}, masks={"w": weight > 2}), tmp_path / "n"
    )
    loaded = network_files.load(tmp_path / "n")
    assert loaded.tensors["w"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert loaded.masks["w"].tolist() == [[False, True], [False, True], [False, True]]


def test_the_file_names_its_tensors_as_documented(pruned: Network, tmp_path: Path) -> None:
    network_files.save(pruned, tmp_path / "network.safetensors")
    content = load_file(tmp_path / "network.safetensors")
    masks = {f"mask:{name}" for name in pruned.masks}
    assert content.keys() == pruned.tensors.keys() | masks


def test_the_same_content_gives_the_same_bytes(pruned: Network, tmp_path: Path) -> None:
    network_files.save(pruned, tmp_path / "one")
    other_order = replace(
        pruned,
        tensors=dict(reversed(pruned.tensors.items())),
        masks=dict(reversed(pruned.masks.items())),
    )
    network_files.save(other_order, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    pruned.tensors["fc.weight"][0, 0] += 1
    network_files.save(pruned, tmp_path / "three")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "three").read_bytes()


def test_files_are_as_readable_as_any_other(pruned: Network, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        network_files.save(pruned, tmp_path / "network.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "network.safetensors").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kept", [0, 4, 0.1, 0.5, -1])
def test_truncated_files_are_refused(pruned: Network, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "network.safetensors"
    network_files.save(pruned, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match=r"network\.safetensors: not a whole safetensors file"):
        network_files.load(path)


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {provenance.KEY: json.dumps({"provenance": {}})}]
)
def test_foreign_files_are_refused(tmp_path: Path, metadata: dict | None) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": np.ones(3)}, path, metadata=metadata)
    with pytest.raises(InputError, match=r"foreign\.safetensors: .* without a prunescope desc"):
        network_files.load(path)


# --- modules -------------------------------------------------------------------------------------


def test_the_rebuilt_module_computes_the_same(make_toy: Callable, tmp_path: Path) -> None:
    module, network = make_toy()
    network_files.save(network, tmp_path / "network.safetensors")
    rebuilt = modules.to_module(network_files.load(tmp_path / "network.safetensors"))
    assert not rebuilt.training
    with torch.inference_mode():
        torch.testing.assert_close(rebuilt(IMAGES), module(IMAGES))


def test_the_rebuilt_googlenet_computes_the_same() -> None:
    description = Description(
        "torchvision:googlenet", 10, 32, (0.5,) * 3, (0.5,) * 3, options={"init_weights": False}
    )
    module, description = create_described(description, seed=0)
    rebuilt = modules.to_module(modules.to_network(module, description))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = module.eval()(images)
        assert expected.std() > 0
        torch.testing.assert_close(rebuilt(images), expected)


def test_a_rebuilt_module_can_be_trained_without_changing_the_network(make_toy: Callable) -> None:
    _, network = make_toy()
    before = {name: tensor.copy() for name, tensor in network.tensors.items()}
    module = modules.to_module(network)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module.train()(IMAGES).square().sum().backward()
    optimizer.step()
    after = modules.to_network(module, network.description)
    assert (after.tensors["stem.conv.weight"] != before["stem.conv.weight"]).any()
    assert after.tensors["stem.bn.num_batches_tracked"] == 1
    assert_same_bits(network.tensors, before)


def test_to_network_copies(make_toy: Callable) -> None:
    module, network = make_toy()
    before = {name: tensor.copy() for name, tensor in network.tensors.items()}
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.add_(1)
    assert_same_bits(network.tensors, before)


def test_modules_are_channels_last(googlenet_network: Network) -> None:
    module = modules.to_module(googlenet_network)
    weights = [child.weight for child in module.modules() if isinstance(child, torch.nn.Conv2d)]
    assert len(weights) > 50
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def test_to_network_reads_channels_last_modules(make_toy: Callable) -> None:
    module, network = make_toy()
    again = modules.to_network(
        module.to(memory_format=torch.channels_last), network.description, {"fc.bias": np.ones(7)}
    )
    assert_same_bits(again.tensors, network.tensors)
    assert again.masks.keys() == {"fc.bias"}


def test_tensors_of_another_architecture_are_refused(make_toy: Callable) -> None:
    _, network = make_toy(classes=7)
    other = replace(network, description=replace(network.description, classes=6))
    with pytest.raises(InputError, match=r"toy with 6 classes\. 2 differ, the first is fc\.bias"):
        modules.to_module(other)
    lacking = {name: array for name, array in network.tensors.items() if name != "stem.bn.bias"}
    with pytest.raises(InputError, match=r"stem\.bn\.bias: shape missing in the file, \(6,\) exp"):
        modules.to_module(replace(network, tensors=lacking))
    with pytest.raises(InputError, match=r"extra: shape \(2,\) in the file, none expected"):
        modules.to_module(replace(network, tensors={**network.tensors, "extra": np.ones(2)}))


def test_unknown_architectures_are_refused(make_toy: Callable) -> None:
    _, network = make_toy()
    unknown = replace(network, description=replace(network.description, architecture="resnet"))
    with pytest.raises(
        InputError,
        match="architectures: 'resnet' is not known; known: file, timm, torchvision, toy",
    ):
        modules.to_module(unknown)


def test_create_is_seeded() -> None:
    description = Description(
        "torchvision:googlenet", 3, 32, (0.5,) * 3, (0.5,) * 3, options={"init_weights": False}
    )
    first, second, other = (
        modules.to_network(*create_described(description, seed)).tensors for seed in (1, 1, 2)
    )
    assert_same_bits(first, second)
    assert (first["fc.weight"] != other["fc.weight"]).any()


# --- layers and units ----------------------------------------------------------------------------


def test_layers_of_the_toy_by_hand(make_toy: Callable) -> None:
    _, network = make_toy(classes=7)
    stem, one, two = "stem", "mixed.branch1", "mixed.branch2"
    assert network.description.layers == (
        Layer(f"{stem}.conv", "conv2d", (6, 3, 3, 3), (4, 4), f"{stem}.bn", block=stem),
        Layer(f"{one}.conv", "conv2d", (4, 6, 1, 1), (4, 4), f"{one}.bn", block="mixed"),
        Layer(f"{two}.0.conv", "conv2d", (3, 6, 1, 1), (4, 4), f"{two}.0.bn", block="mixed"),
        Layer(f"{two}.1.conv", "conv2d", (5, 3, 3, 3), (4, 4), f"{two}.1.bn", block="mixed"),
        Layer("fc", "linear", (7, 9), (1, 1), block="fc"),
    )


def test_every_convolution_of_googlenet_has_its_batch_norm(googlenet_network: Network) -> None:
    for layer in googlenet_network.description.layers:
        if layer.kind == "conv2d":
            assert layer.batch_norm == layer.name.removesuffix("conv") + "bn"
            assert googlenet_network.tensors[f"{layer.batch_norm}.weight"].size == layer.units
        else:
            assert layer.batch_norm is None
