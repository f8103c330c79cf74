"""Weights of others become our network: the same tensors, the same logits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import GoogLeNet_Weights, googlenet

from prunescope.foundation.errors import InputError
from prunescope.networks import network_files
from prunescope.networks.description import Description, Network
from prunescope.networks.imported import state_dicts, tensor_files
from prunescope.networks.modules import to_module

CLASSES = 5
BLANK = Description(
    "torchvision:googlenet",
    CLASSES,
    64,
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
    options={"init_weights": False},
)
WITH_HEADS = replace(BLANK, auxiliary_heads=True)
IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))

State = dict[str, torch.Tensor]


def random_state(classes: int, aux_logits: bool) -> State:
    """A GoogLeNet's tensors with nothing trivial about its batch norms."""
    torch.manual_seed(1)
    module = googlenet(weights=None, num_classes=classes, aux_logits=aux_logits, init_weights=False)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("bn.weight"):
            tensor.uniform_(2, 3)  # so that images still differ after all layers
        elif name.endswith(("running_mean", "bn.bias")):
            tensor.normal_(std=0.1)
        elif name.endswith("num_batches_tracked"):
            tensor.fill_(7)
    return dict(module.state_dict())


@pytest.fixture(scope="module")
def state() -> State:
    """With auxiliary heads, as torchvision's file has them."""
    return random_state(CLASSES, aux_logits=True)


def without_heads(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("aux")}


def adopt(path: Path, blank: Description, seed: int) -> Network:
    return state_dicts.adopt(path, blank, seed).network


