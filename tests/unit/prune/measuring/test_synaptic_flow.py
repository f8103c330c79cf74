"""Synaptic flow by hand, its conservation, and networks that conserve none."""

import numpy as np
import pytest
import torch
from registries import register_architecture
from small_nets import Small, make
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Network
from prunescope.prune.measuring import synaptic_flow

CPU = torch.device("cpu")


class Blocks(Small):
    """With a block whose input is added to its output."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(6, 6, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.norm(self.first(images)))
        maps = maps + torch.relu(self.inner(maps))
        tokens = torch.relu(self.grouped(maps)).flatten(2).transpose(1, 2)
        return self.fc(torch.relu(self.rows(tokens)).mean(dim=1))


def network_of(monkeypatch: pytest.MonkeyPatch, build) -> Network:
    register_architecture(monkeypatch, "small", lambda _description: build())
    return make(build())


def scores(network: Network) -> dict[str, np.ndarray]:
    found = synaptic_flow.measure(network, network.description.layers, CPU)
    return {
        name: np.abs(network.tensors[name].astype(np.float64)) * values["flow_gradient"]
        for name, values in found.items()
    }


def test_the_flow_of_linear_layers_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    class Linear(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 5))

    network = network_of(monkeypatch, Linear)
    first, second = (np.abs(network.tensors[f"{n}.weight"].astype(np.float64)) for n in (1, 3))
    found = scores(network)
    np.testing.assert_allclose(found["1.weight"], second.sum(axis=0)[:, None] * first, rtol=1e-12)
    np.testing.assert_allclose(found["3.weight"], second * first.sum(axis=1), rtol=1e-12)


def test_the_flow_is_conserved_from_layer_to_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scores(network_of(monkeypatch, Small))
    assert found.keys() == {f"{name}.weight" for name in ("first", "grouped", "rows", "fc")}
    totals = [values.sum() for values in found.values()]
    assert min(totals) > 0
    np.testing.assert_allclose(totals, totals[0], rtol=1e-12)


def test_each_channel_passes_on_what_it_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through batch norm too: what makes a channel has the flow of what reads it."""
    found = scores(network_of(monkeypatch, Small))
    made = found["first.weight"].sum(axis=(1, 2, 3))
    read = found["grouped.weight"].reshape(2, 4, 3, 3, 3).sum(axis=(1, 3, 4)).ravel()
    np.testing.assert_allclose(made, read, rtol=1e-12)


def test_a_layer_beside_a_way_around_it_carries_less(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scores(network_of(monkeypatch, Blocks))
    whole = found["first.weight"].sum()
    assert found["grouped.weight"].sum() == pytest.approx(whole, rel=1e-12)
    assert 0 < found["inner.weight"].sum() < whole


def test_pruned_weights_carry_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(monkeypatch, Small)
    mask = np.ones((6, 3, 3, 3), bool)
    mask[2] = False
    found = scores(network.masked({"first.weight": mask}))
    assert (found["first.weight"][2] == 0).all()
    # Channel 2 is the third of the first group.
    assert (found["grouped.weight"][:4, 2] == 0).all()
    assert (found["grouped.weight"][4:, 2] > 0).all()


@pytest.mark.parametrize("extra", [nn.LayerNorm(6), nn.Sigmoid(), nn.Hardtanh(0, 1e-3)])
def test_networks_without_conservation_are_refused(
    monkeypatch: pytest.MonkeyPatch, extra: nn.Module
) -> None:
    network = network_of(monkeypatch, lambda: Small(extra))
    with pytest.raises(InputError, match=r"'synflow': the network conserves no synaptic flow"):
        scores(network)


def test_flows_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(monkeypatch, Small)
    tensors = {**network.tensors, "fc.weight": np.full((5, 6), np.inf, np.float32)}
    with pytest.raises(InputError, match="not finite in float64"):
        scores(Network(network.description, tensors))


def test_the_network_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(monkeypatch, Small)
    before = {name: tensor.copy() for name, tensor in network.tensors.items()}
    scores(network)
    for name, tensor in before.items():
        np.testing.assert_array_equal(network.tensors[name], tensor)


def test_googlenet(googlenet_network: Network) -> None:
    """Of all layers of the main path, the first and the classifier carry the whole flow."""
    layers = googlenet_network.description.main_layers
    found = synaptic_flow.measure(googlenet_network, layers, CPU)
    totals = {
        name: float((np.abs(googlenet_network.tensors[name]) * values["flow_gradient"]).sum())
        for name, values in found.items()
    }
    whole = totals["conv1.conv.weight"]
    for name in ("conv2.conv.weight", "conv3.conv.weight", "fc.weight"):
        assert totals[name] == pytest.approx(whole, rel=1e-10)
