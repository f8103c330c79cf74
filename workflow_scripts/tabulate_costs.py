"""Gather the sizes and costs of all compact networks into the tables of the study."""

from prunescope.compact import cost_tables
from prunescope.foundation import job
from prunescope.networks import coordinates
from prunescope.summarize import gathering, study_tables


def main(smk) -> None:
    study = smk.params.study
    networks = coordinates.from_params(smk.params.networks)
    sizes = gathering.gather(map(cost_tables.SIZES.read, smk.input.sizes), networks, study)
    costs = gathering.gather(map(cost_tables.COSTS.read, smk.input.costs), networks, study)
    study_tables.STUDY_SIZES.write(study_tables.STUDY_SIZES.conform(sizes), smk.output.sizes)
    study_tables.STUDY_COSTS.write(study_tables.STUDY_COSTS.conform(costs), smk.output.costs)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
