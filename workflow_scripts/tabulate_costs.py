"""Gather what compact networks are and cost into the tables of the study."""

from prunescope import job, summary, tables


def main(smk) -> None:
    networks = summary.coordinates(smk.params.networks, smk.params.study)
    sizes = summary.gather(map(tables.SIZES.read, smk.input.sizes), networks)
    costs = summary.gather(map(tables.COSTS.read, smk.input.costs), networks)
    tables.STUDY_SIZES.write(tables.STUDY_SIZES.conform(sizes), smk.output.sizes)
    tables.STUDY_COSTS.write(tables.STUDY_COSTS.conform(costs), smk.output.costs)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
