"""Silence some units of a network, one at a time, and see what it loses."""

import polars as pl

from prunescope import ablation, checkpoints, datasets, devices, job, networks, tables


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    settings = smk.params.ablation
    images = datasets.PackedImages.open(smk.input.images, smk.input.labels)
    chosen = datasets.sample_rows(images.labels, settings["images"], settings["seed"])
    shown = datasets.PackedImages(images.images[chosen], images.labels[chosen])
    units = ablation.sample_units(
        network.description.measured_layers, settings["units"], settings["seed"]
    )
    module = networks.to_module(network).to(devices.choose())
    rows = ablation.ablate(module, shown, network.description, units)
    tables.ABLATION.write(tables.ABLATION.conform(pl.DataFrame(rows)), smk.output.ablation)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
