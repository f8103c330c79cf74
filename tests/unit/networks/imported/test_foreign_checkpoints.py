"""What is no plain state dict is refused, with the reason and the way to a file that is taken."""

import argparse
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture
from prunescope.networks.description import Description, Network
from prunescope.networks.imported import state_dicts

State = dict[str, torch.Tensor]
CONV, VARIANCE, COUNTER = "stem.conv.weight", "stem.bn.running_var", "stem.bn.num_batches_tracked"
CLASSES = 7

pytestmark = pytest.mark.filterwarnings(
    "ignore:(?s).*(quant|sparse|nested|TypedStorage|jit|pickle protocol)"
)


@pytest.fixture
def toy(make_toy: Callable[..., tuple[nn.Module, Network]], monkeypatch) -> nn.Module:
    """A small module; its architecture may have auxiliary heads in files."""
    module, _ = make_toy(CLASSES)
    source, _ = architecture.load("toy")
    monkeypatch.setattr(source, "auxiliary", lambda _name: ("aux.",))
    return module


@pytest.fixture
def state(toy: nn.Module) -> State:
    return dict(toy.state_dict())


def save(content: object, path: Path, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


def adopted(path: Path) -> state_dicts.Adopted:
    return state_dicts.adopt(path, Description("toy", CLASSES, 8, (0.5,) * 3, (0.5,) * 3), seed=0)


def adopt(path: Path) -> Network:
    return adopted(path).network


def refusal(content: object, folder: Path) -> str:
    """The message for a file of this content: one line that names the file and what to do."""
    path = save(content, folder / "net.pth")
    with pytest.raises(InputError) as refused:
        adopt(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "model.checkpoint" in message
    assert "weights_only" not in message
    return message


def changed(state: State, name: str, place: tuple[int, ...], value: float) -> State:
    tensor = state[name].clone()
    tensor[place] = value
    return {**state, name: tensor}


def assert_holds(network: Network, state: State) -> None:
    assert network.tensors.keys() == state.keys()
    for name, tensor in state.items():
        assert np.array_equal(network.tensors[name], tensor.numpy()), name


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("name", "place"),
    [(CONV, (5, 2, 0, 1)), ("stem.bn.running_mean", (3,)), (VARIANCE, (0,)), ("fc.bias", (6,))],
)
def test_numbers_that_are_not_finite(
    state: State, tmp_path: Path, name: str, place: tuple[int, ...], value: float
) -> None:
    message = refusal(changed(state, name, place, value), tmp_path)
    number = state[name].numel()
    assert f"{name!r} holds {value} at {list(place)} (1 of {number} values)" in message
    assert "only finite numbers are allowed" in message
    assert "diverged" in message


def test_all_tensors_that_are_not_finite_are_counted(state: State, tmp_path: Path) -> None:
    spoiled = {
        name: tensor * torch.nan if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    number = sum(tensor.is_floating_point() for tensor in state.values())
    assert f"({number} tensors cannot be used)" in refusal(spoiled, tmp_path)


@pytest.mark.parametrize("cast", [torch.float16, torch.bfloat16, torch.float64])
def test_infinity_in_other_types(state: State, tmp_path: Path, cast: torch.dtype) -> None:
    spoiled = changed(state, CONV, (0, 0, 0, 0), 1.0)
    spoiled[CONV] = (spoiled[CONV] * 1e30 * 1e30).to(cast)
    assert "only finite numbers are allowed" in refusal(spoiled, tmp_path)


@pytest.mark.parametrize("value", [-1.0, -(2.0**-40)])
@pytest.mark.parametrize("name", [VARIANCE, "mixed.branch2.1.bn.running_var"])
def test_negative_variances(state: State, tmp_path: Path, name: str, value: float) -> None:
    message = refusal(changed(state, name, (2,), value), tmp_path)
    assert f"{name!r} is a variance, but holds {value} at [2]" in message
    assert "0 or more is allowed" in message


def test_a_variance_of_zero_is_one(state: State, tmp_path: Path) -> None:
    zero = changed(changed(state, VARIANCE, (2,), 0.0), VARIANCE, (3,), -0.0)
    assert_holds(adopt(save(zero, tmp_path / "net.pth")), zero)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "bool", "complex64",
                                  "float8_e4m3fn", "float8_e5m2", "uint16"])  # fmt: skip
