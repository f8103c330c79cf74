"""Remove the pruned parts of a network, and check that its outputs stay the same."""

import polars as pl

from prunescope.compact import compared_forms, cost_tables, removal, sizes
from prunescope.compact.graph import batch_norms, graph_files, onnx_models, tracing
from prunescope.data import packed_images
from prunescope.foundation import job, whole_files
from prunescope.networks import network_files, reach


def main(smk) -> None:
    dense, network = network_files.load(smk.input.dense), network_files.load(smk.input.network)
    job.log.info(
        "weights that no image reaches: %s",
        reach.in_words(network.description, smk.params.unreached),
    )
    counted = reach.counted(network.description, smk.params.unreached)
    graph = tracing.trace(network.description)
    made = removal.compact(*batch_norms.fold_batch_norms(graph, network.tensors), counted)
    compact = graph_files.CompactNetwork(network.description, made.graph, made.tensors)
    model = onnx_models.to_onnx(made.graph, made.tensors, network.description)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    differences, rounding = compared_forms.check(network, compact, model, images)
    job.log.info(
        "largest difference of outputs, relative: %s; rounding of the network itself: %.2g",
        differences,
        rounding,
    )
    positions = {
        layer.name: layer.output_size[0] * layer.output_size[1]
        for layer in network.description.main_layers
    }
    variants = {
        "dense": (graph, dense.tensors),
        "masked": (graph, network.tensors),
        "compact": (made.graph, made.tensors),
    }
    rows = [
        {"variant": name, **sizes.count(*of, positions, counted)} for name, of in variants.items()
    ]
    job.log.info("parameters: %s", {row["variant"]: row["parameters"] for row in rows})
    cost_tables.SIZES.write(cost_tables.SIZES.conform(pl.DataFrame(rows)), smk.output.sizes)
    layers = pl.DataFrame(made.layers)
    cost_tables.COMPACTION.write(cost_tables.COMPACTION.conform(layers), smk.output.compaction)
    graph_files.save(compact, smk.output.description, smk.output.tensors)
    with whole_files.atomic(smk.output.onnx) as temporary:
        temporary.write_bytes(model)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
