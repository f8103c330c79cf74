"""Tables of a study of three small networks, by hand."""

from pathlib import Path

import polars as pl
import pytest

from prunescope.evaluate import network_tables
from prunescope.interpret import unit_tables
from prunescope.networks import coordinates
from prunescope.summarize import gathering, selection, study_tables
from prunescope.train import history_table

NETWORKS = [
    {"study": "toy", "method": "dense", "retraining": "none", "rate": 0.0, "seed": 0},
    {"study": "toy", "method": "structured", "retraining": "one_shot", "rate": 0.4, "seed": 0},
    {"study": "toy", "method": "structured", "retraining": "none", "rate": 0.8, "seed": 0},
]
# Of each network: (layer, unit, constant, mis_soft, mis_hard).
UNITS = [
    [
        ("conv", 0, False, 0.60, 0.5),
        ("conv", 1, False, 0.70, 0.7),
        ("conv", 2, False, 0.80, 0.9),
        ("fc", 0, False, 0.50, 0.3),
    ],
    [
        ("conv", 0, False, 0.64, 0.6),
        ("conv", 1, True, 1.00, 1.0),
        ("conv", 2, False, 0.84, 0.8),
        ("fc", 0, False, 0.52, 0.4),
    ],
    [
        ("conv", 0, True, 0.98, 1.0),
        ("conv", 1, True, 1.00, 1.0),
        ("conv", 2, False, 0.90, 0.7),
        ("fc", 0, False, 0.54, 0.5),
    ],
]


def coordinates_of(networks: list[dict]) -> list[coordinates.Coordinates]:
    return [coordinates.Coordinates.from_row(network) for network in networks]


def mis_table(units: list[tuple]) -> pl.DataFrame:
    schema = ["layer", "unit", "constant", "mis_soft", "mis_hard"]
    frame = pl.DataFrame(units, schema=schema, orient="row").with_columns(
        layer_type=pl.lit("conv2d"),
        block=pl.lit("a"),
        tied_fraction=pl.lit(0.0),
        mean_delta=pl.lit(0.1),
    )
    return unit_tables.MIS.conform(frame)


def gathered(units: list[list[tuple]], networks: list[dict] = NETWORKS) -> pl.DataFrame:
    return gathering.gather(map(mis_table, units), coordinates_of(networks), "toy")


def test_gather_puts_the_coordinates_in_front() -> None:
    found = gathered(UNITS)
    assert found.columns == [*coordinates.COLUMNS, *unit_tables.MIS.columns]
    assert len(found) == 12
    assert found["method"].to_list() == ["dense"] * 4 + ["structured"] * 8
    assert found["rate"].to_list() == [0.0] * 4 + [0.4] * 4 + [0.8] * 4
    assert found["mis_soft"].to_list() == [unit[3] for units in UNITS for unit in units]


def test_measures_join_the_scores_of_their_units() -> None:
    scores = mis_table(UNITS[1])
    measures = pl.DataFrame(
        {
            "layer": ["fc", "conv", "conv", "conv"],
            "unit": [0, 2, 1, 0],
            "monosemanticity": [0.1, 0.2, 0.3, 0.4],
            "label_purity": [0.5, 0.6, 0.7, 0.8],
            "class_selectivity": [0.9, 1.0, None, 0.0],
        }
    )
    joined = gathering.join_measures(scores, measures)
    assert joined["mis_soft"].to_list() == scores["mis_soft"].to_list()
    assert joined["monosemanticity"].to_list() == [0.4, 0.3, 0.2, 0.1]
    assert joined["class_selectivity"].to_list() == [0.0, None, 1.0, 0.9]
    study_tables.UNITS.conform(gathering.gather([joined], coordinates_of(NETWORKS[:1]), "toy"))


def test_gather_wants_one_frame_for_each_network() -> None:
    with pytest.raises(ValueError, match="zip"):
        gathered(UNITS[:2])


def matched(units: pl.DataFrame) -> list[tuple]:
    rows = gathering.mark_matched(units).filter("matched")
    return rows.select("seed", *selection.UNIT).unique().sort("seed", *selection.UNIT).rows()


def test_matched_units_are_live_in_every_network_of_their_run() -> None:
    assert matched(gathered(UNITS)) == [(0, "conv", 2), (0, "fc", 0)]
    other = [network | {"seed": 1} for network in NETWORKS[:2]]
    both = gathered([*UNITS, UNITS[0], UNITS[1]], [*NETWORKS, *other])
    assert matched(both) == [
        (0, "conv", 2), (0, "fc", 0), (1, "conv", 0), (1, "conv", 2), (1, "fc", 0),
    ]  # fmt: skip


