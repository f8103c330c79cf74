"""Gather the files of all networks into the tables of the study."""

from prunescope.evaluate import accuracy, network_tables
from prunescope.foundation import job
from prunescope.interpret import unit_tables
from prunescope.networks import coordinates
from prunescope.summarize import gathering, study_tables
from prunescope.train import history_table


def main(smk) -> None:
    study = smk.params.study
    networks = coordinates.from_params(smk.params.networks)
    trained = coordinates.from_params(smk.params.trained)
    # A study that uses downloaded weights may train no network.
    history = study_tables.HISTORIES.empty()
    if trained:
        histories = map(history_table.HISTORY.read, smk.input.history)
        history = gathering.gather(histories, trained, study)
    units = gathering.gather(
        map(gathering.join_measures, map(unit_tables.MIS.read, smk.input.mis),
            map(unit_tables.MEASURES.read, smk.input.measures)),
        networks, study,
    )  # fmt: skip
    alignments = map(unit_tables.ALIGNMENT.read, smk.input.alignment)
    layers = gathering.gather(alignments, networks, study)
    predictions = [network_tables.PREDICTIONS.read(path) for path in smk.input.predictions]
    by_class = gathering.gather(map(accuracy.by_class, predictions), networks, study)
    classes = gathering.class_changes(by_class)
    answers = gathering.gather(map(accuracy.answers, predictions), networks, study)
    overview = gathering.networks_table(
        predictions,
        map(network_tables.ACCOUNTING.read, smk.input.accounting),
        history,
        units,
        networks,
        study,
    ).join(gathering.agreement(answers), on=coordinates.COLUMNS, maintain_order="left")
    study_tables.NETWORKS.write(study_tables.NETWORKS.conform(overview), smk.output.networks)
    study_tables.UNITS.write(study_tables.UNITS.conform(units), smk.output.units)
    study_tables.LAYERS.write(study_tables.LAYERS.conform(layers), smk.output.layers)
    disagreements = gathering.disagreements(answers)
    study_tables.DISAGREEMENTS.write(
        study_tables.DISAGREEMENTS.conform(disagreements), smk.output.disagreements
    )
    study_tables.CLASSES.write(study_tables.CLASSES.conform(classes), smk.output.classes)
    study_tables.HISTORIES.write(study_tables.HISTORIES.conform(history), smk.output.history)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