def save(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def assert_holds(network: Network, state: State) -> None:
    assert network.tensors.keys() == state.keys()
    for name, tensor in state.items():
        assert network.tensors[name].dtype == tensor.numpy().dtype
        assert np.array_equal(network.tensors[name], tensor.numpy()), name


def logits(module: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return module.to(memory_format=torch.channels_last).eval()(IMAGES)


# --- the same network ------------------------------------------------------------------------


def test_the_logits_are_those_of_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the file and back, and against the way in which everyone loads these weights."""
    state = random_state(1000, aux_logits=True)
    monkeypatch.setattr(GoogLeNet_Weights, "get_state_dict", lambda *_, **__: state)
    theirs = logits(googlenet(weights=GoogLeNet_Weights.IMAGENET1K_V1))
    path = save(state, tmp_path / "googlenet.pth")
    blank = replace(BLANK, classes=1000, transform_input=True)
    network_files.save(adopt(path, blank, seed=0), tmp_path / "network.safetensors")
    network = network_files.load(tmp_path / "network.safetensors")
    assert network.description.transform_input
    assert torch.equal(logits(to_module(network)), theirs)
    plain = replace(network, description=replace(network.description, transform_input=False))
    assert not torch.allclose(logits(to_module(plain)), theirs, atol=0.01)


def test_without_transform_input_the_logits_are_the_plain_ones(
    state: State, tmp_path: Path
) -> None:
    module = googlenet(weights=None, num_classes=CLASSES, aux_logits=True, init_weights=False)
    module.load_state_dict(state)
    network = adopt(save(state, tmp_path / "net.pth"), BLANK, seed=0)
    assert not network.description.transform_input
    assert torch.equal(logits(to_module(network)), logits(module))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older format"])
def test_the_tensors_are_those_of_the_file(state: State, tmp_path: Path, zipped: bool) -> None:
    """torchvision's file has the format that torch wrote before version 1.6."""
    torch.save(state, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    network = adopt(tmp_path / "net.pth", BLANK, seed=0)
    assert_holds(network, without_heads(state))
    assert network.description.classes == CLASSES
    assert network.masks == {}


def test_a_file_of_safetensors(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "net.safetensors")
    network = adopt(tmp_path / "net.safetensors", BLANK, seed=0)
    assert_holds(network, without_heads(state))


def test_half_precision_is_widened(state: State, tmp_path: Path) -> None:
    halves = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    network = adopt(save(halves, tmp_path / "net.pth"), BLANK, seed=0)
    assert network.tensors["fc.weight"].dtype == np.float32
    assert np.array_equal(network.tensors["fc.weight"], halves["fc.weight"].float().numpy())


def test_counters_of_batches_may_be_missing(state: State, tmp_path: Path) -> None:
    old = {n: tensor for n, tensor in state.items() if not n.endswith("num_batches_tracked")}
    network = adopt(save(old, tmp_path / "net.pth"), BLANK, seed=0)
    assert network.tensors["conv1.bn.num_batches_tracked"] == 0
    assert network.tensors.keys() == without_heads(state).keys()


# --- auxiliary heads -------------------------------------------------------------------------


def test_heads_are_kept_if_wanted(state: State, tmp_path: Path) -> None:
    network = adopt(save(state, tmp_path / "net.pth"), WITH_HEADS, seed=0)
    assert_holds(network, state)
    assert network.description.auxiliary_heads


def test_heads_change_no_logits(state: State, tmp_path: Path) -> None:
    path = save(state, tmp_path / "net.pth")
    modules = [to_module(adopt(path, b, 0)) for b in (BLANK, WITH_HEADS)]
    assert torch.equal(*map(logits, modules))
    outputs = modules[1].train()(IMAGES)
    assert [tuple(head.shape) for head in outputs] == [(3, CLASSES)] * 3
    assert modules[0].train()(IMAGES).shape == (3, CLASSES)


def test_fresh_heads_are_seeded(state: State, tmp_path: Path) -> None:
    path = save(without_heads(state), tmp_path / "net.pth")
    first, second, other = (adopt(path, WITH_HEADS, seed) for seed in (1, 1, 2))
    assert first.tensors.keys() == state.keys()
    for name in without_heads(state):
        assert np.array_equal(first.tensors[name], state[name].numpy())
        assert np.array_equal(first.tensors[name], other.tensors[name])
    assert np.array_equal(first.tensors["aux1.fc1.weight"], second.tensors["aux1.fc1.weight"])
    assert not np.array_equal(first.tensors["aux1.fc1.weight"], other.tensors["aux1.fc1.weight"])
    assert first.tensors["aux1.fc1.weight"].std() > 0


def test_half_a_head_is_refused(state: State, tmp_path: Path) -> None:
    lacking = {name: tensor for name, tensor in state.items() if name != "aux2.fc1.bias"}
    with pytest.raises(InputError, match=r"torchvision:googlenet: 1 missing \(aux2\.fc1\.bias\)\."):
        adopt(save(lacking, tmp_path / "net.pth"), WITH_HEADS, seed=0)


# --- what cannot be used ---------------------------------------------------------------------


def test_another_number_of_classes(state: State, tmp_path: Path) -> None:
    path = save(state, tmp_path / "net.pth")
    with pytest.raises(InputError) as refused:
        adopt(path, replace(BLANK, classes=10), seed=0)
    message = str(refused.value)
    assert message.startswith(f"{path}: made for 5 classes")
    assert "have 10" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("conv2.conv.weight"), "1 missing (conv2.conv.weight)"),
        (lambda state: state.update(extra=torch.ones(2)), "1 too many ('extra')"),
        (lambda state: state.update({"conv2.conv.weight": torch.ones(64, 64, 3, 3)}),
         "1 of another shape (conv2.conv.weight: (64, 64, 3, 3) instead of (64, 64, 1, 1))"),
        (lambda state: state.pop("fc.weight"), "1 missing (fc.weight)"),
        (lambda state: state.update({"fc.weight": torch.tensor(1.0)}), "(fc.weight: () instead"),
    ],
    ids=["missing", "more", "shape", "no classifier", "scalar"],
)  # fmt: skip
def test_other_tensors(
    state: State, tmp_path: Path, change: Callable[[State], object], said: str
) -> None:
    changed = dict(state)
    change(changed)
    path = save(changed, tmp_path / "net.pth")
    with pytest.raises(InputError) as refused:
        adopt(path, BLANK, seed=0)
    assert str(refused.value).startswith(
        f"{path}: its tensors are not those of a torchvision:googlenet: "
    )
    assert said in str(refused.value)


class Payload:
    """A pickle that would run code when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize(
    "content",
    [{}, {"epoch": 3}, [torch.ones(2)], {"net": {"fc.weight": torch.ones(2)}}],
    ids=["empty", "numbers", "list", "nested"],
)
def test_what_is_no_state_dict(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="cannot be read as a state dict"):
        tensor_files.read_state(save(content, tmp_path / "net.pth"))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = save({"fc.weight": Payload(mark)}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net\.pth: cannot be read as a state dict"):
        tensor_files.read_state(path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"<html></html>", bytes(100)], ids=range(4)
)
def test_what_is_no_file_of_tensors(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: cannot be read as a state dict"):
        tensor_files.read_state(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older format"])
@pytest.mark.parametrize("kept", [0.1, 0.9, 0.999])
def test_a_truncated_file(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(100_000)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError, match="cannot be read as a state dict"):
        tensor_files.read_state(path)
