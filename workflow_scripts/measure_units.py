"""Measure the units and layers of one network in other ways than by the MIS."""

import numpy as np
import polars as pl

from prunescope import artifacts, datasets, embedded, job, measures, tables


def measure(
    exemplars: pl.DataFrame,
    activations: np.ndarray,
    similarity: np.ndarray | embedded.Embeddings,
    labels: np.ndarray,
    recorded: np.ndarray,
) -> pl.DataFrame:
    strongest = tables.matrix(exemplars["strongest"])
    found = {
        "monosemanticity": measures.monosemanticity(
            strongest,
            tables.matrix(exemplars["strongest_activation"]),
            tables.matrix(exemplars["weakest_activation"])[:, 0],
            similarity,
        ),
        "label_purity": measures.label_purity(strongest, labels),
        "class_selectivity": measures.class_selectivity(activations, labels[recorded]),
    }
    live = ~exemplars["constant"]
    return exemplars.with_columns(
        pl.when(live).then(pl.Series(values).fill_nan(None)).alias(name)
        for name, values in found.items()
    )


def compare(layers: pl.Series, activations: np.ndarray, dense: np.ndarray) -> pl.DataFrame:
    names = layers.unique(maintain_order=True)
    chosen = {name: (layers == name).to_numpy() for name in names}
    alike = [measures.linear_cka(activations[:, own], dense[:, own]) for own in chosen.values()]
    return pl.DataFrame({"layer": names, "cka": pl.Series(alike).fill_nan(None)})


def main(smk) -> None:
    exemplars = tables.EXEMPLARS.read(smk.input.exemplars)
    activations = artifacts.load_array(smk.input.activations)
    labels = artifacts.load_array(smk.input.labels)
    recorded = datasets.sample_rows(labels, **smk.params.activations)
    similarity = embedded.load(smk.input.similarity, smk.params.kind)
    units = measure(exemplars, activations, similarity, labels, recorded)
    layers = compare(exemplars["layer"], activations, artifacts.load_array(smk.input.dense))
    tables.MEASURES.write(tables.MEASURES.conform(units), smk.output.measures)
    tables.ALIGNMENT.write(tables.ALIGNMENT.conform(layers), smk.output.alignment)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
