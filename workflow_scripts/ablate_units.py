"""Silence some units of a network, one at a time, and measure the loss of accuracy."""

import polars as pl

from prunescope.data import packed_images, sampling
from prunescope.foundation import job
from prunescope.interpret import ablation, unit_tables
from prunescope.networks import devices, modules, network_files


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    settings = smk.params.ablation
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    chosen = sampling.sample_rows(
        images.labels,
        settings["images"],
        settings["seed"],
        key="interpretability.ablation.images",
    )
    units = ablation.sample_units(network.description, settings["units"], settings["seed"])
    module = modules.to_module(network).to(devices.choose())
    rows = ablation.ablate(module, images.part(chosen), network.description, units)
    unit_tables.ABLATION.write(
        unit_tables.ABLATION.conform(pl.DataFrame(rows)), smk.output.ablation
    )


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
