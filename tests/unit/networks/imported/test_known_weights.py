"""Which file `model.checkpoint` names."""

import hashlib
from pathlib import Path

import pytest
import timm
from servers import serving
from torch import nn
from torchvision import models
from torchvision.models import GoogLeNet_Weights, googlenet

from prunescope.foundation.errors import InputError
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.networks.imported import known_weights
from prunescope.networks.imported.known_weights import Seen

SHA256 = hashlib.sha256(b"weights").hexdigest()


def weights_of(checkpoint: str | dict) -> known_weights.Checkpoint | None:
    return known_weights.from_config(
        {"architecture": "torchvision:googlenet", "checkpoint": checkpoint}
    )


@pytest.mark.parametrize("name", [entry.name for entry in GoogLeNet_Weights])
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
    checkpoint = weights_of({"torchvision": "IMAGENET1K_V1"})
    assert checkpoint is not None
    (size,) = transforms.crop_size
    assert checkpoint.seen == Seen(tuple(transforms.mean), tuple(transforms.std), size)


def test_torchvisions_checkpoint() -> None:
    checkpoint = weights_of({"torchvision": "IMAGENET1K_V1"})
    assert checkpoint is not None
    assert checkpoint.file == "googlenet-1378be20.pth"
    assert checkpoint.checksum == {"sha256_prefix": "1378be20"}
    assert checkpoint.transform_input is True


def test_weights_are_those_of_the_chosen_architecture() -> None:
    assert list(known_weights.published("torchvision", "torchvision:resnet50")) == [
        "IMAGENET1K_V1",
        "IMAGENET1K_V2",
    ]


def test_a_checkpoint_from_an_address() -> None:
    given = {"url": "https://example.org/a/net.safetensors?download=1", "sha256": SHA256}
    checkpoint = weights_of(given)
    assert checkpoint is not None
    assert checkpoint.file == "net.safetensors"
    assert checkpoint.checksum == {"sha256": SHA256}
    assert checkpoint.path == "downloads/net.safetensors"
    assert checkpoint.transform_input is None
    transformed = weights_of({**given, "transform_input": True})
    assert transformed is not None
    assert transformed.transform_input is True


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "vit_b_16", "inception_v3"])
def test_weights_of_other_architectures_of_torchvision(name: str) -> None:
    for entry in models.get_model_weights(name):
        found = known_weights.named(f"torchvision:{name}", {"torchvision": entry.name})
        seen = entry.transforms()
        assert found.url == entry.url
        assert found.checksum["sha256_prefix"] in entry.url
        assert found.seen == Seen(tuple(seen.mean), tuple(seen.std), seen.crop_size[0])


@pytest.mark.parametrize(
    ("name", "tag"), [("resnet18", "a1_in1k"), ("tf_efficientnet_lite0", "in1k")]
)
def test_weights_of_timm(name: str, tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = timm.get_pretrained_cfg(f"{name}.{tag}")
    found = known_weights.named(f"timm:{name}", {"timm": tag})
    hub = f"{config.hf_hub_id}/resolve/main/model.safetensors"
    assert found.url == f"https://huggingface.co/{hub}"
    assert found.path == f"downloads/timm-{name}.{tag}.safetensors"
    assert found.checksum == {}
    assert found.seen == Seen(config.mean, config.std, config.input_size[-1])
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.org/")
    assert known_weights.named(f"timm:{name}", {"timm": tag}).url == (
        f"https://mirror.example.org/{hub}"
    )


def test_weights_that_are_not_of_the_architecture() -> None:
    assert "IMAGENET1K_V2" in known_weights.published("torchvision", "torchvision:resnet50")
    for library, architecture in (
        ("torchvision", "timm:resnet50"),
        ("timm", "torchvision:resnet50"),
        ("timm", "torchvision:googlenet"),
        ("torchvision", "file:a.py:b"),
        ("torchvision", "torchvision:no_such"),
    ):
        assert known_weights.published(library, architecture) == {}


def test_weights_of_timm_are_trusted_on_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    lock = Lock(Path("config/mine.lock"))
    with serving(b"weights") as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        found = known_weights.named("timm:resnet18", {"timm": "a1_in1k"})
        known_weights.fetch(found, lock, "model.checkpoint")
        assert lock.sha256(found.path) == SHA256
        known_weights.verify(found, lock)
        Path(found.path).unlink()
        server.body = b"others"
        with pytest.raises(InputError, match=r"wrong checksum.*model\.checkpoint"):
            known_weights.fetch(found, lock, "model.checkpoint")
    Path(found.path).write_bytes(b"others")
    with pytest.raises(InputError, match=f"at its first use it was {SHA256}"):
        known_weights.verify(found, lock)


def test_a_file_of_the_users_own_has_no_checksum(tmp_path: Path) -> None:
    found = known_weights.named("torchvision:googlenet", {"file": "weights/my net.pth"})
    assert (found.path, found.url, found.seen) == ("weights/my net.pth", None, None)
    known_weights.verify(found, Lock(tmp_path / "no.lock"))
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_trained_here() -> None:
    assert weights_of("train") is None
