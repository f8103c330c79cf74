"""Score every unit of one network with the Machine Interpretability Score."""

import polars as pl

from prunescope.foundation import job, tables
from prunescope.interpret import mis, similarities, unit_tables


def main(smk) -> None:
    exemplars = unit_tables.EXEMPLARS.read(smk.input.exemplars)
    soft, hard, mean_delta = mis.score_units(
        tables.matrix(exemplars["strongest"]),
        tables.matrix(exemplars["weakest"]),
        similarities.load(smk.input.similarity, smk.params.kind),
        mis.ScoreSettings(**smk.params.mis),
    )
    scores = exemplars.with_columns(
        mis_soft=pl.Series(soft), mis_hard=pl.Series(hard), mean_delta=pl.Series(mean_delta)
    )
    unit_tables.MIS.write(unit_tables.MIS.conform(scores), smk.output.scores)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
