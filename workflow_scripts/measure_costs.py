"""Compare the run time and memory of a compact network with the dense and the masked one."""

import os
from pathlib import Path

import polars as pl

# Must be set before torch is imported. torch's idle threads must not spin, because this would take
# cores from the network that is timed next. onnxruntime's threads do not spin either.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from prunescope.compact import compared_forms, cost_tables, costs
from prunescope.compact.graph import graph_files
from prunescope.data import packed_images
from prunescope.foundation import job
from prunescope.networks import network_files
from prunescope.networks.exported import steps


def main(smk) -> None:
    dense = network_files.load(smk.input.dense)
    compact = graph_files.load(smk.input.description)
    loaders = compared_forms.loaders(
        dense,
        network_files.load(smk.input.network),
        compact,
        Path(smk.input.onnx).read_bytes(),
        smk.threads,
        steps.load(smk.input.graph),
    )
    small = compared_forms.small_loaders(dense.description, smk.threads)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    rows = []
    for row in costs.measure_costs(loaders, small, images, dense.description, smk.params.rounds):
        rows.append({"threads": smk.threads, "kept_masked": compact.kept_masked, **row})
        job.log.info("%s", rows[-1])
    cost_tables.COSTS.write(cost_tables.COSTS.conform(pl.DataFrame(rows)), smk.output.costs)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
