"""Score the units of one network in all ways that the config lists."""

import numpy as np
import polars as pl

from prunescope import artifacts, datasets, embedded, job, mis, sensitivity, tables


def load(smk) -> sensitivity.Material:
    exemplars = tables.EXEMPLARS.read(smk.input.exemplars)
    labels = artifacts.load_array(smk.input.labels)
    rows = datasets.sample_rows(labels, **smk.params.activations)
    seed = smk.params.activations["seed"]
    sizes = {len(rows), *(v["probe_images"] for v in smk.params.variants.values()
                          if "probe_images" in v)}  # fmt: skip
    subsets = {size: datasets.sample_rows(labels[rows], size, seed) for size in sizes}
    poolings = dict(zip(smk.params.poolings, smk.input.activations, strict=True))
    metrics = dict(zip(["", *smk.params.metrics], smk.input.similarities, strict=True))
    return sensitivity.Material(
        exemplars=sensitivity.Extremes(
            tables.matrix(exemplars["strongest"]), tables.matrix(exemplars["weakest"])
        ),
        recorded={name: artifacts.load_array(path) for name, path in poolings.items()},
        rows=rows,
        subsets=subsets,
        similarities={
            name: embedded.load(path, kind)
            for (name, path), kind in zip(metrics.items(), smk.params.kinds, strict=True)
        },
    )


def main(smk) -> None:
    units = tables.EXEMPLARS.read(smk.input.exemplars).select("layer", "unit", "constant")
    material = load(smk)
    settings = mis.Settings(**smk.params.mis)
    frames = []
    for name, variant in {sensitivity.UNCHANGED: {}, **smk.params.variants}.items():
        soft, hard = sensitivity.score(material, variant, settings)
        frames.append(
            units.select(
                pl.lit(name).alias("variant"),
                pl.all(),
                mis_soft=pl.Series(soft.astype(np.float64)),
                mis_hard=pl.Series(hard.astype(np.float64)),
            )
        )
    tables.VARIANTS.write(tables.VARIANTS.conform(pl.concat(frames)), smk.output.variants)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
