"""Networks that cannot be made compact yet: the job goes on, and says what stands in the way."""

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from conftest import PREPROCESSING
from files import load_module
from registries import register_architecture
from torch import nn

from prunescope.compact import cost_tables, costs, sizes
from prunescope.compact.graph import exporting, graph_files, onnx_models
from prunescope.compact.layer_report import describe_masked
from prunescope.evaluate.counts import account
from prunescope.foundation import arrays
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.networks import modules, network_files
from prunescope.networks.description import Description, Layer, Network
from prunescope.networks.exported import steps
from prunescope.prune.masks import PruningMethod, make_masks


class Residual(nn.Module):
    """An operation that compact networks do not know, a grouped convolution, and a head."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.fc = nn.Linear(8, description.classes)
        self.aux = nn.Linear(8, description.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.norm(self.stem(images)))
        features = torch.cumsum(maps + self.grouped(maps), dim=1).mean(dim=(2, 3))
        return (self.fc(features), self.aux(features)) if self.training else self.fc(features)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> tuple[Network, Network]:
    """The dense network, and one with half of the filters and of the input channels gone."""
    register_architecture(monkeypatch, "residual", Residual)
    torch.manual_seed(0)
    layers = (
        Layer("stem", "conv2d", (8, 3, 3, 3), (8, 8), batch_norm="norm"),
        Layer("grouped", "conv2d", (8, 2, 3, 3), (8, 8), groups=4),
        Layer("fc", "linear", (5, 8), (1, 1)),
        Layer("aux", "linear", (5, 8), (0, 0), auxiliary=True),
    )
    description = Description("residual", 5, 8, **PREPROCESSING, layers=layers)
    dense = modules.to_network(Residual(description), description)
    masks = make_masks(dense, PruningMethod("filter", "layer", "l1"), 0.5, exclude=["grouped"])
    channels = PruningMethod("input_channel", "layer", "l1")
    masks |= make_masks(dense, channels, 0.5, exclude=["stem"])
    return dense, dense.masked(masks)


def run(script: str, folder: Path, outputs: dict[str, str], **params: object) -> None:
    names = {"network": "network.safetensors", "dense": "dense.safetensors",
             "images": "images.npy", "labels": "labels.npy", "tensors": "compact.safetensors",
             "description": "compact.json", "onnx": "compact.onnx",
             "graph": "graph.json"}  # fmt: skip
    smk = SimpleNamespace(
        input=SimpleNamespace(**{key: folder / name for key, name in names.items()}),
        output=SimpleNamespace(**{key: folder / name for key, name in outputs.items()}),
        params=SimpleNamespace(**params),
        threads=1,
    )
    load_module(SCRIPTS / f"{script}.py").main(smk)


@pytest.fixture
def made(
    networks: tuple[Network, Network], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Path:
    """What `compact_network` leaves."""
    recorded = exporting.export_graph(Residual(networks[0].description).eval(), 8)
    assert recorded.stays_masked == "cumsum"
    steps.save(recorded, tmp_path / "graph.json", tmp_path / "graph.safetensors")
    network_files.save(networks[0], tmp_path / "dense.safetensors")
    network_files.save(networks[1], tmp_path / "network.safetensors")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(10, 3, 8, 8), dtype=np.uint8)
    arrays.save_array(images, tmp_path / "images.npy")
    arrays.save_array(np.arange(10) % 5, tmp_path / "labels.npy")
    outputs = {"tensors": "compact.safetensors", "description": "compact.json",
               "onnx": "compact.onnx", "compaction": "compaction.parquet",
               "sizes": "sizes.parquet"}  # fmt: skip
    with caplog.at_level(logging.WARNING):
        run("compact_network", tmp_path, outputs, unreached="left_out", round_to=1)
    assert "stays masked: compact networks have no counterpart of cumsum" in caplog.text
    return tmp_path


def test_the_tables_name_the_operation_and_count_what_stays(
    made: Path, networks: tuple[Network, Network]
) -> None:
    dense, masked = networks
    rows = cost_tables.SIZES.read(made / "sizes.parquet")
    assert rows["variant"].to_list() == ["dense", "masked"]
    assert set(rows["kept_masked"]) == {"cumsum"}
    for row, network in zip(rows.to_dicts(), (dense, masked), strict=True):
        whole = account(network)
        heads = network.tensors["aux.weight"].size + 5
        assert row["parameters"] == whole["parameters"] - heads
        assert row["nonzero_parameters"] == whole["nonzero_parameters"] - heads
        assert row["macs"] == whole["macs"]
        assert row["bytes"] == whole["bytes"] - 4 * heads
    layers = cost_tables.COMPACTION.read(made / "compaction.parquet")
    assert layers["layer"].to_list() == ["stem", "grouped", "fc"]
    assert set(layers["kept_masked"]) == {"cumsum"}
    stem, grouped, fc = layers.to_dicts()
    for row in (stem, grouped, fc):
        assert row["filters_kept"] == row["filters"]
        assert (row["inputs_kept"], row["weights_kept"]) == (row["inputs"], row["weights"])
    assert [row["inputs"] for row in (stem, grouped, fc)] == [3, 8, 8]
    zeros = ("zeros_filters", "zeros_inputs", "zeros_kernels", "zeros_weights")
    assert [stem[name] for name in zeros] == [4 * 27, 0, 0, 0]
    # Four of eight channels, which two filters of nine weights read each.
    assert sum(grouped[name] for name in zeros) == 4 * 2 * 9
    assert [fc[name] for name in zeros] == [0, 0, 0, 0]


def test_zeros_of_a_grouped_layer_by_the_largest_piece(networks: tuple[Network, Network]) -> None:
    _, masked = networks
    weight = np.ones((8, 2, 3, 3), np.float32)
    weight[0] = 0  # a filter
    weight[2:4, 1] = 0  # an input channel of the second group
    weight[4, 0] = 0  # a kernel
    weight[7, 1, 1, 1] = 0
    network = Network(masked.description, {**masked.tensors, "grouped.weight": weight})

    row = describe_masked(network, {}, "add")[1]
    assert [row[f"zeros_{name}"] for name in ("filters", "inputs", "kernels", "weights")] == [
        18, 18, 9, 1
    ]  # fmt: skip


def test_weights_that_no_image_reaches_do_not_count(networks: tuple[Network, Network]) -> None:
    dense, _ = networks
    counted = {"grouped.weight": np.zeros((1, 1, 3, 3), bool)}
    counted["grouped.weight"][..., 1, 1] = True
    whole, part = (sizes.count_whole(dense, reached) for reached in (None, counted))
    assert whole["parameters"] - part["parameters"] == 8 * 2 * 8
    assert whole["macs"] == part["macs"]


def test_the_files_are_whole_and_say_why_they_hold_the_masked_network(
    made: Path, networks: tuple[Network, Network]
) -> None:
    found = graph_files.load(made / "compact.json")
    assert found.kept_masked == "cumsum"
    assert found.graph.nodes == ()
    for name, tensor in networks[1].tensors.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
    metadata = onnx_models.read_metadata(str(made / "compact.onnx"))
    assert metadata["kept_masked"] == "cumsum"
    assert metadata["network"]["classes"] == 5
    check = load_module(SCRIPTS / "tools" / "check_onnx.py")
    with pytest.raises(Exception, match="holds no model: cumsum stands in the way"):
        check.described(made / "compact.onnx")


def test_the_masked_network_is_timed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs.timing, "peak_memory", lambda work, warm_up: 100)
    run("measure_costs", made, {"costs": "costs.parquet"}, rounds=2)
    rows = cost_tables.COSTS.read(made / "costs.parquet")
    assert rows.select("variant", "runtime", "batch").rows() == [
        (variant, "pytorch", batch) for batch in costs.BATCHES for variant in ("dense", "masked")
    ]
    assert set(rows["kept_masked"]) == {"cumsum"}
    assert rows.filter(pl.col("seconds") <= 0).is_empty()
