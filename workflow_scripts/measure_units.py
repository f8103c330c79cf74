"""Compute the measures of a network's units and layers other than the MIS."""

from prunescope.data import sampling
from prunescope.foundation import arrays, job
from prunescope.interpret import similarities, unit_measures, unit_tables


def main(smk) -> None:
    exemplars = unit_tables.EXEMPLARS.read(smk.input.exemplars)
    activations = arrays.load_array(smk.input.activations)
    labels = arrays.load_array(smk.input.labels)
    recorded = sampling.sample_rows(
        labels, **smk.params.activations, key="interpretability.activations.images"
    )
    similarity = similarities.load(smk.input.similarity, smk.params.kind)
    units = unit_measures.measure_units(exemplars, activations, similarity, labels, recorded)
    layers = unit_measures.compare_layers(
        exemplars["layer"], activations, arrays.load_array(smk.input.dense)
    )
    unit_tables.MEASURES.write(unit_tables.MEASURES.conform(units), smk.output.measures)
    unit_tables.ALIGNMENT.write(unit_tables.ALIGNMENT.conform(layers), smk.output.alignment)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
