"""Which units masks remove, and how they differ: small networks by hand, and planted effects."""

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.networks.coordinates import Coordinates
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune.group_tables import CHANNEL_GROUPS
from prunescope.summarize.removal import removal_tables, removed_units

LAYERS, WIDTH = 3, 20
BLANK = Description("toy", 2, 1, (0.5,), (0.5,))
NETWORK = Coordinates("filters", "none", "0.40", 0)


def dense_units(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    size = LAYERS * WIDTH
    return pl.DataFrame(
        {
            "layer": np.repeat([f"conv{number}" for number in range(LAYERS)], WIDTH),
            "layer_type": "conv2d",
            # Of layers, as in `units.parquet`: no part of the comparison.
            "block": "stage",
            "unit": np.tile(np.arange(WIDTH, dtype=np.int32), LAYERS),
            "constant": False,
            **{name: rng.random(size) for name in removal_tables.WITHIN},
        }
    )


def by_measure(frame: pl.DataFrame) -> dict[str, dict]:
    return {row["measure"]: row for row in frame.to_dicts()}


def lost(units: pl.DataFrame, ranks: np.ndarray, number: int = 8) -> dict[str, np.ndarray]:
    """The units of each layer that have the lowest ranks."""
    gone = {}
    for name in units["layer"].unique(maintain_order=True):
        own = ranks[(units["layer"] == name).to_numpy()]
        gone[name] = np.argsort(np.argsort(own)) < number
    return gone


def compare(units: pl.DataFrame, gone: dict[str, np.ndarray], **options: bool) -> dict[str, dict]:
    competing = {"layers_compete": False, **options}
    pieces = removed_units.pieces_of_filters(gone)
    return by_measure(removed_units.compare(units, gone, pieces, NETWORK, 499, 0, **competing))


def test_a_unit_goes_if_nothing_of_its_filter_is_kept() -> None:
    layer = Layer("conv", "conv2d", (3, 2, 1, 1), (1, 1))
    other = Layer("fc", "linear", (2, 3), (1, 1))
    mask = np.ones(layer.shape, dtype=bool)
    mask[0] = False
    mask[1, 0] = False
    description = replace(BLANK, layers=(layer, other))
    network = Network(description, {}, {"conv.weight": mask})
    found = removed_units.removed(network)
    assert {name: lost.tolist() for name, lost in found.items()} == {"conv": [True, False, False]}


def test_scales_are_relative_to_the_live_units_of_the_layer() -> None:
    exemplars = pl.DataFrame(
        {
            "layer": ["a", "a", "a", "b"],
            "unit": [0, 1, 2, 0],
            "constant": [False, False, True, True],
            "strongest_activation": [[3.0, 5.0], [2.0, 2.0], [9.0, 9.0], [1.0, 1.0]],
            "weakest_activation": [[0.0, 2.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]],
        }
    )
    found = removed_units.activation_scales(exemplars)
    assert found["activation_scale"].to_list() == [1.5, 0.5, 4.5, None]


def test_a_criterion_that_takes_what_scores_low_is_told() -> None:
    units = dense_units()
    found = compare(units, lost(units, units["mis_soft"].to_numpy()))
    row = found["mis_soft"]
    assert row["p"] == 1 / 500
    assert row["difference"] < row["random_low"] < 0 < row["random_high"]
    assert row["standardized"] < -1
    assert (row["removed"], row["kept"]) == (24, 36)
    assert min(row["p"] for name, row in found.items() if name != "mis_soft") > 0.01


def test_choice_at_random_is_not_told() -> None:
    p = []
    for seed in range(40):
        units = dense_units(seed)
        gone = lost(units, np.random.default_rng(1000 + seed).random(len(units)))
        p += [row["p"] for row in compare(units, gone).values()]
    assert np.mean(np.array(p) < 0.05) < 0.1


def test_dead_units_are_neither_removed_nor_kept() -> None:
    units = dense_units()
    ranks = units["mis_soft"].to_numpy()
    dead = np.zeros(len(units), dtype=bool)
    dead[::5] = True
    marked = units.with_columns(constant=pl.Series(dead), mis_soft=np.where(dead, -99.0, ranks))
    gone = lost(units, ranks)
    all_gone = np.concatenate(list(gone.values()))
    row = compare(marked, gone)["mis_soft"]
    assert (row["removed"], row["kept"]) == ((all_gone & ~dead).sum(), (~all_gone & ~dead).sum())
    assert row["mean_removed"] == pytest.approx(ranks[all_gone & ~dead].mean())


def test_depth_is_told_where_layers_compete_only() -> None:
    units = dense_units()
    gone = {f"conv{place}": np.arange(WIDTH) < number for place, number in enumerate((1, 4, 12))}
    assert "depth" not in compare(units, gone)
    row = compare(units, gone, layers_compete=True)["depth"]
    removed, kept = np.repeat([0, 0.5, 1], [1, 4, 12]), np.repeat([0, 0.5, 1], [19, 16, 8])
    assert row["difference"] == pytest.approx(removed.mean() - kept.mean())
    assert row["p"] < 0.01


def test_logits_and_layers_that_lose_nothing_play_no_role() -> None:
    units = dense_units()
    gone = lost(units, units["mis_soft"].to_numpy())
    logits = units.filter(layer="conv0").with_columns(
        layer=pl.lit("fc"), layer_type=pl.lit("linear"), mis_soft=pl.lit(0.0)
    )
    more = pl.concat([units, logits])
    assert compare(more, {**gone, "fc": np.ones(WIDTH, dtype=bool)}) == compare(units, gone)
    del gone["conv2"]
    assert compare(units, gone) == compare(units.filter(pl.col("layer") != "conv2"), gone)


def test_a_layer_that_runs_twice_chooses_once() -> None:
    """The second run of a layer loses the same units, so it makes nothing surer."""
    units = dense_units().filter(layer="conv0")
    gone = lost(units, units["mis_soft"].to_numpy() + dense_units(7)["mis_soft"].to_numpy()[:WIDTH])
    twice = pl.concat([units, units.with_columns(layer=pl.lit("conv0@2"))])
    one, two = compare(units, gone)["mis_soft"], compare(twice, gone)["mis_soft"]
    assert (two["difference"], two["p"]) == (pytest.approx(one["difference"]), one["p"])


def group_rows(*rows: dict[str, object]) -> pl.DataFrame:
    blank = {"group": 0, "pieces": 2, "left_whole": "", "kinds": "conv2d", "first_piece": 0,
             "row_pieces": 2, "side": "out", "name": "conv0", "first": 0, "size": 1,
             "step": 1}  # fmt: skip
    return CHANNEL_GROUPS.conform(pl.DataFrame([blank | row for row in rows]).with_columns(
        operation=pl.lit(None, dtype=pl.String), axis=pl.lit(None, dtype=pl.Int8)))  # fmt: skip


def test_pieces_of_groups_by_hand() -> None:
    """Two layers make a stream; a head has two channels; others are left whole or only read."""
    groups = group_rows(
        {"name": "conv0"},
        {"name": "conv1", "first_piece": 2, "first": 4, "step": 3},
        {"group": 1, "name": "heads", "kinds": "linear", "size": 2, "step": 2},
        {"group": 2, "name": "stem", "left_whole": "it is excluded"},
        {"group": 3, "name": "mixed", "kinds": "conv2d, embedding"},
        {"group": 0, "name": "reader", "side": "in"},
    )
    found = removed_units.pieces_of_groups(groups, ["conv2d", "linear"])
    assert found.rows() == [
        ("conv0", 0, 0, 0), ("conv0", 1, 0, 1),
        ("conv1", 4, 0, 2), ("conv1", 7, 0, 3),
        ("heads", 0, 1, 0), ("heads", 1, 1, 0), ("heads", 2, 1, 1), ("heads", 3, 1, 1),
    ]  # fmt: skip
    assert set(removed_units.pieces_of_groups(groups, ["conv2d"])["module"]) == {"conv0", "conv1"}


def test_coupled_channels_are_drawn_together() -> None:
    """As many heads are drawn as went, not as many channels: the p value is that of few pieces."""
    units = dense_units().filter(layer="conv0")
    heads = group_rows(
        {"name": "conv0", "pieces": 5, "row_pieces": 5, "size": 4, "step": 4}
    )  # fmt: skip
    pieces = removed_units.pieces_of_groups(heads, ["conv2d"])
    scores = units["mis_soft"].to_numpy().reshape(5, 4).mean(axis=1)
    best = scores.argsort()[-2:]
    gone = {"conv0": np.isin(np.arange(WIDTH) // 4, best)}
    found = removed_units.compare(units, gone, pieces, NETWORK, 4999, 0, layers_compete=False)
    row = by_measure(found)["mis_soft"]
    # All ten choices of two heads of five.
    pairs = [scores[list(pair)].mean() for pair in itertools.combinations(range(5), 2)]
    far = np.abs(np.array(pairs) - scores.mean())
    expected = np.mean(far >= abs(scores[best].mean() - scores.mean()) - 1e-12)
    assert row["p"] == pytest.approx(expected, abs=0.02)
    alone = compare(units, gone)["mis_soft"]
    assert alone["p"] < row["p"], "channel by channel it would look surer than it is"


def test_layers_of_which_nothing_can_go_play_no_role_in_depth() -> None:
    units = dense_units()
    groups = group_rows(
        *({"group": place, "name": f"conv{place}", "pieces": WIDTH, "row_pieces": WIDTH}
          for place in range(2))
    )  # fmt: skip
    gone = {name: np.arange(WIDTH) < 4 * place for place, name in enumerate(("conv0", "conv1"))}
    read = {**gone, "conv2": np.zeros(WIDTH, dtype=bool)}
    pieces = removed_units.pieces_of_groups(groups, ["conv2d"])
    found = removed_units.compare(units, read, pieces, NETWORK, 99, 0, layers_compete=True)
    row = by_measure(found)["depth"]
    assert (row["removed"], row["kept"]) == (4, 2 * WIDTH - 4)


def test_equal_choices_are_named_after_the_first() -> None:
    kinds = [("a", "none", 0), ("a", "one_shot", 0), ("a", "iterative", 0), ("b", "one_shot", 0),
             ("a", "one_shot", 1)]  # fmt: skip
    networks = [Coordinates(method, kind, "0.40", seed) for method, kind, seed in kinds]
    same, other = {"x": np.array([True, False])}, {"x": np.array([False, True])}
    found = removed_units.chosen_as(networks, [same, same, other, same, same])
    assert found == ["none", "none", "iterative", "one_shot", "one_shot"]


def test_where_no_layer_is_measured_nothing_is_compared() -> None:
    rows = compare(dense_units(), {"elsewhere": np.array([True])})
    assert {row["removed"] for row in rows.values()} == {0}
    assert {row["p"] for row in rows.values()} == {None}
