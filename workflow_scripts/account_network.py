"""Count a network's zeros, parameters, multiply-accumulates and bytes."""

import polars as pl

from prunescope.evaluate import counts, network_tables
from prunescope.foundation import job
from prunescope.networks import chosen_layers, network_files, reach


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    job.log.info(
        "weights that no image reaches: %s",
        reach.in_words(network.description, smk.params.unreached),
    )
    counted = reach.counted(network.description, smk.params.unreached)
    exclude = chosen_layers.find(smk.params.exclude, network.description.layers, "pruning.exclude")
    row = pl.DataFrame([counts.account(network, exclude, counted)])
    network_tables.ACCOUNTING.write(network_tables.ACCOUNTING.conform(row), smk.output.accounting)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
