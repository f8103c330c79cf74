"""Compare methods where they have lost the same accuracy, between their networks."""

from prunescope.foundation import job
from prunescope.summarize import study_tables
from prunescope.summarize.matching import equal_accuracy
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED


def main(smk) -> None:
    networks = study_tables.NETWORKS.read(smk.input.networks)
    units = study_tables.UNITS.read(smk.input.units)
    matched, unmatched = equal_accuracy.match(networks, units, smk.params.drops)
    EQUAL_ACCURACY.write(matched, smk.output.matched)
    UNMATCHED.write(unmatched, smk.output.unmatched)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
