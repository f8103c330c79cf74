"""Which channels are ranked together, which groups are left whole, and the table of them."""

import pytest

from prunescope.foundation.errors import InputError
from prunescope.networks.architecture_files import Architecture, Carried, Group, Member
from prunescope.networks.description import Layer
from prunescope.prune import group_tables
from prunescope.prune.channel_groups import find, left_whole, places, prunable

LAYERS = (
    Layer("stem", "conv2d", (8, 3, 1, 1), (8, 8)),
    Layer("body", "conv2d", (12, 8, 1, 1), (8, 8)),
    Layer("mix", "linear", (8, 8), (64, 1)),
    Layer("head", "linear", (2, 12), (1, 1)),
)
NORM = Carried("norm.weight", "batch_norm", 0, 0)
# The channels of `body` are split: half of them are read in one place, half in another.
HALVES = (
    Group((Member("body", "out", 0), Member("head", "in", 0)), 6),
    Group((Member("body", "out", 6), Member("mix", "in", 0)), 6),
)
STREAM = Group(
    (Member("stem", "out", 0), Member("mix", "out", 0), Member("body", "in", 0)),
    8,
    "layer_norm",
    (NORM,),
)
LOGITS = Group((Member("head", "out", 0),), 2, "output")
KNOWN = Architecture(LAYERS, (STREAM, *HALVES, LOGITS))


def test_pieces_that_the_same_layers_make_are_one_group() -> None:
    stream, body, logits = find(KNOWN, (), "pruned")
    assert (stream.runs, stream.pieces, stream.kinds) == ((STREAM,), 8, ("conv2d", "linear"))
    assert (body.runs, body.pieces, body.kinds) == (HALVES, 12, ("conv2d",))
    assert list(body.first_pieces()) == [(0, HALVES[0]), (6, HALVES[1])]
    assert [group.whole for group in (stream, body, logits)] == ["", "", "output"]


def test_groups_that_are_left_whole_say_why() -> None:
    (stream, body, _) = find(KNOWN, ("mix", "head"), "pruned")
    assert (stream.whole, body.whole) == ("pruning.exclude names mix", "")
    assert find(KNOWN, (), "kept")[0].whole == (
        "pruning.batch_norm keeps what layer_norm reads other than zero"
    )
    single = Architecture(LAYERS, (Group((Member("stem", "out", 0, 8),), 1),))
    assert "single piece" in find(single, (), "pruned")[0].whole
    assert left_whole(find(KNOWN, (), "pruned"), ("conv2d",)) == (
        "Left whole: stem + mix (made by linear layers); head (output)"
    )


def test_a_method_prunes_what_its_kinds_of_layers_make() -> None:
    groups = find(KNOWN, (), "pruned")
    assert [group.makers for group in prunable(groups, ("conv2d",))] == [["body"]]
    assert [group.makers for group in prunable(groups, ("linear", "conv2d"))] == [
        ["stem", "mix"], ["body"],
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"kind linear.*body \(made by conv2d layers\)"):
        prunable(groups, ("linear",))
    with pytest.raises(InputError, match="cannot export the graph"):
        prunable(find(Architecture(LAYERS, unknown="too odd"), (), "pruned"), ("conv2d",))


def test_places_of_pieces() -> None:
    assert places(Member("qkv", "out", 4, 2, 8), 3).tolist() == [[4, 5], [12, 13], [20, 21]]


def test_the_table_has_a_row_for_each_place() -> None:
    made = group_tables.rows(find(KNOWN, (), "pruned"))
    columns = ("group", "first_piece", "row_pieces", "side", "name", "first")
    assert made.select(columns).rows() == [
        (0, 0, 8, "out", "stem", 0), (0, 0, 8, "out", "mix", 0), (0, 0, 8, "in", "body", 0),
        (0, 0, 8, "carried", "norm.weight", 0),
        (1, 0, 6, "out", "body", 0), (1, 0, 6, "in", "head", 0),
        (1, 6, 6, "out", "body", 6), (1, 6, 6, "in", "mix", 0),
        (2, 0, 2, "out", "head", 0),
    ]  # fmt: skip
    assert made["pieces"].unique(maintain_order=True).to_list() == [8, 12, 2]
    assert made.row(3, named=True)["operation"] == "batch_norm"
