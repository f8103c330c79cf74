"""Gather the files of all networks into the tables of the study."""

from prunescope import evaluation, job, summary, tables


def main(smk) -> None:
    networks = summary.coordinates(smk.params.networks, smk.params.study)
    trained = summary.coordinates(smk.params.trained, smk.params.study)
    # A study of downloaded weights may train nothing.
    history = tables.HISTORIES.empty()
    if trained:
        history = summary.gather(map(tables.HISTORY.read, smk.input.history), trained)
    units = summary.gather(
        map(summary.join_measures, map(tables.MIS.read, smk.input.mis),
            map(tables.MEASURES.read, smk.input.measures)),
        networks,
    )  # fmt: skip
    layers = summary.gather(map(tables.ALIGNMENT.read, smk.input.alignment), networks)
    predictions = [tables.PREDICTIONS.read(path) for path in smk.input.predictions]
    by_class = summary.gather(map(evaluation.by_class, predictions), networks)
    classes = summary.class_changes(by_class)
    answers = summary.gather(map(evaluation.answers, predictions), networks)
    overview = summary.networks_table(
        predictions, map(tables.ACCOUNTING.read, smk.input.accounting), history, units, networks
    ).join(summary.agreement(answers), on=summary.COORDINATES, maintain_order="left")
    tables.NETWORKS.write(tables.NETWORKS.conform(overview), smk.output.networks)
    tables.UNITS.write(tables.UNITS.conform(units), smk.output.units)
    tables.LAYERS.write(tables.LAYERS.conform(layers), smk.output.layers)
    disagreements = summary.disagreements(answers)
    tables.DISAGREEMENTS.write(
        tables.DISAGREEMENTS.conform(disagreements), smk.output.disagreements
    )
    tables.CLASSES.write(tables.CLASSES.conform(classes), smk.output.classes)
    tables.HISTORIES.write(tables.HISTORIES.conform(history), smk.output.history)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
