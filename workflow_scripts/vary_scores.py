"""Score the units of one network under all variants in the config."""

import polars as pl

from prunescope.foundation import arrays, job, tables
from prunescope.interpret import mis, score_variants, similarities, unit_tables


def ranked(exemplars: pl.DataFrame) -> score_variants.Exemplars:
    """The exemplars of a table."""
    return score_variants.Exemplars(
        tables.matrix(exemplars["strongest"]), tables.matrix(exemplars["weakest"])
    )


def load(smk, exemplars: pl.DataFrame) -> score_variants.Material:
    """Read the data that the variants are scored from."""
    probes = zip(
        smk.params.probes,
        smk.input.exemplars_elsewhere,
        smk.input.similarities_elsewhere,
        smk.params.kinds_elsewhere,
        strict=True,
    )
    poolings = dict(zip(smk.params.poolings, smk.input.activations, strict=True))
    metrics = dict(zip(["", *smk.params.metrics], smk.input.similarities, strict=True))
    return score_variants.Material.gather(
        ranked(exemplars),
        {name: arrays.load_array(path) for name, path in poolings.items()},
        {
            name: similarities.load(path, kind)
            for (name, path), kind in zip(metrics.items(), smk.params.kinds, strict=True)
        },
        {
            name: (
                ranked(unit_tables.EXEMPLARS_ELSEWHERE.read(path)),
                similarities.load(similarity, kind),
            )
            for name, path, similarity, kind in probes
        },
        arrays.load_array(smk.input.labels),
        smk.params.variants,
        **smk.params.activations,
    )


def main(smk) -> None:
    exemplars = unit_tables.EXEMPLARS.read(smk.input.exemplars)
    scores = score_variants.score_all(
        load(smk, exemplars),
        smk.params.variants,
        mis.ScoreSettings(**smk.params.mis),
        exemplars.select("layer", "unit", "constant"),
    )
    unit_tables.VARIANTS.write(unit_tables.VARIANTS.conform(scores), smk.output.variants)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
