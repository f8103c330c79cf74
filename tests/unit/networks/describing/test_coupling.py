"""Which channels go together in small networks, by hand."""

from collections.abc import Callable

import torch
from nets import Net
from oracles import pieces
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from prunescope.networks.architecture_files import Architecture, Group, Member
from prunescope.networks.describing.describe import describe


def described(forward: Callable, **parts: nn.Module) -> Architecture:
    found = describe(Net(forward, **parts), 8)
    assert found.unknown == ""
    return found


def conv(ins: int, outs: int, size: int = 1, **settings: int) -> nn.Conv2d:
    return nn.Conv2d(ins, outs, size, padding=size // 2, **settings)


def together(found: Architecture, layer: str, channel: int) -> set[str]:
    """The other channels in the piece of a layer's output, such as `next<3`, `other>3`."""
    (members,) = (m for m, _ in pieces(found) if (layer, "out", channel) in m)
    sign = {"in": "<", "out": ">"}
    names = {f"{name}{sign[side]}{number}" for name, side, number in members}
    return names - {f"{layer}>{channel}"}


def logits(net: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    return net.last(maps.mean((2, 3)))


def test_a_chain() -> None:
    found = described(
        lambda net, images: logits(net, net.two(net.one(images).relu()).relu()),
        one=conv(3, 4), two=conv(4, 5), last=nn.Linear(5, 2),
    )  # fmt: skip
    assert found.coupled == (
        Group((Member("one", "out", 0), Member("two", "in", 0)), 4),
        Group((Member("two", "out", 0), Member("last", "in", 0)), 5),
        Group((Member("last", "out", 0),), 2, "output"),
    )
    assert found.removable == {"one": "", "two": "", "last": "output"}


def test_what_is_added_goes_together() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.one(images)
        maps += net.two(maps)
        return logits(net, maps)

    found = described(forward, one=conv(3, 4), two=conv(4, 4), last=nn.Linear(4, 2))
    assert together(found, "one", 3) == {"two>3", "two<3", "last<3"}
    assert found.removable == {"one": "", "two": "", "last": "output"}


def test_what_is_concatenated_keeps_its_place() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return logits(net, torch.cat([net.one(images), net.two(images)], 1))

    found = described(forward, one=conv(3, 4), two=conv(3, 5), last=nn.Linear(9, 2))
    assert together(found, "one", 3) == {"last<3"}
    assert together(found, "two", 0) == {"last<4"}


def test_the_images_themselves_stay() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return logits(net, net.one(images) + images)

    found = described(forward, one=conv(3, 3), last=nn.Linear(3, 2))
    assert found.removable["one"] == "images"


def test_depthwise_and_grouped_convolutions() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return logits(net, net.grouped(net.depthwise(net.one(images))))

    found = described(
        forward,
        one=conv(3, 6),
        depthwise=conv(6, 6, 3, groups=6),
        grouped=conv(6, 4, 3, groups=2),
        last=nn.Linear(4, 2),
    )
    assert [layer.groups for layer in found.layers] == [1, 6, 2, 1]
    first = {
        f"{name}{k}" for name in ("one>", "depthwise<", "depthwise>", "grouped<") for k in (0, 1, 2)
    }
    assert together(found, "one", 1) == first - {"one>1"} | {
        "grouped>0", "grouped>1", "last<0", "last<1",
    }  # fmt: skip
    assert found.removable["grouped"] == ""


def test_flattened_maps() -> None:
    found = described(
        lambda net, images: net.last(net.one(images).flatten(1)),
        one=nn.Conv2d(3, 4, 7), last=nn.Linear(16, 2),
    )  # fmt: skip
    assert found.coupled[0] == Group(
        (Member("one", "out", 0, 1, 1), Member("last", "in", 0, 4, 4)), 4
    )


def test_channels_that_are_shuffled_and_split() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.one(images)
        shuffled = maps.view(-1, 2, 3, 8, 8).transpose(1, 2).reshape(-1, 6, 8, 8)
        first, second = shuffled.chunk(2, dim=1)
        return logits(net, net.left(first) + net.right(second))

    found = described(
        forward, one=conv(3, 6), left=conv(3, 4), right=conv(3, 4), last=nn.Linear(4, 2)
    )
    # Shuffled, the channels are 0 3 1 | 4 2 5.
    assert [together(found, "one", k) for k in range(6)] == [
        {"left<0"}, {"left<2"}, {"right<1"}, {"left<1"}, {"right<0"}, {"right<2"},
    ]  # fmt: skip
    assert together(found, "left", 1) == {"right>1", "last<1"}


def test_squeeze_and_excitation() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.one(images)
        gate = net.up(net.down(maps.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return logits(net, gate * maps)

    found = described(forward, one=conv(3, 4), down=conv(4, 2), up=conv(2, 4), last=nn.Linear(4, 2))
    assert together(found, "one", 2) == {"down<2", "up>2", "last<2"}
    assert together(found, "down", 1) == {"up<1"}
    assert found.removable == {"one": "", "down": "", "up": "", "last": "output"}


def test_one_channel_for_all_must_stay() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.one(images)
        return logits(net, net.gate(maps).sigmoid() * maps)

    found = described(forward, one=conv(3, 4), gate=conv(4, 1), last=nn.Linear(4, 2))
    assert found.removable == {"one": "", "gate": "mul", "last": "output"}
    assert together(found, "one", 2) == {"gate<2", "last<2"}


def attention(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    tokens = net.stem(images.flatten(2).transpose(1, 2))
    query, key, value = net.qkv(tokens).reshape(-1, 64, 3, 2, 4).permute(2, 0, 3, 1, 4)
    met = scaled_dot_product_attention(query, key, value)
    return net.last(net.project(met.transpose(1, 2).flatten(2)).mean(1))


def by_products(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    tokens = net.stem(images.flatten(2).transpose(1, 2))
    query, key, value = net.qkv(tokens).reshape(-1, 64, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    weights = (query * 0.5 @ key.transpose(-2, -1)).softmax(dim=-1)
    return net.last(net.project((weights @ value).transpose(1, 2).reshape(-1, 64, 8)).mean(1))


def by_einsum(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    tokens = net.stem(images.flatten(2).transpose(1, 2))
    query, key, value = net.qkv(tokens).reshape(-1, 64, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    weights = torch.einsum("bhqd, bhkd -> bhqk", query, key).softmax(dim=-1)
    met = torch.einsum("bhqk, bhkd -> bqhd", weights, value)
    return net.last(net.project(met.flatten(2)).mean(1))


def test_heads_of_attention_go_as_blocks() -> None:
    for forward in (attention, by_products, by_einsum):
        found = described(
            forward,
            stem=nn.Linear(3, 5),
            qkv=nn.Linear(5, 24),
            project=nn.Linear(8, 6),
            last=nn.Linear(6, 2),
        )
        # Query, key and value of the second head.
        second = {f"qkv>{first + k}" for first in (4, 12, 20) for k in range(4)}
        expected = second - {"qkv>13"} | {f"project<{k}" for k in range(4, 8)}
        assert together(found, "qkv", 13) == expected
        assert found.removable == {"stem": "", "qkv": "", "project": "", "last": "output"}


def test_a_class_token_and_positions_belong_to_the_channels_of_tokens() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 5))
            self.places = nn.Parameter(torch.zeros(1, 65, 5))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1) + self.places

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        tokens = net.tokens(net.stem(images).flatten(2).transpose(1, 2))
        return net.last((tokens + net.mix(tokens))[:, 0])

    found = described(
        forward, stem=conv(3, 5), tokens=Tokens(), mix=nn.Linear(5, 5), last=nn.Linear(5, 2)
    )
    assert together(found, "stem", 4) == {"mix<4", "mix>4", "last<4"}
    assert found.removable["stem"] == ""


def test_norms_over_channels_stand_in_the_way() -> None:
    for norm, name in ((nn.LayerNorm([4, 8, 8]), "layer_norm"), (nn.GroupNorm(2, 4), "group_norm")):
        found = described(
            lambda net, images: logits(net, net.norm(net.one(images))),
            one=conv(3, 4), norm=norm, last=nn.Linear(4, 2),
        )  # fmt: skip
        assert found.removable["one"] == name
    found = described(
        lambda net, images: logits(net, net.norm(net.one(images))),
        one=conv(3, 4), norm=nn.GroupNorm(4, 4), last=nn.Linear(4, 2),
    )  # fmt: skip
    assert found.removable["one"] == ""


def test_what_cannot_be_followed_stands_in_the_way_of_all_that_it_meets() -> None:
    """Sorted channels may be any; so may those to which they are added."""

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        sorted_maps, _ = net.one(images).sort(dim=1)
        return logits(net, net.two(images) + sorted_maps) + net.last(net.free(images).amax((2, 3)))

    found = described(
        forward, one=conv(3, 4), two=conv(3, 4), free=conv(3, 4), last=nn.Linear(4, 2)
    )
    assert found.removable["one"] == "sort"
    assert found.removable["two"] == "sort"


def test_layers_over_another_axis_stand_in_the_way() -> None:
    """As in MLP-Mixer: a linear layer that mixes tokens."""

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        tokens = net.stem(images.flatten(2).transpose(1, 2))
        mixed = tokens + net.mix(tokens.transpose(1, 2)).transpose(1, 2)
        return net.last(mixed.mean(1))

    found = described(forward, stem=nn.Linear(3, 5), mix=nn.Linear(64, 64), last=nn.Linear(5, 2))
    assert found.removable == {"stem": "linear", "mix": "linear", "last": "output"}
    assert together(found, "stem", 2) == {"last<2"}


def test_writing_into_a_part_stands_in_the_way_of_all() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = torch.zeros(len(images), 6, 8, 8)
        maps[:, :4] = net.one(images)
        return logits(net, maps)

    found = described(forward, one=conv(3, 4), last=nn.Linear(6, 2))
    assert "copy_" in found.removable["one"]


def test_shared_layers_read_and_make_the_same_channels_each_time() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return logits(net, net.shared(net.shared(net.one(images)).relu()))

    found = described(forward, one=conv(3, 4), shared=conv(4, 4), last=nn.Linear(4, 2))
    assert together(found, "one", 1) == {"shared<1", "shared>1", "last<1"}


def test_layers_in_a_part_of_the_graph_that_cannot_be_followed() -> None:
    """PyTorch exports what runs under `autocast` as a graph of its own."""

    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.one(images)
        with torch.autocast("cpu", enabled=False):
            maps = net.two(maps)
        return logits(net, maps)

    found = described(forward, one=conv(3, 4), two=conv(4, 4), last=nn.Linear(4, 2))
    assert [layer.name for layer in found.layers] == ["one", "two", "last"]
    assert found.removable["one"] == "wrap_with_autocast"
    assert found.removable["two"] == "its step in the graph cannot be told"
    assert found.macs is None


def test_weights_that_depend_on_the_images_stand_in_the_way() -> None:
    def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
        maps = net.one(images)
        kernel = net.two(maps.mean((0, 2, 3))).view(2, 4, 1, 1)
        return logits(net, nn.functional.conv2d(maps, kernel))

    found = described(forward, one=conv(3, 4), two=nn.Linear(4, 8), last=nn.Linear(2, 2))
    assert found.removable["one"] == "conv2d"
    assert found.removable["two"] == "conv2d"
