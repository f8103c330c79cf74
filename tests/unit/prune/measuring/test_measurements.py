"""Criteria that are measured, on whole networks: a ResNet and a vision transformer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from described import create_described
from registries import register_architecture

from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import counts
from prunescope.evaluate.predictions import predict
from prunescope.foundation import plugins
from prunescope.foundation.errors import InputError
from prunescope.networks import modules
from prunescope.networks.description import Description, Network
from prunescope.prune import pieces
from prunescope.prune.masks import PruningMethod, count, make_masks
from prunescope.prune.measuring.measurements import measure
from prunescope.prune.steps import make_masks_in_steps

CPU = torch.device("cpu")
KINDS = ("conv2d", "linear")
MEASURED = [
    name
    for name in plugins.names(pieces.CRITERIA)
    if pieces.load_criterion(name).NEEDS in pieces.MEASURED
]


RESNET = Path(__file__).resolve().parents[4] / "networks" / "resnet_cifar.py"


def network_of(architecture: str, **options: object) -> Network:
    blank = Description(architecture, 7, 32, (0.5,) * 3, (0.5,) * 3, options=options)
    module, description = create_described(blank, seed=0)
    return modules.to_network(module, description)


@pytest.fixture(scope="module")
def resnet() -> Network:
    return network_of(f"file:{RESNET}:resnet20")


@pytest.fixture(scope="module")
def transformer() -> Network:
    return network_of("timm:vit_tiny_patch16_224", img_size=32, depth=2)


def batches() -> list[PackedImages]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(6, 3, 32, 32), dtype=np.uint8)
    return list(PackedImages(images, rng.integers(0, 7, size=6)).batches(3))


def prune(network: Network, method: PruningMethod, rate: float, steps: int = 1, **rest):
    needs = pieces.load_criterion(method.criterion).NEEDS
    return make_masks_in_steps(
        network,
        method,
        rate,
        lambda current, layers: measure(current, needs, layers, batches(), CPU),
        steps,
        **rest,
    )


def test_all_of_them_are_found() -> None:
    assert MEASURED == ["snip", "synflow", "taylor", "taylor_absolute", "wanda"]


@pytest.mark.parametrize("criterion", MEASURED)
@pytest.mark.parametrize("scope", pieces.SCOPES)
@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_a_resnet_is_pruned_to_the_piece(
    resnet: Network, criterion: str, scope: str, granularity: str
) -> None:
    if pieces.load_criterion(criterion).problem(granularity, scope, False):
        return
    method = PruningMethod(granularity, scope, criterion, layers=KINDS)
    masks = prune(resnet, method, 0.4, steps=2)
    layers = resnet.description.layers
    sizes = [np.prod(one.shape) if granularity == "weight" else one.units for one in layers]
    gone = [int((~masks[one.weight]).sum()) for one in layers]
    if granularity == "filter":
        gone = [int((~masks[one.weight].any(axis=tuple(range(1, len(one.shape))))).sum())
                for one in layers]  # fmt: skip
    if scope == "layer":
        assert gone == [count(0.4, size, granularity) for size in sizes]
    else:
        assert sum(gone) == count(0.4, sum(sizes), granularity)


@pytest.mark.parametrize("criterion", sorted({*MEASURED} - {"synflow"}))
def test_a_transformer_is_pruned_in_a_pattern(transformer: Network, criterion: str) -> None:
    method = PruningMethod("n_of_m", "layer", criterion, layers=KINDS, pattern="2:4")
    masks = prune(transformer, method, 0.5, exclude=["patch_embed.proj"])
    assert len(masks) == 2 * 4 + 1
    assert {float(mask.mean()) for mask in masks.values()} == {0.5}
    assert counts.account(transformer.masked(masks))["sparsity_prunable"] > 0.4


def test_a_transformer_conserves_no_flow(transformer: Network) -> None:
    method = PruningMethod("weight", "global", "synflow", layers=KINDS)
    with pytest.raises(InputError, match="conserves no synaptic flow"):
        prune(transformer, method, 0.5)


def test_what_goes_first_matters_less_to_the_loss_than_what_goes_at_random(
    resnet: Network,
) -> None:
    """On the images that gradients were measured on, at a rate at which the first order holds."""
    methods = {
        name: PruningMethod("weight", "global", name, layers=KINDS)
        for name in ("taylor", "snip", "random")
    }
    masks = {name: prune(resnet, methods[name], 0.3) for name in ("taylor", "snip")}
    masks["random"] = make_masks(resnet, methods["random"], 0.3)
    losses = {name: abs(loss(resnet.masked(found)) - loss(resnet)) for name, found in masks.items()}
    assert losses["taylor"] < losses["random"] / 3
    assert losses["snip"] < losses["random"] / 3


def loss(network: Network) -> float:
    whole = PackedImages(
        np.concatenate([one.images for one in batches()]),
        np.concatenate([one.labels for one in batches()]),
    )
    rows = predict(modules.to_module(network), whole, network.description)
    return float(rows["loss"].mean())


def test_layers_that_run_as_functions_have_no_activations() -> None:
    """Attention of torch computes with the weights of its projection, which never runs itself."""

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
            self.fc = torch.nn.Linear(8, 7)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            rows = images.flatten(2)[..., :8]
            return self.fc(self.attention(rows, rows, rows)[0].mean(dim=1))

    with pytest.MonkeyPatch.context() as patch:
        register_architecture(patch, "attention", lambda _description: Attention())
        blank = Description("attention", 7, 32, (0.5,) * 3, (0.5,) * 3)
        module, description = create_described(blank, seed=0)
        network = modules.to_network(module, description)
        method = PruningMethod("weight", "layer", "wanda", layers=("linear",))
        with pytest.raises(InputError, match=r"none of attention\.out_proj: .*pruning\.exclude"):
            prune(network, method, 0.5)
        assert prune(network, method, 0.5, exclude=["attention.out_proj"])
