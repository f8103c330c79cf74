"""Draw one chart of the study as a page, two pictures and a specification."""

from prunescope import charts, job, published, tables, theme
from prunescope.chart_rows import Study
from prunescope.theme import Settings


def main(smk) -> None:
    study = Study(
        networks=tables.NETWORKS.read(smk.input.networks),
        history=tables.HISTORIES.read(smk.input.history),
        dataset=smk.params.dataset,
        probe_images=smk.params.probe_images,
        classes=tables.CLASSES.read(smk.input.classes)["class"].n_unique(),
        statistics=tables.STATISTICS.read(smk.input.statistics),
        units=tables.UNITS.read(smk.input.units),
        margin=smk.params.margin,
        published=published.read(smk.input.published) if smk.input.published else None,
    )
    settings = Settings(**smk.params.charts)
    chart = charts.CHARTS[smk.params.chart](study, settings)
    formats = {name: smk.output[name] for name in ("html", "svg", "png", "json")}
    theme.save(chart, formats, settings)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
