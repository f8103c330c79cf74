"""Finding the layers of a module, and how they run."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable

import numpy as np
import pytest
import torch
from nets import Net
from torch import nn
from torch.nn.functional import linear, relu_

from prunescope.networks import modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Layer


def layers(module: nn.Module, size: int = 8) -> dict[str, Layer]:
    return {layer.name: layer for layer in describe(module, size).layers}


def tokens(images: torch.Tensor) -> torch.Tensor:
    """Each row of pixels as a token: `(B, T, 3 * width)`."""
    return images.transpose(1, 2).flatten(2)


def test_the_module_stays_as_it_was(make_toy: Callable) -> None:
    module, network = make_toy()
    module.train()
    module.stem.eval()
    describe(module, 8)
    assert module.training
    assert not module.stem.bn.training
    assert module.mixed.training
    assert module.stem.bn.num_batches_tracked == 0
    assert not any(child._forward_hooks for child in module.modules())
    left = modules.to_network(module, network.description).tensors
    assert left.keys() == network.tensors.keys()
    for name, tensor in left.items():
        np.testing.assert_array_equal(tensor, network.tensors[name])


def test_tokens_have_their_units_last() -> None:
    module = Net(
        lambda net, images: net.head(net.token(tokens(images)).mean(1)),
        token=nn.Linear(24, 5), head=nn.Linear(5, 2),
    )  # fmt: skip
    found = layers(module)
    assert (found["token"].unit_axis, found["token"].output_size) == (-1, (8, 1))
    assert (found["head"].unit_axis, found["head"].output_size) == (1, (1, 1))


def test_maps_with_channels_last_keep_their_height_and_width() -> None:
    module = Net(
        lambda net, images: net.mix(images[..., :6].permute(0, 2, 3, 1)).mean((1, 2)),
        mix=nn.Linear(3, 5),
    )
    found = layers(module)["mix"]
    assert (found.unit_axis, found.output_size) == (-1, (8, 6))


def test_windows_are_rows_of_one_image() -> None:
    """Two rows of the output for an image, as in attention within windows."""
    module = Net(
        lambda net, images: net.mix(tokens(images).reshape(-1, 4, 24)).flatten(1),
        mix=nn.Linear(24, 5),
    )
    found = layers(module)["mix"]
    assert (found.unit_axis, found.output_size, found.not_measured) == (-1, (8, 1), "")


def test_rows_that_mix_images_are_not_measured() -> None:
    module = Net(
        lambda net, images: net.mix(tokens(images).transpose(0, 1)).mean(0), mix=nn.Linear(24, 5)
    )
    assert layers(module)["mix"].not_measured == "its output mixes the images"


def test_layers_that_read_no_image_are_not_measured() -> None:
    module = Net(
        lambda net, images: images.mean((2, 3)) + net.place(torch.ones(1, 4)), place=nn.Linear(4, 3)
    )
    found = describe(module, 8)
    assert found.layers[0].not_measured == "its output does not depend on the image"
    assert found.removable == {"place": "what it reads does not depend on the images"}


def test_a_layer_says_how_often_it_runs() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return net.other(net.shared(net.shared(images)))

    module = Net(forward, other=nn.Conv2d(3, 2, 1), shared=nn.Conv2d(3, 3, 1))
    assert [(layer.name, layer.runs) for layer in describe(module, 8).layers] == [
        ("shared", 2),
        ("other", 1),
    ]


def test_layers_that_functions_compute_are_listed_with_a_reason() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        given = net.first(tokens(images))
        attended, _ = net.attention(given, given, given, need_weights=False)
        return net.last(linear(attended, net.by_hand.weight).mean(1))

    module = Net(
        forward,
        last=nn.Linear(6, 2),
        by_hand=nn.Linear(8, 6),
        attention=nn.MultiheadAttention(8, 2, batch_first=True),
        first=nn.Linear(24, 8),
    )
    found = describe(module, 8)
    assert [(layer.name, bool(layer.not_measured)) for layer in found.layers] == [
        ("first", False),
        ("attention.out_proj", True),
        ("by_hand", True),
        ("last", False),
    ]
    assert not any(layer.auxiliary for layer in found.layers)
    assert "never called" in found.layers[1].not_measured
    assert found.layers[2].output_size == (8, 1)
    assert set(found.unmeasured_parameters) == {"attention.in_proj_weight"}
    # 8 tokens: 24 x 8, 8 x 24, 8 x 8 and 8 x 6; then 6 x 2.
    assert found.macs == 8 * (192 + 192 + 64 + 48) + 12
    assert found.parameter_macs == {"attention.in_proj_weight": 8 * 192}


def test_heads_of_training_come_last_and_have_their_batch_norms() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> object:
        maps = net.body(images)
        logits = net.last(maps.mean((2, 3)))
        return (logits, net.norm(net.side(maps))) if net.training else logits

    module = Net(
        forward,
        side=nn.Conv2d(4, 5, 1),
        norm=nn.BatchNorm2d(5),
        body=nn.Conv2d(3, 4, 1),
        last=nn.Linear(4, 2),
    ).eval()
    found = describe(module, 8)
    assert [(k.name, k.auxiliary, k.batch_norm) for k in found.layers] == [
        ("body", False, None),
        ("last", False, None),
        ("side", True, "norm"),
    ]
    assert found.layers[2].output_size == (0, 0)
    assert found.removable["side"] == "does not run in evaluation mode"


Named = namedtuple("Named", ["logits", "features"])


@pytest.mark.parametrize(
    "form",
    [
        lambda logits, maps: logits,
        lambda logits, maps: (logits, maps),
        lambda logits, maps: [logits, {"maps": maps}],
        lambda logits, maps: {"out": logits, "aux": maps},
        lambda logits, maps: OrderedDict(out=logits, aux=maps),
        Named,
    ],
)
def test_the_output_may_have_any_form(form: Callable) -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> object:
        maps = net.body(images)
        return form(net.last(maps.mean((2, 3))), maps.flatten(1))

    module = Net(forward, body=nn.Conv2d(3, 4, 1), last=nn.Linear(4, 2))
    found = describe(module, 8)
    assert [layer.name for layer in found.layers] == ["body", "last"]
    assert found.unknown == ""
    assert found.removable["last"] == "output"


def test_activations_in_place_change_nothing() -> None:
    """What a hook sees is written over; the sizes and what follows are found all the same."""

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return net.last(relu_(net.norm(net.body(images))).mean((2, 3)))

    module = Net(forward, body=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), last=nn.Linear(4, 2))
    found = describe(module, 8)
    assert found.layers[0] == Layer("body", "conv2d", (4, 3, 3, 3), (6, 6), "norm", block="body")
    assert found.removable == {"body": "", "last": "output"}


def test_a_graph_that_cannot_be_exported_is_unknown() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.norm(net.body(images))
        # Which way the network goes depends on the images.
        return maps if maps.sum() > 0 else -maps

    module = Net(forward, body=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4), idle=nn.Linear(2, 2))
    found = describe(module, 8)
    assert found.unknown.startswith("its graph is unknown (")
    assert [(k.name, k.batch_norm, k.auxiliary) for k in found.layers] == [
        ("body", None, False),
        ("idle", None, False),
    ]
    assert found.layers[1].not_measured == "its module is never called, and the graph is unknown"
    assert found.coupled == ()
    assert found.macs is None
    assert found.removable == {"body": found.unknown, "idle": found.unknown}
    assert found.parameters == 16 + 8 + 6
