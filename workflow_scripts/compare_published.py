"""Set the study's results beside published numbers."""

import polars as pl

from prunescope import artifacts, job, pages, published, tables


def main(smk) -> None:
    compared = published.compare(
        published.read(smk.input.published),
        tables.NETWORKS.read(smk.input.networks),
        tables.HISTORIES.read(smk.input.history),
    )
    found = compared["ours"].count()
    job.log.info("%d of %d published numbers have a counterpart", found, len(compared))
    named = compared.with_columns(study=pl.lit(smk.params.study))
    rows = tables.PUBLISHED.conform(named)
    tables.PUBLISHED.write(rows, smk.output.published)
    with artifacts.atomic(smk.output.page) as temporary:
        page = pages.table_page("Published numbers beside ours", rows, tables.PUBLISHED)
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
