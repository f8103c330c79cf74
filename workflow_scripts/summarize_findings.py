"""Say in ten lines what the study found, and write its tables as pages for the report."""

from prunescope import artifacts, findings, job, pages, tables


def main(smk) -> None:
    networks = tables.NETWORKS.read(smk.input.networks)
    statistics = tables.STATISTICS.read(smk.input.statistics)
    classes = tables.CLASSES.read(smk.input.classes)["class"].n_unique()
    facts = findings.gather(networks, statistics, {**smk.params.facts, "classes": classes})
    written = {
        smk.output.summary: findings.to_markdown(facts),
        smk.output.statistics: pages.table_page("Statistics", statistics, tables.STATISTICS),
        smk.output.networks: pages.table_page("Networks", networks, tables.NETWORKS),
    }
    for path, content in written.items():
        with artifacts.atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