@pytest.mark.parametrize("name", [CONV, VARIANCE, "fc.bias"])
def test_codes_instead_of_weights(state: State, tmp_path: Path, name: str, kind: str) -> None:
    codes = torch.ones_like(state[name]).to(getattr(torch, kind))
    message = refusal({**state, name: codes}, tmp_path)
    assert f"{name!r} is {kind}; allowed are float32, float16, bfloat16, float64" in message


@pytest.mark.parametrize("kind", ["bool", "complex64"])
def test_counters_that_count_nothing(state: State, tmp_path: Path, kind: str) -> None:
    odd = torch.tensor(1).to(getattr(torch, kind))
    assert f"{COUNTER!r} is {kind}" in refusal({**state, COUNTER: odd}, tmp_path)


@pytest.mark.parametrize("value", [1.5, np.inf, np.nan])
def test_counters_that_are_no_whole_numbers(state: State, tmp_path: Path, value: float) -> None:
    message = refusal({**state, COUNTER: torch.tensor(value)}, tmp_path)
    assert f"{COUNTER!r} " in message
    assert f"{value} at []" in message


@pytest.mark.parametrize("cast", [torch.float16, torch.bfloat16, torch.float64])
def test_types_that_become_float32_exactly(state: State, tmp_path: Path, cast: torch.dtype) -> None:
    """All tensors, also the counters of batches."""
    other = {name: tensor.to(cast) for name, tensor in state.items()}
    network = adopt(save(other, tmp_path / "net.pth"))
    for name, tensor in other.items():
        assert network.tensors[name].dtype == state[name].numpy().dtype
        assert np.array_equal(network.tensors[name], tensor.double().numpy()), name


@pytest.mark.parametrize("value", [0.1, 1e300, 1e-60])
def test_values_that_float32_cannot_hold(state: State, tmp_path: Path, value: float) -> None:
    wide = changed({**state, "fc.bias": state["fc.bias"].double()}, "fc.bias", (1,), value)
    message = refusal(wide, tmp_path)
    assert f"'fc.bias' is float64 and holds {value} at [1]" in message
    assert "float32 cannot hold exactly" in message
    assert "tensor.to(torch.float32)" in message


