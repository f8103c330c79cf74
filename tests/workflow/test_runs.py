"""A study of several runs, with chains of pruned networks and of their dense partners."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
import yaml
from workspaces import Workspace, temporary_project

from prunescope.foundation import arrays, tables
from prunescope.interpret import mis, unit_tables
from prunescope.networks import network_files
from prunescope.summarize import study_tables

pytestmark = pytest.mark.slow

FILTERS = {
    "granularity": "filter",
    "scope": "layer",
    "criterion": "l1",
    "layers": ["conv2d"],
    "biases": False,
}
OWN = {
    "extends": "tiny.yaml",
    "seeds": [0, 1],
    "model": {"retraining": ["one_shot", "iterative"]},
    "pruning": {
        "methods": {
            "global_unstructured": None,
            "structured": {"retraining": ["none", "one_shot", "iterative"]},
            # The same, but without a network that its first one is equal to.
            "chain_alone": {**FILTERS, "retraining": ["iterative"]},
        }
    },
    "sensitivity": {
        "rates": [],
        "seeds": [1],
        "variants": {"probe_200": {"probe": {"images": 200, "seed": 0}}},
    },
    "compact": {"rates": []},
}
NETWORKS = "results/tiny/networks"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with temporary_project(tmp_path_factory, "runs") as workspace:
        workspace.path("config/runs.yaml").write_text(yaml.safe_dump(OWN))
        done = workspace.snakemake(config="config/runs.yaml")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def test_the_first_network_of_a_chain_is_that_of_one_shot_retraining(study: Workspace) -> None:
    """Made once under one name. Where it has no equal, it is made, and has the same tensors."""
    assert not study.path(f"{NETWORKS}/structured/iterative/rate0.30").exists()
    assert not study.path(f"{NETWORKS}/dense/iterative/rate0.30").exists()
    folder = f"{NETWORKS}/{{}}/rate0.30/seed1/network.safetensors"
    one_shot = network_files.load(study.path(folder.format("structured/one_shot")))
    first = network_files.load(study.path(folder.format("chain_alone/iterative")))
    assert one_shot.masks.keys() == first.masks.keys() != set()
    for name, tensor in one_shot.tensors.items():
        assert np.array_equal(tensor, first.tensors[name]), name
    later = f"{NETWORKS}/{{}}/iterative/rate0.60/seed1/network.safetensors"
    both = [
        network_files.load(study.path(later.format(name))) for name in ("structured", "chain_alone")
    ]
    for name, tensor in both[0].tensors.items():
        assert np.array_equal(tensor, both[1].tensors[name]), name


def test_tables_name_it_by_both_names(study: Workspace) -> None:
    networks = study_tables.NETWORKS.read(study.path("results/tiny/tables/networks.parquet"))
    assert networks["seed"].value_counts().sort("seed")["count"].to_list() == [13, 13]
    equal = networks.filter(method="structured", rate=0.3, seed=0)
    numbers = equal.filter(pl.col("retraining") != "none").drop("retraining")
    assert numbers.unique().height == 1 < numbers.height


def test_iterative_networks_have_a_partner_that_was_retrained_as_often(study: Workspace) -> None:
    found = study_tables.STATISTICS.read(study.path("results/tiny/tables/statistics.parquet"))
    over_runs = found.filter(quantity="mis_soft_change", retraining="iterative")
    alike = over_runs.filter(pl.col("family").str.contains("dense retrained alike, over runs"))
    assert sorted(alike.select("pruning", "rate").rows()) == [
        ("chain_alone", 0.3), ("chain_alone", 0.6), ("structured", 0.3), ("structured", 0.6),
    ]  # fmt: skip
    # By hand: the mean over both runs of the mean over units that are live in both networks.
    units = study_tables.UNITS.read(study.path("results/tiny/tables/units.parquet"))
    channels = units.filter(
        ~pl.col("constant"), layer_type="conv2d", retraining="iterative", rate=0.6
    )
    pruned = channels.filter(method="structured")
    partner = channels.filter(method="dense").select("seed", "layer", "unit", before="mis_soft")
    joined = pruned.join(partner, on=["seed", "layer", "unit"])
    means = joined.group_by("seed").agg((pl.col("mis_soft") - pl.col("before")).mean())["mis_soft"]
    row = alike.filter(pruning="structured", rate=0.6).row(0, named=True)
    assert row["estimate"] == pytest.approx(means.mean())
    assert row["n"] == 2
    assert row["low"] < row["estimate"] < row["high"]


def test_a_variant_may_look_at_more_images_than_the_study(study: Workspace) -> None:
    """In the networks of the runs that are varied; the exemplars are among all 200 images."""
    folder = study.path(f"{NETWORKS}/dense/none/rate0.00")
    found = unit_tables.EXEMPLARS_ELSEWHERE.read(
        folder / "seed1" / "exemplars_probe-200-seed0.parquet"
    )
    assert found["strongest"].explode().max() > 119
    assert not (folder / "seed0" / "exemplars_probe-200-seed0.parquet").exists()
    variants = unit_tables.VARIANTS.read(folder / "seed1" / "variants.parquet")
    scores = {
        name: rows["mis_soft"].to_numpy()
        for (name,), rows in variants.group_by("variant", maintain_order=True)
    }
    assert not np.allclose(scores["probe_200"], scores["unchanged"])
    similarity = arrays.load_array(
        study.path(
            "results/datasets/fashion_mnist_tiny/probe-200-seed0/"
            "similarity_timm-tf_efficientnet_lite0-64px.npy"
        )
    )
    strong, weak = (tables.matrix(found[side]) for side in ("strongest", "weakest"))
    settings = mis.ScoreSettings(3, 5, 0.16, "imi", 0)
    np.testing.assert_allclose(
        scores["probe_200"], mis.score_units(strong, weak, similarity, settings)[0]
    )


def test_every_kind_gets_a_verdict(study: Workspace) -> None:
    summary = study.path("results/tiny/summary.md").read_text()
    rows = [line for line in summary.splitlines() if line.startswith(("| structured", "| chain"))]
    # The first network of the chain, which has two names, takes one row.
    assert len(rows) == 7
    verdicts = {row.split("|")[-2].strip() for row in rows}
    assert verdicts <= {"within the margin", "lower", "higher", "undecided"}
    assert "in 2 independent runs" in summary
