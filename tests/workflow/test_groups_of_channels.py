"""Groups of channels of a transformer are pruned, held in training, tabulated, and shown."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import yaml
from workspaces import Workspace, temporary_project

from prunescope.networks import network_files

CONFIG = "config/groups.yaml"
NETWORKS = "results/groups/networks/channel_groups/iterative"
TABLE = "results/groups/tables/channel_groups.parquet"
TARGETS = [f"{NETWORKS}/rate0.60/seed0/network.safetensors", TABLE]
STUDY: dict[str, Any] = {
    "study": "groups",
    "extends": "tiny.yaml",
    "model": {
        "architecture": "timm:vit_tiny_patch16_224",
        "options": {
            "init_weights": None, "img_size": 32, "patch_size": 8, "embed_dim": 20,
            "num_heads": 5, "depth": 2,
        },
        "retraining": ["iterative"],
    },
    "pruning": {
        "exclude": ["classifier"],
        "methods": {
            "global_unstructured": None,
            "structured": None,
            "channel_groups": {
                "granularity": "channel_group", "scope": "layer", "criterion": "l1",
                "layers": ["conv2d", "linear"], "biases": False, "retraining": ["iterative"],
            },
        },
    },
    "retraining": {"one_shot": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with temporary_project(tmp_path_factory, "groups") as workspace:
        workspace.path(CONFIG).write_text(yaml.safe_dump(STUDY))
        done = workspace.snakemake("--", *TARGETS, config=CONFIG)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def test_each_level_holds_the_pieces_of_the_one_before(made: Workspace) -> None:
    lower, higher = (
        network_files.load(made.path(f"{NETWORKS}/rate{rate}/seed0/network.safetensors"))
        for rate in ("0.30", "0.60")
    )
    for network, gone in ((lower, 6), (higher, 12)):
        for name in ("cls_token", "pos_embed", "norm.weight", "blocks.0.norm1.bias"):
            assert not network.tensors[name][~network.masks[name]].any()
            assert (~network.masks[name]).reshape(-1, 20).all(axis=0).sum() == gone
        # The classifier is excluded, but it reads the stream.
        assert (~network.masks["head.weight"]).all(axis=0).sum() == gone
    for name, mask in lower.masks.items():
        assert not (higher.masks[name] & ~mask).any()
    # Of five heads, 0.3 * 5 is rounded to the even 2, and 3 go in the end.
    heads = [~network.masks["blocks.0.attn.proj.weight"].any(axis=0) for network in (lower, higher)]
    assert [int(one.reshape(5, 4).all(axis=1).sum()) for one in heads] == [2, 3]


def test_the_table_tells_what_goes_together(made: Workspace) -> None:
    table = pl.read_parquet(made.path(TABLE))
    stream = table.filter(pl.col("name") == "pos_embed").row(0, named=True)
    assert (stream["pieces"], stream["left_whole"], stream["axis"]) == (20, "", 2)
    makers = table.filter(pl.col("group") == stream["group"], pl.col("side") == "out")
    assert set(makers["name"]) == {
        "patch_embed.proj", "blocks.0.attn.proj", "blocks.0.mlp.fc2", "blocks.1.attn.proj",
        "blocks.1.mlp.fc2",
    }  # fmt: skip
    assert set(table.filter(pl.col("left_whole") != "")["name"]) == {"head"}
    log = made.path("results/logs/groups/tabulate_groups.log").read_text()
    assert "6 groups of channels, of which 1 are left whole" in log


def test_sparsity_is_measured(made: Workspace) -> None:
    history = pl.read_parquet(made.path(f"{NETWORKS}/rate0.60/seed0/history.parquet"))
    network = network_files.load(made.path(TARGETS[0]))
    zeros = sum(int((~mask).sum()) for mask in network.masks.values())
    size = sum(mask.size for mask in network.masks.values())
    assert history["sparsity"][-1] == pytest.approx(zeros / size)
    assert history["train_loss"].drop_nulls().is_finite().all()


def test_a_study_of_which_nothing_can_be_pruned_is_refused(made: Workspace) -> None:
    study = {**STUDY, "pruning": {**STUDY["pruning"], "exclude": ["classifier", "*"]}}
    made.path("config/refused.yaml").write_text(yaml.safe_dump({**study, "study": "refused"}))
    done = made.snakemake("-n", config="config/refused.yaml")
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "pruning.methods.channel_groups.granularity" in told
    assert "no group of channels" in told