# --- how tensors are stored ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (lambda t: t.to_sparse(), "is sparse (sparse_coo)"),
        (lambda t: t.flatten(1).to_sparse_csr(), "is sparse (sparse_csr)"),
        (lambda t: t.to("meta"), "has no values: it was saved on the device `meta`"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "is quantised (qint8)"),
        (lambda t: torch.quantize_per_channel(t, torch.ones(6), torch.zeros(6), 0, torch.quint8),
         "is quantised (quint8)"),
        (lambda t: torch.nested.nested_tensor([t, t[:2]]), "is nested"),
    ],
    ids=["coo", "csr", "meta", "quantised", "quantised by channel", "nested"],
)  # fmt: skip
def test_tensors_that_are_not_stored_plainly(
    state: State, tmp_path: Path, store: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    assert f"{CONV!r} {said}" in refusal({**state, CONV: store(state[CONV])}, tmp_path)


def test_a_classifier_that_is_not_stored_plainly(state: State, tmp_path: Path) -> None:
    nested = torch.nested.nested_tensor([torch.ones(3), torch.ones(2)])
    assert "'fc.weight' is nested" in refusal({**state, "fc.weight": nested}, tmp_path)


def test_spoiled_heads_that_are_dropped_do_no_harm(state: State, tmp_path: Path) -> None:
    heads = {
        "aux.weight": torch.full((3, 3), torch.nan),
        "aux.bias": torch.ones(3, device="meta"),
    }
    assert_holds(adopt(save(state | heads, tmp_path / "net.pth")), state)


# --- names -----------------------------------------------------------------------------------


def renamed(state: State, change: Callable[[str], str]) -> State:
    return {change(name): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("prefixes", "tools"),
    [
        (("module.",), ["torch.nn.DataParallel"]),
        (("_orig_mod.",), ["torch.compile"]),
        (("model.",), ["a module around"]),
        (("module.", "_orig_mod."), ["torch.nn.DataParallel", "torch.compile"]),
        (
            ("_orig_mod.", "module.", "model."),
            ["torch.compile", "torch.nn.DataParallel", "a module around"],
        ),
    ],
    ids=["parallel", "compiled", "model", "both", "three"],
)
def test_prefixes_of_all_names_are_taken_off(
    state: State, tmp_path: Path, prefixes: tuple[str, ...], tools: list[str]
) -> None:
    found = adopted(
        save(renamed(state, lambda name: "".join(prefixes) + name), tmp_path / "net.pth")
    )
    assert_holds(found.network, state)
    (said,) = found.done
    assert said.startswith("taken off all names: ")
    places = [said.index(f"`{prefix}` ({tool}") for prefix, tool in zip(prefixes, tools)]  # noqa: B905
    assert places == sorted(places)


def test_a_prefix_that_the_architecture_has_itself_stays(
    state: State, make_toy: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A module of the user's own may hold its layers in `self.model`."""
    source, _ = architecture.load("toy")
    build = source.build

    class Around(nn.Module):
        def __init__(self, *given: object) -> None:
            super().__init__()
            self.model = build(*given)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.model(images)

    monkeypatch.setattr(source, "build", Around)
    own = renamed(state, lambda name: f"model.{name}")
    found = adopted(save(renamed(own, lambda name: f"module.{name}"), tmp_path / "net.pth"))
    assert_holds(found.network, own)
    assert found.done == (
        "taken off all names: `module.` (torch.nn.DataParallel or DistributedDataParallel)",
    )
    assert adopted(save(own, tmp_path / "own.pth")).done == ()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda name: f"ema.net.{name}", "'net' (a wrapper adds it)"),
        (lambda name: name.replace("mixed.", "mixed._orig_mod."), "'_orig_mod' (torch.compile"),
        (lambda name: name if name == "fc.bias" else f"module.{name}", "'module' (torch.nn.Data"),
    ],
    ids=["other", "a part is compiled", "not all names"],
)
def test_names_with_other_parts_of_a_wrapper(
    state: State, tmp_path: Path, change: Callable[[str], str], part: str
) -> None:
    """What the message says to do leads to a file that is taken."""
    message = refusal(renamed(state, change), tmp_path)
    assert part in message
    first = next(name for name in state if change(name) != name)
    assert f"such as {change(first)!r} instead of {first!r}" in message
    assert adopt_as_told(message, tmp_path, state)


def adopt_as_told(message: str, folder: Path, state: State) -> bool:
    command = re.search(r"`(torch\.save\(.*?\))`", message)
    assert command is not None
    told = command[1].replace("old.pth", f"{folder}/net.pth").replace("new.pth", f"{folder}/n.pth")
    eval(told, {"torch": torch})
    assert_holds(adopt(folder / "n.pth"), state)
    return True


def test_real_wrappers(toy: nn.Module, state: State, tmp_path: Path) -> None:
    for wrapped in (nn.DataParallel(toy), torch.compile(toy)):
        assert_holds(adopt(save(wrapped.state_dict(), tmp_path / "net.pth")), state)


def test_averaged_weights_of_torch(toy: nn.Module, state: State, tmp_path: Path) -> None:
    """Its counter has no prefix, so not all names have."""
    message = refusal(torch.optim.swa_utils.AveragedModel(toy).state_dict(), tmp_path)
    assert "such as 'module.stem.conv.weight' instead of 'stem.conv.weight'" in message


@pytest.mark.parametrize(
    "wrap", [lambda module: module, nn.DataParallel], ids=["plain", "parallel"]
)
def test_pruned_layers(toy: nn.Module, tmp_path: Path, wrap: Callable) -> None:
    """The same as after torch's own `remove`; the masks are torch's."""
    prune.l1_unstructured(toy.stem.conv, "weight", amount=0.5)
    prune.ln_structured(toy.mixed.branch1.conv, "weight", amount=2, n=1, dim=0)
    prune.random_unstructured(toy.fc, "bias", amount=2)
    layers = {"stem.conv": "weight", "mixed.branch1.conv": "weight", "fc": "bias"}
    expected = {
        f"{layer}.{name}": getattr(toy.get_submodule(layer), f"{name}_mask").numpy() == 1
        for layer, name in layers.items()
    }
    found = adopted(save(wrap(toy).state_dict(), tmp_path / "net.pth"))
    assert "3 weights put together from `*_orig` and `*_mask`" in found.done[-1]
    assert found.masks.keys() == expected.keys()
    for name, mask in expected.items():
        assert mask.any()
        assert not mask.all()
        assert np.array_equal(found.masks[name], mask)
        assert not found.network.tensors[name][~mask].any()
    assert found.network.masks == {}
    for layer, name in layers.items():
        prune.remove(toy.get_submodule(layer), name)
    assert_holds(found.network, dict(toy.state_dict()))
    assert_holds(adopt(save(toy.state_dict(), tmp_path / "net.pth")), dict(toy.state_dict()))


