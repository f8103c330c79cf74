"""Which file `model.checkpoint` names."""

import hashlib

from prunescope.networks.imported import known_weights

SHA256 = hashlib.sha256(b"weights").hexdigest()


def weights_of(checkpoint: str | dict) -> known_weights.Checkpoint | None:
    return known_weights.from_config(
        {"architecture": "torchvision:googlenet", "checkpoint": checkpoint}
    )


def test_torchvisions_checkpoint() -> None:
    checkpoint = weights_of({"torchvision": "IMAGENET1K_V1"})
    assert checkpoint is not None
    assert checkpoint.file == "googlenet-1378be20.pth"
    assert checkpoint.checksum == {"sha256_prefix": "1378be20"}
    assert checkpoint.transform_input is True


def test_weights_are_those_of_the_chosen_architecture() -> None:
    assert list(known_weights.of_torchvision("torchvision:resnet50")) == [
        "IMAGENET1K_V1",
        "IMAGENET1K_V2",
    ]
    assert known_weights.of_torchvision("timm:resnet50") == {}
    assert known_weights.of_torchvision("file:nets.py:resnet50") == {}


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
