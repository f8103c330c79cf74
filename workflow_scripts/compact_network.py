"""Remove the pruned parts of a network, and check that its outputs stay the same."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from prunescope.compact import compared_forms, cost_tables, layer_report, removal, sizes
from prunescope.compact.graph import batch_norms, graph_files, lowering, onnx_models
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.operations.operation import CannotCompactError
from prunescope.data import packed_images
from prunescope.foundation import job, whole_files
from prunescope.networks import network_files, reach
from prunescope.networks.description import Network
from prunescope.networks.exported import steps
from prunescope.networks.exported.steps import Recorded


class Made(NamedTuple):
    """What the job writes: the network, its ONNX file, rows of layers, sizes by variant."""

    compact: graph_files.CompactNetwork
    model: bytes
    layers: list[dict[str, Any]]
    sizes: dict[str, dict[str, int]]


def make_compact(
    smk, recorded: Recorded, dense: Network, network: Network, counted: Mapping[str, np.ndarray]
) -> Made:
    """Remove what was pruned, and check the outputs."""
    graph, tensors = lowering.of_network(recorded, network)
    folded = batch_norms.fold_batch_norms(graph, tensors)
    made = removal.compact(*folded, counted, smk.params.round_to)
    compact = graph_files.CompactNetwork(network.description, made.graph, made.tensors)
    model = onnx_models.to_onnx(made.graph, made.tensors, network.description)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    differences, rounding = compared_forms.check(network, compact, model, images)
    job.log.info(
        "largest difference of outputs, relative: %s; rounding of the network itself: %.2g",
        differences,
        rounding,
    )
    variants = {
        "dense": lowering.of_network(recorded, dense),
        "masked": (graph, tensors),
        "compact": (made.graph, made.tensors),
    }
    rows = {name: sizes.count(*of, counted) for name, of in variants.items()}
    return Made(compact, model, made.layers, rows)


def keep_masked(
    operation: str, dense: Network, network: Network, counted: Mapping[str, np.ndarray]
) -> Made:
    """The same results of a network that cannot be made compact yet."""
    return Made(
        graph_files.CompactNetwork(network.description, Graph(()), network.tensors, operation),
        onnx_models.without_model(network.description, operation),
        layer_report.describe_masked(network, counted, operation),
        {
            name: sizes.count_whole(of, counted)
            for name, of in {"dense": dense, "masked": network}.items()
        },
    )


def main(smk) -> None:
    dense, network = network_files.load(smk.input.dense), network_files.load(smk.input.network)
    job.log.info(
        "weights that no image reaches: %s",
        reach.in_words(network.description, smk.params.unreached),
    )
    counted = reach.counted(network.description, smk.params.unreached)
    try:
        made = make_compact(smk, steps.load(smk.input.graph), dense, network, counted)
    except CannotCompactError as error:
        job.log.warning("the network stays masked: %s", error)
        made = keep_masked(error.operation, dense, network, counted)
    kept = made.compact.kept_masked
    rows = [{"variant": name, "kept_masked": kept, **row} for name, row in made.sizes.items()]
    job.log.info("parameters: %s", {row["variant"]: row["parameters"] for row in rows})
    cost_tables.SIZES.write(cost_tables.SIZES.conform(pl.DataFrame(rows)), smk.output.sizes)
    layers = pl.DataFrame(made.layers)
    cost_tables.COMPACTION.write(cost_tables.COMPACTION.conform(layers), smk.output.compaction)
    graph_files.save(made.compact, smk.output.description, smk.output.tensors)
    with whole_files.atomic(smk.output.onnx) as temporary:
        temporary.write_bytes(made.model)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