def test_what_a_mask_takes_away_may_be_broken(toy: nn.Module, tmp_path: Path) -> None:
    prune.l1_unstructured(toy.fc, "weight", amount=0.5)
    pruned = (toy.fc.weight_mask == 0).numpy()
    with torch.no_grad():
        toy.fc.weight_orig[toy.fc.weight_mask == 0] = torch.nan
    found = adopted(save(toy.state_dict(), tmp_path / "net.pth"))
    assert np.array_equal(found.network.tensors["fc.weight"] == 0, pruned)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("fc.weight_mask"), "fc.weight_mask is missing"),
        (lambda state: state.pop("fc.weight_orig"), "fc.weight_orig is missing"),
        (lambda state: state["fc.weight_mask"].mul_(0.5), "holds other values than 0 and 1"),
        (lambda state: state.update({"fc.weight_mask": torch.ones(7)}), "has another shape than"),
        (lambda state: state.update({"fc.weight_mask": torch.ones(7, 9).to_sparse()}),
         "is no plain mask"),
    ],
)  # fmt: skip
def test_parts_that_cannot_be_put_together(
    toy: nn.Module, tmp_path: Path, change: Callable, said: str
) -> None:
    prune.l1_unstructured(toy.fc, "weight", amount=0.5)
    state = dict(toy.state_dict())
    change(state)
    message = refusal(state, tmp_path)
    assert "torch.nn.utils.prune has stored 1 weights in parts, and 1 of them cannot" in message
    assert said in message
    assert 'torch.nn.utils.prune.remove(layer, "weight")' in message


def test_parametrized_layers(toy: nn.Module, tmp_path: Path) -> None:
    parametrizations.weight_norm(toy.fc)
    message = refusal(toy.state_dict(), tmp_path)
    assert "torch.nn.utils.parametrize has stored" in message
    assert "remove_parametrizations(layer" in message


def test_the_first_few_of_what_is_missing_and_of_what_is_too_much(
    state: State, tmp_path: Path
) -> None:
    names = list(state)
    other = {name: state[name] for name in names[4:]}
    other |= {f"extra{number}": torch.ones(2) for number in range(5)}
    other["fc.bias"] = torch.ones(2)
    other["fc.weight"] = torch.ones(7, 3)
    message = refusal({**other, "odd\nname": torch.ones(1)}, tmp_path)
    assert f"4 missing ({', '.join(names[:3])}, ...)" in message
    assert "6 too many ('extra0', 'extra1', 'extra2', ...)" in message
    assert "2 of another shape (fc.weight: (7, 3) instead of (7, 9), fc.bias: (2,) " in message


def test_the_nearest_names_are_told(state: State, tmp_path: Path) -> None:
    """Of those that fit nothing either: what is there under its own name is not meant."""
    other = renamed(state, lambda name: name.replace("stem.bn.", "stem.norm."))
    message = refusal(other, tmp_path)
    assert "missing (stem.bn.weight, nearest in the file: 'stem.norm.weight', stem.bn.b" in message
    assert (
        "too many ('stem.norm.weight', nearest expected: 'stem.bn.weight', 'stem.norm." in message
    )
    assert "nearest expected" not in refusal({**state, "stem.conv.bias": torch.ones(6)}, tmp_path)


