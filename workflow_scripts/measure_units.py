"""Compute the measures of a network's units and layers other than the MIS."""

import numpy as np
import polars as pl

from prunescope.data import sampling
from prunescope.foundation import arrays, job, tables
from prunescope.interpret import similarities, unit_measures, unit_tables


def measure(
    exemplars: pl.DataFrame,
    activations: np.ndarray,
    similarity: np.ndarray | similarities.Embeddings,
    labels: np.ndarray,
    recorded: np.ndarray,
) -> pl.DataFrame:
    """The measures of every unit; missing for constant units.

    Parameters
    ----------
    exemplars
        A table `unit_tables.EXEMPLARS`.
    activations
        Recorded activations, float32 `(rows, units)`.
    similarity
        Similarities of the probe images.
    labels
        Classes of the probe images, `(images,)`.
    recorded
        Indices in the probe set of the images with recorded activations, `(rows,)`.

    Returns
    -------
    polars.DataFrame
        `exemplars` with the columns `unit_tables.MEASURE_COLUMNS`.
    """
    strongest = tables.matrix(exemplars["strongest"])
    found = {
        "monosemanticity": unit_measures.monosemanticity(
            strongest,
            tables.matrix(exemplars["strongest_activation"]),
            tables.matrix(exemplars["weakest_activation"])[:, 0],
            similarity,
        ),
        "label_purity": unit_measures.label_purity(strongest, labels),
        "class_selectivity": unit_measures.class_selectivity(activations, labels[recorded]),
    }
    live = ~exemplars["constant"]
    return exemplars.with_columns(
        pl.when(live).then(pl.Series(values).fill_nan(None)).alias(name)
        for name, values in found.items()
    )


def compare(layers: pl.Series, activations: np.ndarray, dense: np.ndarray) -> pl.DataFrame:
    """The alignment (`cka`) of each layer with the same layer of the dense network.

    `layers` names the layer of each unit; `activations` and `dense` are float32 `(rows, units)`.
    """
    names = layers.unique(maintain_order=True)
    chosen = {name: (layers == name).to_numpy() for name in names}
    alike = [
        unit_measures.linear_cka(activations[:, own], dense[:, own]) for own in chosen.values()
    ]
    return pl.DataFrame({"layer": names, "cka": pl.Series(alike).fill_nan(None)})


def main(smk) -> None:
    exemplars = unit_tables.EXEMPLARS.read(smk.input.exemplars)
    activations = arrays.load_array(smk.input.activations)
    labels = arrays.load_array(smk.input.labels)
    recorded = sampling.sample_rows(labels, **smk.params.activations)
    similarity = similarities.load(smk.input.similarity, smk.params.kind)
    units = measure(exemplars, activations, similarity, labels, recorded)
    layers = compare(exemplars["layer"], activations, arrays.load_array(smk.input.dense))
    unit_tables.MEASURES.write(unit_tables.MEASURES.conform(units), smk.output.measures)
    unit_tables.ALIGNMENT.write(unit_tables.ALIGNMENT.conform(layers), smk.output.alignment)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
