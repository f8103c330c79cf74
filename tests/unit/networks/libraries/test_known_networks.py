"""The tables of networks, against the libraries themselves."""

import re
from pathlib import Path

import pytest
import timm
import torch
from files import load_module
from torchvision import models

from prunescope.networks.libraries import known_networks

RESOURCES = Path(__file__).resolve().parents[4] / "resources"
tables = load_module(RESOURCES / "make_network_tables.py")


@pytest.mark.parametrize("name", [name for name in tables.TABLES if name.startswith("timm")])
def test_the_tables_of_timm_are_those_of_the_installed_version(name: str) -> None:
    text = (RESOURCES / f"{name}.csv").read_text(encoding="utf-8")
    assert tables.render(name) == text, "run `make network-tables`"


def test_all_classifiers_of_torchvision_are_in_the_table() -> None:
    known = known_networks.torchvision_networks()
    assert list(known) == models.list_models(module=models)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "inception_v3", "mobilenet_v3_small"])
def test_the_numbers_are_those_of_the_modules(name: str) -> None:
    """Counted here in another way than where the table is made: on real parameters."""
    network = known_networks.torchvision_networks()[name]
    heads = {"init_weights": False} if network.auxiliary else {}
    module = models.get_model(name, weights=None, **heads)
    if name in ("googlenet", "inception_v3"):
        assert network.auxiliary_parameters > 0
    else:
        assert (network.auxiliary, network.auxiliary_parameters) == ((), 0)
    sizes = {key: tensor.numel() for key, tensor in module.named_parameters()}
    main = sum(size for key, size in sizes.items() if not key.lower().startswith("aux"))
    assert (network.parameters, network.auxiliary_parameters) == (main, sum(sizes.values()) - main)
    layers = [
        child
        for key, child in module.named_modules()
        if hasattr(child, "weight") and child.weight.ndim > 1 and not key.lower().startswith("aux")
    ]
    assert network.units == sum(len(child.weight) for child in layers)


def test_the_weights_of_torchvision_are_those_of_its_registry() -> None:
    known = known_networks.torchvision_weights()
    assert known.keys() == set(models.list_models(module=models))
    for network, by_name in known.items():
        entries = {entry.name: entry for entry in models.get_model_weights(network)}
        assert by_name.keys() == entries.keys()
        for name, weights in by_name.items():
            seen = entries[name].transforms()
            assert weights.url == entries[name].url
            (prefix,) = re.findall(r"-([0-9a-f]{8,64})\.pth$", weights.url)
            assert weights.sha256_prefix == prefix
            assert (list(weights.mean), list(weights.std)) == (list(seen.mean), list(seen.std))
            assert [weights.crop_size] == list(seen.crop_size)
            assert [weights.resize_size] == list(seen.resize_size)
            assert weights.interpolation == seen.interpolation.value


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "resnet18", "vgg11"])
def test_transform_input_is_what_torchvision_sets_with_weights(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = models.get_model_weights(name)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    state = models.get_model(name, weights=None, **options).state_dict()
    monkeypatch.setattr(registered, "get_state_dict", lambda *_, **__: state)
    module = models.get_model(name, weights=registered.DEFAULT)
    weights = known_networks.torchvision_weights()[name][registered.DEFAULT.name]
    assert getattr(module, "transform_input", False) == weights.transform_input


def test_the_weights_of_timm_are_those_that_it_would_load() -> None:
    known = known_networks.timm_weights()
    assert known.keys() <= set(timm.list_models())
    weights = known["resnet50"]["a1_in1k"]
    config = timm.get_pretrained_cfg("resnet50.a1_in1k")
    assert weights.hub == config.hf_hub_id == "timm/resnet50.a1_in1k"
    assert (weights.mean, weights.std) == (tuple(config.mean), tuple(config.std))
    assert (weights.classes, weights.crop_size) == (1000, 224)


def test_the_sizes_are_those_of_the_paper() -> None:
    googlenet = known_networks.torchvision_networks()["googlenet"]
    assert googlenet.units == 8_280
    assert googlenet.parameters == 6_624_904
    assert googlenet.parameters + googlenet.auxiliary_parameters == 13_004_888
    assert googlenet.auxiliary == ("aux1.", "aux2.")
    torch.testing.assert_close(googlenet.gmacs, 1.498)
