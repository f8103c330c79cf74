"""Estimate the statistics of the study from its tables, with intervals and tests."""

from prunescope.evaluate import accuracy, network_tables
from prunescope.foundation import job
from prunescope.interpret import unit_tables
from prunescope.networks import coordinates
from prunescope.summarize import gathering, selection, study_tables
from prunescope.summarize.estimates import estimate, inputs
from prunescope.summarize.removal import removal_tables


def main(smk) -> None:
    settings = inputs.EstimationSettings(**smk.params.statistics)
    variants = gathering.gather(
        (selection.live(unit_tables.VARIANTS.read(path)) for path in smk.input.variants),
        coordinates.from_params(smk.params.varied),
        smk.params.study,
        unit_tables.VARIANTS.empty(),
    )
    ablations = gathering.gather(
        map(unit_tables.ABLATION.read, smk.input.ablations),
        coordinates.from_params(smk.params.ablated),
        smk.params.study,
        unit_tables.ABLATION.empty(),
    )
    removals = removal_tables.UNITS_PRUNED
    predictions = map(network_tables.PREDICTIONS.read, smk.input.predictions)
    answers = gathering.gather(
        map(accuracy.answers, predictions),
        coordinates.from_params(smk.params.networks),
        smk.params.study,
        accuracy.answers(network_tables.PREDICTIONS.empty()),
    )
    study = inputs.StudyTables(
        networks=study_tables.NETWORKS.read(smk.input.networks),
        units=study_tables.UNITS.read(smk.input.units),
        layers=study_tables.LAYERS.read(smk.input.layers),
        classes=study_tables.CLASSES.read(smk.input.classes),
        disagreements=study_tables.DISAGREEMENTS.read(smk.input.disagreements),
        answers=answers,
        variants=variants,
        ablations=ablations,
        removals=removals.read(smk.input.removals[0]) if smk.input.removals else removals.empty(),
    )
    study_tables.STATISTICS.write(estimate.estimate(study, settings), smk.output.statistics)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
