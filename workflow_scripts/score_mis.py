"""Score every unit of one network with the Machine Interpretability Score."""

import polars as pl

from prunescope import embedded, job, mis, tables


def main(smk) -> None:
    exemplars = tables.EXEMPLARS.read(smk.input.exemplars)
    soft, hard, mean_delta = mis.score_units(
        tables.matrix(exemplars["strongest"]),
        tables.matrix(exemplars["weakest"]),
        embedded.load(smk.input.similarity, smk.params.kind),
        mis.Settings(**smk.params.mis),
    )
    scores = exemplars.with_columns(
        mis_soft=pl.Series(soft), mis_hard=pl.Series(hard), mean_delta=pl.Series(mean_delta)
    )
    tables.MIS.write(tables.MIS.conform(scores), smk.output.scores)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
