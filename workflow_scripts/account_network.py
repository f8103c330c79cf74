"""Count a network's zeros, parameters, multiply-accumulates and bytes."""

import polars as pl

from prunescope.evaluate import counts, network_tables
from prunescope.foundation import job
from prunescope.networks import network_files


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    row = pl.DataFrame([counts.account(network, smk.params.exclude)])
    network_tables.ACCOUNTING.write(network_tables.ACCOUNTING.conform(row), smk.output.accounting)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
