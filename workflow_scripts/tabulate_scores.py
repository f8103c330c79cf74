"""Make the tables of a study from scores that were made elsewhere."""

from prunescope.foundation import job
from prunescope.interpret import trivial_units
from prunescope.interpret.given import given_scores
from prunescope.summarize import image_counts, study_tables
from prunescope.summarize.given import given_tables


def main(smk) -> None:
    given = given_scores.GIVEN_UNITS.read(smk.input.units)
    networks = given_scores.GIVEN_NETWORKS.read(smk.input.networks)
    units = given_tables.units_table(given, smk.params.study)
    overview = given_tables.networks_table(networks, units, smk.params.study)
    study_tables.UNITS.write(units, smk.output.units)
    study_tables.NETWORKS.write(overview, smk.output.networks)
    # Nothing is known of these.
    for table, path in (
        (image_counts.COUNTS, smk.output.images),
        (study_tables.LAYERS, smk.output.layers),
        (study_tables.CLASSES, smk.output.classes),
        (study_tables.DISAGREEMENTS, smk.output.disagreements),
        (study_tables.HISTORIES, smk.output.history),
        (trivial_units.TRIVIAL_UNITS, smk.output.trivial),
    ):
        table.write(table.empty(), path)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
