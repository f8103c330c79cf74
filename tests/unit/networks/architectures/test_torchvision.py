"""Networks of torchvision, against torchvision itself."""

import hashlib

import pytest
import torch
from described import create_described
from torch import nn
from torchvision import models

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, modules
from prunescope.networks.description import Description, Network

GOOGLENET = "torchvision:googlenet"
# SHA-256 of all tensors of a GoogLeNet for ten classes, as it was first built here.
INITIAL = {
    (False, 0): "7e4ae8334d48e485",
    (False, 1): "338fd1aca6f0b636",
    (True, 0): "48436d12d9ad8008",
    (True, 1): "c70548611935b4d6",
}


def described(name: str, classes: int = 10, **more: object) -> Description:
    return Description(name, classes, 32, (0.5,) * 3, (0.5,) * 3, **more)


@pytest.mark.parametrize(("heads", "seed"), INITIAL)
def test_the_initial_weights_of_the_default_study_stay(heads: bool, seed: int) -> None:
    blank = described(GOOGLENET, auxiliary_heads=heads, options={"init_weights": False})
    network = modules.to_network(*create_described(blank, seed))
    digest = hashlib.sha256()
    for name in sorted(network.tensors):
        digest.update(name.encode())
        digest.update(network.tensors[name].tobytes())
    assert digest.hexdigest()[:16] == INITIAL[heads, seed]


def test_layers_are_those_of_torchvision_in_forward_order(
    googlenet_module: nn.Module, googlenet_network: Network
) -> None:
    names = [
        name
        for name, child in googlenet_module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    ]
    layers = googlenet_network.description.layers
    assert len(names) == 64
    assert sorted(layer.name for layer in layers) == sorted(names)
    heads = [layer.name.startswith(("aux1.", "aux2.")) for layer in layers]
    assert heads == [layer.auxiliary for layer in layers] == sorted(heads)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {}),
        ("regnet_y_400mf", {}),  # its constructor computes with tensors
        ("swin_t", {}),
        ("mobilenet_v3_small", {"dropout": 0.0}),
        ("googlenet", {"init_weights": False}),
    ],
)
def test_a_network_is_torchvisions_and_is_rebuilt_from_its_file(name: str, options: dict) -> None:
    torch.manual_seed(3)
    heads = {"aux_logits": False} if name == "googlenet" else {}
    theirs = models.get_model(name, weights=None, num_classes=7, **heads, **options).eval()
    torch.manual_seed(3)
    blank = described(f"torchvision:{name}", 7, options=options)
    ours = architecture.build(blank).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    before = torch.random.get_rng_state()
    rebuilt = modules.to_module(modules.to_network(ours, blank))
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.inference_mode():
        expected = theirs(images)
        assert expected.shape == (2, 7)
        assert torch.equal(ours(images), expected)
        torch.testing.assert_close(rebuilt(images), expected, rtol=1e-4, atol=1e-5)


def test_every_network_can_be_built_without_values() -> None:
    """So no job spends time on weights that it replaces at once."""
    for name in models.list_models(module=models):
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        with modules.without_values():
            module = models.get_model(name, weights=None, **options)
        tensors = [*module.named_parameters(), *module.named_buffers()]
        assert {key for key, _ in tensors} == set(module.state_dict()), name
        values = (value for child in module.modules() for value in vars(child).values())
        assert not any(isinstance(value, torch.Tensor) for value in values), name
        assert sum(tensor.numel() for _, tensor in tensors if tensor.is_meta) > 700_000, name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:resnet5O", "Did you mean `torchvision:resnet50`"),
        ("torchvision:vit_tiny_patch16_224", "Did you mean `timm:vit_tiny_patch16_224`"),
        ("torchvision:", "is not known"),
        ("torchvision:fasterrcnn_resnet50_fpn", "lists all classifiers"),
    ],
)
def test_an_unknown_name_is_told_before_and_where_it_is_built(name: str, message: str) -> None:
    assert message in architecture.problem(name)
    with pytest.raises(InputError, match=r"^model\.architecture: ") as refused:
        architecture.build(described(name))
    assert message in str(refused.value)


def test_a_wrong_option_names_its_key_and_the_reason() -> None:
    with pytest.raises(InputError) as refused:
        architecture.build(described("torchvision:resnet18", options={"depht": 3}))
    message = str(refused.value)
    assert message.startswith("model.options: torchvision:resnet18 cannot be built with {depht: 3}")
    assert "unexpected keyword argument 'depht'" in message


def test_heads_are_asked_of_networks_that_have_them_alone() -> None:
    with pytest.raises(InputError, match=r"model\.auxiliary_heads: true, but the architecture"):
        architecture.build(described("torchvision:resnet18", auxiliary_heads=True))
    options = {"init_weights": False}
    for heads in (True, False):
        name = "torchvision:inception_v3"
        with modules.without_values():
            module = architecture.build(described(name, auxiliary_heads=heads, options=options))
        assert any(key.startswith("AuxLogits.") for key in module.state_dict()) == heads


def test_transform_input_reaches_the_module() -> None:
    options = {"init_weights": False}
    for given in (False, True):
        blank = described(GOOGLENET, transform_input=given, options=options)
        assert architecture.build(blank).transform_input is given
