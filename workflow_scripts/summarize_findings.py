"""Summarize the findings of the study in text, and write its tables as pages for the report."""

from prunescope.compact import cost_tables
from prunescope.foundation import job, whole_files
from prunescope.interpret import trivial_units
from prunescope.networks import coordinates
from prunescope.summarize import gathering, image_counts, pages, study_tables
from prunescope.summarize.findings import summary_page
from prunescope.summarize.findings.facts import Facts


def main(smk) -> None:
    networks = study_tables.NETWORKS.read(smk.input.networks)
    statistics = study_tables.STATISTICS.read(smk.input.statistics)
    history = study_tables.HISTORIES.read(smk.input.history)
    trivial = trivial_units.TRIVIAL_UNITS.read(smk.input.trivial)
    images = image_counts.COUNTS.read(smk.input.images)
    facts = Facts.of_study(networks, statistics, images, history, trivial, smk.params.facts)
    sizes = gathering.gather(
        map(cost_tables.SIZES.read, smk.input.sizes),
        coordinates.from_params(smk.params.compacted),
        smk.wildcards.study,
        like=cost_tables.SIZES.empty(),
    )
    written = {
        smk.output.summary: summary_page.to_markdown(facts, sizes),
        smk.output.statistics: pages.table_page("Statistics", statistics, study_tables.STATISTICS),
        smk.output.networks: pages.table_page("Networks", networks, study_tables.NETWORKS),
    }
    for path, content in written.items():
        with whole_files.atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
