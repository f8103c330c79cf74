"""Read the tables of scores that were made elsewhere, and check them."""

from prunescope.foundation import job
from prunescope.interpret.given import given_scores, reading
from prunescope.interpret.given.reading import REQUIRED


def main(smk) -> None:
    (units,) = smk.input.units
    required = smk.params.partners == REQUIRED
    networks = next(iter(smk.input.networks), None)
    units, networks = reading.read(units, networks, partners=required)
    given_scores.GIVEN_UNITS.write(units, smk.output.units)
    given_scores.GIVEN_NETWORKS.write(networks, smk.output.networks)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
