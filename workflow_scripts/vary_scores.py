"""Score the units of one network under all variants in the config."""

import numpy as np
import polars as pl

from prunescope.data import sampling
from prunescope.foundation import arrays, job, tables
from prunescope.interpret import mis, score_variants, similarities, unit_tables


def load(smk) -> score_variants.Material:
    """Read the data that the variants are scored from."""
    exemplars = unit_tables.EXEMPLARS.read(smk.input.exemplars)
    labels = arrays.load_array(smk.input.labels)
    rows = sampling.sample_rows(labels, **smk.params.activations)
    seed = smk.params.activations["seed"]
    sizes = {len(rows), *(v["probe_images"] for v in smk.params.variants.values()
                          if "probe_images" in v)}  # fmt: skip
    subsets = {size: sampling.sample_rows(labels[rows], size, seed) for size in sizes}
    poolings = dict(zip(smk.params.poolings, smk.input.activations, strict=True))
    metrics = dict(zip(["", *smk.params.metrics], smk.input.similarities, strict=True))
    return score_variants.Material(
        exemplars=score_variants.Exemplars(
            tables.matrix(exemplars["strongest"]), tables.matrix(exemplars["weakest"])
        ),
        recorded={name: arrays.load_array(path) for name, path in poolings.items()},
        rows=rows,
        subsets=subsets,
        similarities={
            name: similarities.load(path, kind)
            for (name, path), kind in zip(metrics.items(), smk.params.kinds, strict=True)
        },
    )


def main(smk) -> None:
    units = unit_tables.EXEMPLARS.read(smk.input.exemplars).select("layer", "unit", "constant")
    material = load(smk)
    settings = mis.ScoreSettings(**smk.params.mis)
    frames = []
    for name, variant in {score_variants.UNCHANGED: {}, **smk.params.variants}.items():
        soft, hard = score_variants.score(material, variant, settings)
        frames.append(
            units.select(
                pl.lit(name).alias("variant"),
                pl.all(),
                mis_soft=pl.Series(soft.astype(np.float64)),
                mis_hard=pl.Series(hard.astype(np.float64)),
            )
        )
    unit_tables.VARIANTS.write(unit_tables.VARIANTS.conform(pl.concat(frames)), smk.output.variants)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