def test_all_that_does_not_fit_is_one_error(state: State, tmp_path: Path) -> None:
    spoiled = changed(state, CONV, (0, 0, 0, 0), np.nan)
    del spoiled["fc.bias"]
    spoiled |= {"extra": torch.ones(2), "fc.weight": torch.ones(11, 9)}
    message = refusal(spoiled, tmp_path)
    for part in (
        "made for 11 classes, but the train images of the dataset have 7",
        "1 missing (fc.bias)",
        "1 too many ('extra')",
        "1 of another shape (fc.weight: (11, 9) instead of (7, 9))",
        f"{CONV!r} holds nan at [0, 0, 0, 0] (1 of 162 values)",
    ):
        assert part in message


def test_another_shape_is_not_taken_for_other_classes(state: State, tmp_path: Path) -> None:
    message = refusal({**state, CONV: torch.ones(7, 3, 3, 3)}, tmp_path)
    assert "classes" not in message
    both = {**state, CONV: torch.ones(7, 3, 3, 3), "fc.weight": torch.ones(11, 9)}
    assert "classes" not in refusal(both, tmp_path)


def test_what_was_done_is_logged(state: State, tmp_path: Path, caplog: Any) -> None:
    old = {f"module.{n}": t.half() for n, t in state.items() if not n.endswith("tracked")}
    path = save({"state_dict": old}, tmp_path / "net.pth")
    with caplog.at_level("INFO", "prunescope"):
        done = adopted(path).done
    assert done == (
        "taken from ['state_dict'] of the file",
        "taken off all names: `module.` (torch.nn.DataParallel or DistributedDataParallel)",
        "4 counters of batches were missing: 0",
        f"{len(old)} tensors converted from float16 to float32",
    )
    assert caplog.messages == [f"{path}: {what}" for what in done]


def test_an_odd_name_is_escaped(state: State, tmp_path: Path) -> None:
    assert r"'odd\nname'" in refusal({**state, "odd\nname": torch.ones(1)}, tmp_path)


# --- what is no state dict -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("state_dict",), "['state_dict']"),
        (("model",), "['model']"),
        (("model_state_dict",), "['model_state_dict']"),
        (("ema",), "['ema']"),
        (("model", "state_dict"), "['model']['state_dict']"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrapped_state_dicts(
    state: State, tmp_path: Path, keys: tuple[str, ...], place: str, prefix: str
) -> None:
    content: dict = renamed(state, lambda name: prefix + name)
    for key in reversed(keys):
        content = {"epoch": 3, "best_prec1": 91.78, "acc": torch.ones(1), key: content}
    found = adopted(save(content, tmp_path / "net.pth"))
    assert_holds(found.network, state)
    assert found.done[0] == f"taken from {place} of the file"
    assert len(found.done) == 1 + bool(prefix)


def test_averaged_weights_are_taken_only_where_there_are_no_others(
    state: State, tmp_path: Path
) -> None:
    other = {name: tensor + 1 for name, tensor in state.items()}
    path = save({"ema": other, "state_dict": state}, tmp_path / "net.pth")
    found = adopted(path)
    assert_holds(found.network, state)
    assert found.done == ("taken from ['state_dict'] of the file, not from ['ema']",)
    assert_holds(adopt(save({"ema": other}, path)), other)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("net",), "['net']"),
        (("weights of the teacher",), "['weights of the teacher']"),
        (("checkpoint", "model_ema"), "['checkpoint']['model_ema']"),
    ],
)
def test_state_dicts_in_other_places(
    state: State, tmp_path: Path, keys: tuple[str, ...], place: str
) -> None:
    content: dict = state
    for key in reversed(keys):
        content = {"epoch": 3, "acc": torch.ones(1), key: content}
    message = refusal(content, tmp_path)
    assert f"its tensors lie deeper, in {place}" in message
    assert adopt_as_told(message, tmp_path, state)


def test_a_training_state_names_the_network_before_the_optimizer(
    toy: nn.Module, state: State, tmp_path: Path
) -> None:
    optimizer = torch.optim.SGD(toy.parameters(), 0.1, momentum=0.9)
    toy(torch.ones(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    content = {"optimizer": optimizer.state_dict(), "net": dict(toy.state_dict())}
    assert "lie deeper, in ['net'], " in refusal(content, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "it is empty"),
        (torch.ones(2), "it holds a Tensor"),
        ([torch.ones(2)], "it holds a list"),
        ({"fc.weight": torch.ones(2), "epoch": 3}, "1 of its 2 entries are no tensor with a name "
         "('epoch': int)"),
        ({0: torch.ones(2)}, "1 of its 1 entries are no tensor with a name (0: Tensor)"),
        ({"a": {"b": 3}}, "('a': dict)"),
    ],
    ids=["empty", "tensor", "list", "mixed", "number", "nothing deeper"],
)  # fmt: skip
def test_other_containers(toy: nn.Module, tmp_path: Path, content: object, said: str) -> None:
    assert said in refusal(content, tmp_path)


