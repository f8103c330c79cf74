"""Compare the study's results with published numbers."""

import polars as pl

from prunescope.foundation import job, whole_files
from prunescope.summarize import pages, published, study_tables


def main(smk) -> None:
    compared = published.compare(
        published.read(smk.input.published),
        study_tables.NETWORKS.read(smk.input.networks),
        study_tables.HISTORIES.read(smk.input.history),
    )
    found = compared["ours"].count()
    job.log.info("%d of %d published numbers have a counterpart", found, len(compared))
    named = compared.with_columns(study=pl.lit(smk.params.study))
    rows = study_tables.PUBLISHED.conform(named)
    study_tables.PUBLISHED.write(rows, smk.output.published)
    with whole_files.atomic(smk.output.page) as temporary:
        page = pages.table_page("Published numbers beside ours", rows, study_tables.PUBLISHED)
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
