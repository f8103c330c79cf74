"""Gather the files of all networks into the tables of the study."""

from prunescope import evaluation, job, summary, tables


def coordinates(networks: list[dict], study: str) -> list[dict]:
    return [{**network, "study": study, "rate": float(network["rate"])} for network in networks]


def main(smk) -> None:
    networks = coordinates(smk.params.networks, smk.params.study)
    trained = coordinates(smk.params.trained, smk.params.study)
    # A study of downloaded weights may train nothing.
    history = tables.HISTORIES.empty()
    if trained:
        history = summary.gather(map(tables.HISTORY.read, smk.input.history), trained)
    units = summary.gather(map(tables.MIS.read, smk.input.mis), networks)
    predictions = [tables.PREDICTIONS.read(path) for path in smk.input.predictions]
    classes = summary.gather(map(evaluation.by_class, predictions), networks)
    overview = summary.networks_table(
        predictions, map(tables.ACCOUNTING.read, smk.input.accounting), history, units, networks
    )
    tables.NETWORKS.write(overview, smk.output.networks)
    tables.UNITS.write(tables.UNITS.conform(units), smk.output.units)
    tables.CLASSES.write(tables.CLASSES.conform(classes), smk.output.classes)
    tables.HISTORIES.write(tables.HISTORIES.conform(history), smk.output.history)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
