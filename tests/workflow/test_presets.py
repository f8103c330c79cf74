"""The presets: planned without ImageNet; the paper's run from end to end on a small folder."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from imagefolders import make_imagenet
from servers import serving
from torchvision.models import googlenet
from workspaces import PROJECT, Workspace, temporary_project

from prunescope.networks import description, network_files
from prunescope.study.config import reading
from prunescope.study.results import all_tables
from prunescope.study.study import Study
from prunescope.summarize.charts.all_charts import CHARTS
from prunescope.summarize.charts.cost_charts import COST_CHARTS

pytestmark = pytest.mark.slow

SYNSETS = 10
SMALL = "config/paper_small.yaml"


def preset(name: str) -> dict[str, Any]:
    return reading.read(PROJECT / "config" / f"{name}.yaml").values


@pytest.mark.parametrize(("name", "networks"), [("paper", 48), ("corrected", 342)])
def test_a_preset_is_planned_without_imagenet(blank: Workspace, name: str, networks: int) -> None:
    done = blank.snakemake("--dry-run", "--quiet", "rules", config=f"config/{name}.yaml")
    assert done.returncode == 0, done.stderr
    assert "This is only a plan: the images of dataset 'imagenet' are not there" in done.stdout
    assert "data/imagenet" in done.stdout
    # No checksum of DreamSim's archive is published: the first download records it.
    assert "sha256" not in done.stdout
    study = Study(preset(name))
    assert len(study.networks) == networks
    made = {study.made_as(network) for network in study.networks}
    assert blank.stale(config=f"config/{name}.yaml")["evaluate_network"] == len(made)
    assert not blank.path("results").exists()


@pytest.mark.parametrize("name", ["cifar10_resnet20", "resnet50_imagenet", "vit_small_imagenet"])
def test_an_example_is_planned_without_its_images(blank: Workspace, name: str) -> None:
    study = Study(preset(name))
    made = {study.made_as(network) for network in study.networks}
    jobs = blank.stale(config=f"config/{name}.yaml")
    assert jobs["evaluate_network"] == len(made)
    assert jobs["retrain_network"] == len(study.trained_networks)
    assert jobs["import_checkpoint"] == len(study.config["seeds"])
    assert "train_dense" not in jobs
    assert not blank.path("results").exists()


@pytest.mark.parametrize("name", ["criteria", "lottery"])
def test_a_study_of_the_default_data_is_planned(blank: Workspace, name: str) -> None:
    study = Study(preset(name))
    jobs = blank.stale(config=f"config/{name}.yaml")
    made = {study.made_as(network) for network in study.networks}
    pruned = [network for network in made if network.method != "dense"]
    assert jobs["prune_network"] + jobs.get("prune_measured_network", 0) == len(pruned)
    assert jobs["retrain_network"] + jobs["train_dense"] == len(study.trained_networks)
    assert jobs["evaluate_network"] == len(made)
    assert not blank.path("results").exists()


def test_the_groups_of_the_cluster_fit_the_largest_preset(blank: Workspace) -> None:
    """Snakemake would refuse a group that waits for itself."""
    done = blank.snakemake(
        "--dry-run", "--quiet", "rules", "--profile", "profiles/slurm",
        config="config/corrected.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_preset_does_not_start_without_imagenet(blank: Workspace) -> None:
    done = blank.snakemake(config="config/paper.yaml")
    assert done.returncode != 0
    assert "data/imagenet" in done.stderr
    assert "Traceback" not in done.stderr
    assert not blank.path("results/datasets").exists()


def small(url: str, sha256: str) -> dict[str, Any]:
    """The paper's preset with what ten synsets and a minute allow."""
    config = preset("paper")
    config["model"]["checkpoint"] = {"url": url, "sha256": sha256, "transform_input": True}
    dataset = config["datasets"]["imagenet"]
    dataset |= {"image_size": 48, "resize": 56, "probe": {"images": 60, "seed": 0}}
    config["pruning"]["rates"] = [0.4, 0.8]
    for method in config["pruning"]["methods"].values():
        if method["rates"]:
            method["rates"] = method["rates"][-2:]
    for recipe in config["recipes"].values():
        recipe |= {"epochs": 1, "batch": 16, "history_images": 40}
    # CPUs emulate fp16, at a tenth of the speed: two recipes with it are enough.
    config["recipes"]["sgd"]["precision"] = "bf16"
    config["interpretability"] |= {
        "exemplars": {"per_side": 20, "ties": "dataset_order", "seed": 0},
        "similarity": {
            "metric": "timm:tf_efficientnet_lite0",
            "image_size": 64,
            "largest_matrix_mb": 4000,
        },
        "mis": {"explanations": 3, "tasks": 5, "tau": 0.16, "draw": "imi", "seed": 0},
        "activations": {"images": 60, "seed": 0},
        "ablation": {"units": 4, "images": 20, "seed": 0},
    }
    config["statistics"]["resamples"] = 50
    return config