def test_units_of_equal_number_in_other_layers_are_not_mixed_up() -> None:
    """`conv` 0 is dead in one network, `fc` 0 in none."""
    found = matched(gathered([UNITS[0], UNITS[2]], NETWORKS[:2]))
    assert (0, "fc", 0) in found
    assert (0, "conv", 0) not in found


def test_scores_by_hand() -> None:
    found = gathering.score_networks(gathered(UNITS))
    assert found.select(coordinates.COLUMNS).to_dicts() == NETWORKS
    assert found["units"].to_list() == [4, 4, 4]
    assert found["live_units"].to_list() == [4, 3, 2]
    expected = {
        "mis_soft_all": [0.65, 0.75, 0.855],
        "mis_hard_all": [0.6, 0.7, 0.8],
        "mis_soft_live": [0.65, 2.0 / 3, 0.72],
        "mis_hard_live": [0.6, 0.6, 0.6],
        "mis_soft_matched": [0.65, 0.68, 0.72],
        "mis_hard_matched": [0.6, 0.6, 0.6],
    }
    for column, values in expected.items():
        assert found[column].to_list() == pytest.approx(values), column


def test_logits_are_scored_by_themselves() -> None:
    is_logit = pl.col("layer") == "fc"
    units = gathered(UNITS).with_columns(
        layer_type=pl.when(is_logit).then(pl.lit("linear")).otherwise("layer_type")
    )
    found = gathering.score_networks(units)
    assert found["mis_soft_logits"].to_list() == pytest.approx([0.50, 0.52, 0.54])
    assert found["mis_soft_live"].to_list() == pytest.approx([0.7, 0.74, 0.9])
    assert found["mis_soft_all"].to_list() == pytest.approx([0.7, 2.48 / 3, 2.88 / 3])


def test_scores_do_not_depend_on_the_order_of_rows() -> None:
    units = gathered(UNITS)
    straight = gathering.score_networks(units)
    mixed = gathering.score_networks(units.sample(fraction=1, shuffle=True, seed=0))
    columns = list(coordinates.COLUMNS)
    left, right = straight.sort(columns), mixed.sort(columns)
    for column in left.columns:
        assert right[column].to_list() == pytest.approx(left[column].to_list())


def test_a_network_without_live_units_has_no_score_over_them() -> None:
    dead = [(layer, unit, True, 1.0, 1.0) for layer, unit, *_ in UNITS[2]]
    found = gathering.score_networks(gathered([UNITS[0], UNITS[1], dead]))
    assert found["live_units"].to_list() == [4, 3, 0]
    assert found["mis_soft_live"].to_list() == [*found["mis_soft_live"].to_list()[:2], None]
    assert found["mis_soft_all"].to_list()[2] == 1.0
    # Nothing is live everywhere: no network has a matched unit.
    assert found["mis_soft_matched"].to_list() == [None] * 3
    assert found["mis_hard_matched"].to_list() == [None] * 3


def predictions_of(hits: list[bool], loss: float) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "image": range(len(hits)),
            "label": [3] * len(hits),
            "top5": [[3, 1, 2, 4, 5] if hit else [1, 3, 2, 4, 5] for hit in hits],
            "loss": [loss] * len(hits),
            "p_label": [0.5] * len(hits),
        }
    )
    return network_tables.PREDICTIONS.conform(frame)


def accounting_of(sparsity: float) -> pl.DataFrame:
    values = {
        "sparsity_prunable": sparsity,
        "sparsity_conv": sparsity / 2,
        "sparsity_all": sparsity / 4,
        "parameters": 1000,
        "nonzero_parameters": round(1000 * (1 - sparsity / 4)),
        "unreached_weights": 60,
        "macs": 5000,
        "effective_macs": 4000,
        "bytes": 4100,
    }
    return network_tables.ACCOUNTING.conform(pl.DataFrame([values]))


def history_of(epochs: int) -> pl.DataFrame:
    rows = [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "lr": 0.1 if epoch else None,
            "train_loss": 1.0 if epoch else None,
            "train_top1": 0.5 if epoch else None,
            "train_images": 32,
            "replaced_images": 0,
            "validation_images": 10,
            "validation_top1": 0.5,
            "validation_loss": 1.0,
            "sparsity": 0.4,
        }
        for epoch in range(epochs + 1)
    ]
    return history_table.HISTORY.conform(pl.DataFrame(rows, infer_schema_length=None))


