"""Set the study's results beside published numbers."""

import polars as pl

from prunescope import job, published, tables


def main(smk) -> None:
    compared = published.compare(
        published.read(smk.input.published),
        tables.NETWORKS.read(smk.input.networks),
        tables.HISTORIES.read(smk.input.history),
    )
    found = compared["ours"].count()
    job.log.info("%d of %d published numbers have a counterpart", found, len(compared))
    named = compared.with_columns(study=pl.lit(smk.params.study))
    tables.PUBLISHED.write(tables.PUBLISHED.conform(named), smk.output.published)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
