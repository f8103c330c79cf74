"""Read the published scores of units, recover the constant ones, and write both as tables."""

from prunescope.foundation import job
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.interpret.published_scores import reading
from prunescope.summarize.published_scores import published_values


def main(smk) -> None:
    units = reading.read(smk.input.scores)
    accuracies = None
    if smk.input.published:
        accuracies = published_values.of_networks(smk.input.published, published_values.TOP1)
    GIVEN_UNITS.write(units, smk.output.units)
    GIVEN_NETWORKS.write(reading.networks(units, accuracies), smk.output.networks)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