@pytest.fixture
def networks() -> pl.DataFrame:
    """The table of the three networks; the last one was not trained and has no history."""
    return gathering.networks_table(
        iter(
            [
                predictions_of([True, True, True, False], 0.5),
                predictions_of([True, True, False, False], 1.0),
                predictions_of([False, False, False, False], 2.0),
            ]
        ),
        iter([accounting_of(sparsity) for sparsity in (0.0, 0.4, 0.8)]),
        gathering.gather([history_of(5), history_of(2)], coordinates_of(NETWORKS[:2]), "toy"),
        gathered(UNITS),
        coordinates_of(NETWORKS),
        "toy",
    )


def test_networks_table_is_as_declared(networks: pl.DataFrame, tmp_path: Path) -> None:
    networks = networks.with_columns(agreement=pl.lit(0.5))
    networks = study_tables.NETWORKS.conform(networks)
    study_tables.NETWORKS.write(networks, tmp_path / "networks.parquet")
    assert study_tables.NETWORKS.read(tmp_path / "networks.parquet").equals(networks)


def test_networks_table_by_hand(networks: pl.DataFrame) -> None:
    assert networks.select(coordinates.COLUMNS).to_dicts() == NETWORKS
    expected = {
        "top1": [0.75, 0.5, 0.0],
        "top5": [1.0, 1.0, 1.0],
        "loss": [0.5, 1.0, 2.0],
        "images": [4, 4, 4],
        "sparsity_prunable": [0.0, 0.4, 0.8],
        "sparsity_conv": [0.0, 0.2, 0.4],
        "sparsity_all": [0.0, 0.1, 0.2],
        "parameters": [1000] * 3,
        "nonzero_parameters": [1000, 900, 800],
        "unreached_weights": [60] * 3,
        "macs": [5000] * 3,
        "effective_macs": [4000] * 3,
        "bytes": [4100] * 3,
        "epochs": [5, 2, 0],
        "units": [4, 4, 4],
        "live_units": [4, 3, 2],
        "mis_soft_live": [0.65, 2.0 / 3, 0.72],
        "mis_soft_matched": [0.65, 0.68, 0.72],
    }
    for column, values in expected.items():
        assert networks[column].to_list() == pytest.approx(values), column


# Answers of three networks of two seeds to four images of the classes 0 and 1.
ANSWERS = {
    ("dense", "none", 0.0, 0): [0, 0, 1, 1],
    ("dense", "none", 0.0, 1): [0, 1, 1, 0],
    ("structured", "one_shot", 0.4, 0): [0, 0, 1, 0],
    ("structured", "one_shot", 0.4, 1): [0, 0, 0, 0],
    ("structured", "none", 0.8, 0): [2, 2, 2, 2],
    ("structured", "none", 0.8, 1): [0, 1, 2, 2],
}


def answers_table() -> pl.DataFrame:
    rows = [
        ("toy", *key, image, image // 2, answer)
        for key, given in ANSWERS.items()
        for image, answer in enumerate(given)
    ]
    schema = [*coordinates.COLUMNS, "image", "label", "answer"]
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_agreement_is_with_the_dense_network_of_the_seed() -> None:
    found = gathering.agreement(answers_table())
    assert found["agreement"].to_list() == [1.0, 1.0, 0.75, 0.5, 0.0, 0.5]
    assert [row[1:] for row in found.select(coordinates.COLUMNS).rows()] == list(ANSWERS)


def test_disagreements_are_of_the_most_frequent_answers() -> None:
    """Dense: 0, 0 (of 0 and 1), 1, 0 (of 1 and 0)."""
    found = gathering.disagreements(answers_table()).sort("method", "rate", "image")
    rows = found.select("retraining", "image", "label", "dense", "pruned", "seeds").rows()
    assert rows == [
        ("one_shot", 2, 1, 1, 0, 2),  # 0 of 1 and 0
        ("none", 1, 0, 0, 1, 2),  # 1 of 2 and 1
        ("none", 2, 1, 1, 2, 2),
        ("none", 3, 1, 0, 2, 2),
    ]
    study_tables.DISAGREEMENTS.conform(found)


def test_class_changes_by_hand() -> None:
    rows = [
        ("toy", "dense", "none", 0.0, 0, 0, 0.9),
        ("toy", "dense", "none", 0.0, 0, 1, 0.5),
        ("toy", "structured", "none", 0.8, 0, 0, 0.6),
        ("toy", "structured", "none", 0.8, 0, 1, 0.7),
    ]
    schema = [*coordinates.COLUMNS, "class", "top1"]
    found = gathering.class_changes(pl.DataFrame(rows, schema=schema, orient="row"))
    assert found["top1_change"].to_list() == pytest.approx([0.0, 0.0, -0.3, 0.2])