def test_quantised_layers(toy: nn.Module, tmp_path: Path) -> None:
    """Saving their state dict again would not help."""
    quantised = torch.ao.quantization.quantize_dynamic(toy, {nn.Linear})
    message = refusal(quantised.state_dict(), tmp_path)
    assert "its layers are quantised (_packed_params)" in message
    assert "before it was quantised" in message


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older format"])
@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear", "a module was saved whole"),
        (nn.DataParallel(nn.Conv2d(1, 1, 1)), "torch.nn.parallel.data_parallel.DataParallel",
         "a module was saved whole"),
        ({"args": argparse.Namespace(a=1)}, "argparse.Namespace", "it holds a Python object"),
        ({"a": np.ones(2)}, "numpy._core.multiarray._reconstruct", "it holds a Python object"),
    ],
    ids=["module", "parallel", "arguments", "array"],
)  # fmt: skip
def test_objects_that_are_not_loaded(
    toy: nn.Module, tmp_path: Path, content: object, name: str, said: str, zipped: bool
) -> None:
    path = save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError) as refused:
        adopt(path)
    assert f"{said} ({name}), and only tensors are loaded" in str(refused.value)
    assert "torch.save(model.state_dict()" in str(refused.value)


def test_a_torchscript_program(toy: nn.Module, tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(toy, torch.ones(1, 3, 8, 8)), tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net\.pth: .*TorchScript.*jit\.load\(old\)\.state_dict"):
        adopt(tmp_path / "net.pth")


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_a_plain_pickle(toy: nn.Module, tmp_path: Path, protocol: int) -> None:
    (tmp_path / "net.pth").write_bytes(pickle.dumps({"a": np.ones(2)}, protocol))
    with pytest.raises(InputError, match=r"net\.pth: cannot be read as a state dict"):
        adopt(tmp_path / "net.pth")


# --- the file --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["net.pth", "net.safetensors", "net.bin", "net", "NET.SAFETENSORS"]
)
@pytest.mark.parametrize(
    "write",
    [
        lambda state, path: torch.save(state, path),
        lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
        save_file,
        lambda state, path: save_file(state, path, {"format": "pt"}),
    ],
    ids=["zip", "older format", "safetensors", "safetensors with metadata"],
)
def test_the_content_tells_the_format_not_the_name(
    state: State, tmp_path: Path, write: Callable[[State, Path], None], name: str
) -> None:
    write(state, tmp_path / name)
    assert_holds(adopt(tmp_path / name), state)


def test_safetensors_are_checked_alike(state: State, tmp_path: Path) -> None:
    save_file(changed(state, CONV, (0, 0, 0, 0), np.nan), tmp_path / "net.pth")
    with pytest.raises(InputError, match="holds nan at"):
        adopt(tmp_path / "net.pth")


def test_a_file_that_cannot_be_opened(toy: nn.Module, tmp_path: Path) -> None:
    for name, said in (("none.pth", "No such file"), (".", "Is a directory")):
        with pytest.raises(InputError, match=f"cannot be read as a state dict.*{said}"):
            adopt(tmp_path / name)


@pytest.mark.parametrize("write", ["zip", "older format", "safetensors"])
def test_whatever_bytes_are_damaged_there_is_a_network_or_one_message(
    state: State, tmp_path: Path, write: str
) -> None:
    path = tmp_path / "net.pth"
    if write == "safetensors":
        save_file(state, path)
    else:
        save(state, path, _use_new_zipfile_serialization=write == "zip")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(120):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), size=rng.integers(1, 30)):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            network = adopt(path)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert all(np.isfinite(tensor).all() for tensor in network.tensors.values())
    assert refused > 10
