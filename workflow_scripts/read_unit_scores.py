"""Read the tables of scores that were made elsewhere, and check them."""

from prunescope.foundation import job
from prunescope.interpret.given import given_scores, reading


def main(smk) -> None:
    (units,) = smk.input.units
    units, networks = reading.read(units, next(iter(smk.input.networks), None))
    given_scores.GIVEN_UNITS.write(units, smk.output.units)
    given_scores.GIVEN_NETWORKS.write(networks, smk.output.networks)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
