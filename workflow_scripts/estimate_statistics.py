"""Estimate what the tables say, with intervals and tests."""

from prunescope import estimates, job, summary, tables


def main(smk) -> None:
    settings = estimates.Settings(**smk.params.statistics)
    varied = summary.coordinates(smk.params.varied, smk.params.study)
    ablated = summary.coordinates(smk.params.ablated, smk.params.study)
    study = estimates.Study(
        networks=tables.NETWORKS.read(smk.input.networks),
        units=tables.UNITS.read(smk.input.units),
        layers=tables.LAYERS.read(smk.input.layers),
        classes=tables.CLASSES.read(smk.input.classes),
        disagreements=tables.DISAGREEMENTS.read(smk.input.disagreements),
        variants=summary.gather(map(tables.VARIANTS.read, smk.input.variants), varied),
        ablations=summary.gather(map(tables.ABLATION.read, smk.input.ablations), ablated),
    )
    tables.STATISTICS.write(estimates.estimate(study, settings), smk.output.statistics)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