def weights() -> bytes:
    torch.manual_seed(0)
    module = googlenet(weights=None, num_classes=SYNSETS, aux_logits=True, init_weights=False)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    return file.getvalue()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The small version of the paper's preset, run to its end."""
    with temporary_project(tmp_path_factory, "paper") as workspace:
        make_imagenet(workspace.path("data/imagenet"), SYNSETS, train_per_class=8)
        body = weights()
        with pytest.MonkeyPatch.context() as patch, serving(body) as server:
            patch.setenv("no_proxy", "*")
            config = small(server.url, hashlib.sha256(body).hexdigest())
            workspace.path(SMALL).write_text(yaml.safe_dump(config))
            done = workspace.snakemake(config=SMALL)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def table(workspace: Workspace, name: str) -> pl.DataFrame:
    return all_tables.ALL_TABLES[name].read(workspace.path(f"results/paper/tables/{name}.parquet"))


def network(workspace: Workspace, coordinates: str) -> description.Network:
    folder = workspace.path(f"results/paper/networks/{coordinates}/seed0")
    return network_files.load(folder / "network.safetensors")


def test_every_table_and_every_figure_is_there(paper: Workspace) -> None:
    networks = table(paper, "networks")
    assert len(networks) == 22
    assert networks["images"].unique().to_list() == [40]
    assert set(table(paper, "units")["unit"].unique()) >= set(range(SYNSETS))
    assert not table(paper, "classes").is_empty()
    assert not table(paper, "statistics").is_empty()
    charts = paper.path("results/paper/charts")
    kinds = ("html", "svg", "png", "json", "txt")
    made = {f"{chart}.{kind}" for chart in [*CHARTS, *COST_CHARTS] for kind in kinds}
    assert {path.name for path in charts.iterdir()} == made


def test_published_numbers_have_their_counterparts(paper: Workspace) -> None:
    published = table(paper, "published")
    ours = published.filter(pl.col("ours").is_not_null())
    assert set(ours["figure"]) >= {1, 2, 3, 4, 5}
    networks = table(paper, "networks")
    row = ours.filter(figure=4, our_method="structured", our_retraining="one_shot_adam", rate=0.8)
    assert len(row) == 1
    expected = networks.filter(method="structured", retraining="one_shot_adam", rate=0.8)["top1"]
    assert row["ours"].item() == expected.item()
    assert row["difference"].item() == pytest.approx(expected.item() - row["published"].item())


def test_the_dense_network_is_the_one_that_was_served(paper: Workspace) -> None:
    dense = network(paper, "dense/none/rate0.00")
    assert dense.description.transform_input
    assert dense.description.auxiliary_heads
    state = torch.load(io.BytesIO(weights()), weights_only=True)
    for name, tensor in state.items():
        np.testing.assert_array_equal(dense.tensors[name], tensor.numpy(), err_msg=name)


def test_auxiliary_heads_are_trained_and_not_measured(paper: Workspace) -> None:
    dense = network(paper, "dense/none/rate0.00")
    retrained = network(paper, "structured/one_shot/rate0.40")
    assert (retrained.tensors["aux1.fc1.weight"] != dense.tensors["aux1.fc1.weight"]).any()
    assert not table(paper, "units")["layer"].str.starts_with("aux").any()


def sparsity(workspace: Workspace, **coordinates: object) -> pl.DataFrame:
    return table(workspace, "networks").filter(**coordinates)


def test_sparsity_is_the_published_one_where_layer_shapes_decide_it(paper: Workspace) -> None:
    """All convolutions, heads included: arXiv 2409.19727, from its logs."""
    structured = sparsity(paper, method="structured", retraining="one_shot").sort("rate")
    assert structured["sparsity_conv"].round(4).to_list() == [0.3822, 0.7637]
    pruned = sparsity(paper, method="connection_sparsity", retraining="none").sort("rate")
    assert pruned["sparsity_conv"].round(4).to_list() == [0.3795, 0.7617]


def test_connection_sparsity_regrows_and_the_others_do_not(paper: Workspace) -> None:
    regrown = sparsity(paper, method="connection_sparsity", retraining="one_shot")
    assert (regrown["sparsity_conv"] < 0.05).all()
    held = sparsity(paper, method="local_unstructured", retraining="one_shot").sort("rate")
    assert held["sparsity_prunable"].round(2).to_list() == pytest.approx([0.4, 0.8], abs=0.05)


def test_global_rates_are_cumulative(paper: Workspace) -> None:
    found = sparsity(paper, method="global_unstructured", retraining="one_shot").sort("rate")
    masks = network(paper, "global_unstructured/one_shot/rate0.80").masks
    size = sum(mask.size for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert 1 - kept / size == pytest.approx(1 - 0.6 * 0.2, abs=1e-6)
    assert found["sparsity_all"].is_sorted()


def test_nothing_is_left_to_do(paper: Workspace) -> None:
    assert paper.stale(config=SMALL) == {}
    assert not list(Path(paper.path("results")).rglob("training.*"))
