"""Compare the run time and memory of a compact network with the dense and the masked one."""

import os
from pathlib import Path

import polars as pl

# Must be set before torch is imported. torch's idle threads must not spin, because this would take
# cores from the network that is timed next. onnxruntime's threads do not spin either.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from prunescope.compact import compared_forms, cost_tables, timing
from prunescope.compact.graph import graph_files
from prunescope.data import packed_images
from prunescope.foundation import job
from prunescope.networks import network_files

BATCHES = (1, 32)


def main(smk) -> None:
    dense = network_files.load(smk.input.dense)
    loaders = compared_forms.loaders(
        dense,
        network_files.load(smk.input.network),
        graph_files.load(smk.input.description),
        Path(smk.input.onnx).read_bytes(),
        smk.threads,
    )
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels).images
    small = compared_forms.small_loaders(dense.description, smk.threads)

    def use(load, batch):
        return lambda: load()(compared_forms.batch_of(images, batch, dense.description))

    # Memory first: it is measured in forks of this process, which must not have threads yet.
    peaks = {
        (runtime, variant, batch): timing.peak_memory(
            use(loaders[runtime][variant], batch), warm_up=use(small[runtime], 1)
        )
        for runtime, variant, batch in compared_forms.measurements(loaders, BATCHES)
    }
    runs = {
        (runtime, variant): load()
        for runtime, kinds in loaders.items()
        for variant, load in kinds.items()
    }
    rows = []
    for runtime, kinds in loaders.items():
        for batch in BATCHES:
            given = compared_forms.batch_of(images, batch, dense.description)
            turns = {
                variant: lambda run=runs[runtime, variant], given=given: run(given)
                for variant in kinds
            }
            measured = timing.compare(timing.take_turns(turns, smk.params.rounds), "dense")
            for variant, times in measured.items():
                peak = peaks[runtime, variant, batch]
                rows.append(
                    {
                        "variant": variant,
                        "runtime": runtime,
                        "batch": batch,
                        "threads": smk.threads,
                        "rounds": smk.params.rounds,
                        **times,
                        "peak_memory": peak,
                        "relative_memory": peak / peaks[runtime, "dense", batch],
                    }
                )
                job.log.info("%s", rows[-1])
    cost_tables.COSTS.write(cost_tables.COSTS.conform(pl.DataFrame(rows)), smk.output.costs)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
