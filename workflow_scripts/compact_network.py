"""Remove the pruned parts of a network, and check that its outputs stay the same."""

import numpy as np
import polars as pl
import torch

from prunescope.compact import cost_tables, equivalence, removal, sizes
from prunescope.compact.graph import (
    batch_norms,
    graph_files,
    onnx_models,
    onnx_sessions,
    torch_modules,
    tracing,
)
from prunescope.data import packed_images
from prunescope.foundation import job, whole_files
from prunescope.networks import modules, network_files, preprocessing

# Number of images on which the outputs are compared.
CHECKED = 32


def main(smk) -> None:
    dense, network = network_files.load(smk.input.dense), network_files.load(smk.input.network)
    graph = tracing.trace(network.description)
    made = removal.compact(*batch_norms.fold_batch_norms(graph, network.tensors))
    model = onnx_models.to_onnx(made.graph, made.tensors, network.description)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels).images[:CHECKED]
    check(network, made, model, np.array(images))

    positions = {
        layer.name: layer.output_size[0] * layer.output_size[1]
        for layer in network.description.measured_layers
    }
    variants = {
        "dense": (graph, dense.tensors),
        "masked": (graph, network.tensors),
        "compact": (made.graph, made.tensors),
    }
    rows = [{"variant": name, **sizes.count(*of, positions)} for name, of in variants.items()]
    job.log.info("parameters: %s", {row["variant"]: row["parameters"] for row in rows})
    cost_tables.SIZES.write(cost_tables.SIZES.conform(pl.DataFrame(rows)), smk.output.sizes)
    layers = pl.DataFrame(made.layers)
    cost_tables.COMPACTION.write(cost_tables.COMPACTION.conform(layers), smk.output.compaction)
    compact = graph_files.CompactNetwork(network.description, made.graph, made.tensors)
    graph_files.save(compact, smk.output.description, smk.output.tensors)
    with whole_files.atomic(smk.output.onnx) as temporary:
        temporary.write_bytes(model)


def check(network, made, model, images) -> None:
    """Fail unless the compact network has the outputs of the masked one, in both runtimes."""
    inputs = preprocessing.to_input(images, network.description)
    with torch.inference_mode():
        masked = modules.to_module(network)
        expected = masked(inputs).numpy()
        outputs = torch_modules.build(made.graph, made.tensors)(inputs).numpy()
        exact = masked.double()(inputs.double()).numpy()
    in_onnx = onnx_sessions.open_session(model, 1)(np.ascontiguousarray(inputs.numpy()))
    rounding = equivalence.difference(exact, expected)
    differences = equivalence.require(
        expected, {"pytorch": outputs, "onnxruntime": in_onnx}, rounding
    )
    job.log.info(
        "largest difference of outputs, relative: %s; rounding of the network itself: %.2g",
        differences,
        rounding,
    )


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
