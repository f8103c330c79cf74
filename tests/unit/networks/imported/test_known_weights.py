"""The table of torchvision's weights, against torchvision itself."""

import hashlib

import pytest
from torch import nn
from torchvision.models import GoogLeNet_Weights, googlenet

from prunescope.networks.architectures.googlenet import INPUT_MEAN, INPUT_STD, WEIGHTS
from prunescope.networks.imported import known_weights

SHA256 = hashlib.sha256(b"weights").hexdigest()


def weights_of(checkpoint: str | dict) -> known_weights.Checkpoint | None:
    return known_weights.from_config({"architecture": "googlenet", "checkpoint": checkpoint})


def test_the_table_has_all_of_torchvisions_weights() -> None:
    known = {name: url for name, (url, _) in WEIGHTS.items()}
    assert known == {entry.name: entry.url for entry in GoogLeNet_Weights}


@pytest.mark.parametrize("name", WEIGHTS)
def test_transform_input_is_what_torchvision_sets(
    name: str, googlenet_module: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = googlenet_module.state_dict()
    monkeypatch.setattr(GoogLeNet_Weights, "get_state_dict", lambda *_, **__: state)
    module = googlenet(weights=GoogLeNet_Weights[name])
    checkpoint = weights_of({"torchvision": name})
    assert checkpoint is not None
    assert module.transform_input == checkpoint.transform_input


def test_the_normalisation_is_that_of_torchvisions_weights() -> None:
    transforms = GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    assert tuple(transforms.mean) == INPUT_MEAN
    assert tuple(transforms.std) == INPUT_STD


def test_torchvisions_checkpoint() -> None:
    checkpoint = weights_of({"torchvision": "IMAGENET1K_V1"})
    assert checkpoint is not None
    assert checkpoint.file == "googlenet-1378be20.pth"
    assert checkpoint.checksum == {"sha256_prefix": "1378be20"}


def test_a_checkpoint_from_an_address() -> None:
    given = {"url": "https://example.org/a/net.safetensors?download=1", "sha256": SHA256}
    checkpoint = weights_of(given)
    assert checkpoint is not None
    assert checkpoint.file == "net.safetensors"
    assert checkpoint.checksum == {"sha256": SHA256}
    assert checkpoint.transform_input is False
    transformed = weights_of({**given, "transform_input": True})
    assert transformed is not None
    assert transformed.transform_input is True


def test_a_network_that_is_trained_here() -> None:
    assert weights_of("train") is None
