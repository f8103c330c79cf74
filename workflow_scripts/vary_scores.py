"""Score the units of one network under all variants in the config."""

import polars as pl

from prunescope.foundation import arrays, job, tables
from prunescope.interpret import mis, score_variants, similarities, unit_tables


def load(smk, exemplars: pl.DataFrame) -> score_variants.Material:
    """Read the data that the variants are scored from."""
    poolings = dict(zip(smk.params.poolings, smk.input.activations, strict=True))
    metrics = dict(zip(["", *smk.params.metrics], smk.input.similarities, strict=True))
    return score_variants.Material.gather(
        score_variants.Exemplars(
            tables.matrix(exemplars["strongest"]), tables.matrix(exemplars["weakest"])
        ),
        {name: arrays.load_array(path) for name, path in poolings.items()},
        {
            name: similarities.load(path, kind)
            for (name, path), kind in zip(metrics.items(), smk.params.kinds, strict=True)
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
