"""Draw one chart of the study as a page, two pictures and a specification; say what it shows."""

from prunescope import artifacts, captions, charts, findings, job, published, tables, theme
from prunescope.chart_rows import Study
from prunescope.theme import Settings


def main(smk) -> None:
    networks = tables.NETWORKS.read(smk.input.networks)
    statistics = tables.STATISTICS.read(smk.input.statistics)
    classes = tables.CLASSES.read(smk.input.classes)["class"].n_unique()
    facts = findings.gather(networks, statistics, {**smk.params.facts, "classes": classes})
    study = Study(
        networks=networks,
        history=tables.HISTORIES.read(smk.input.history),
        dataset=facts.dataset,
        probe_images=facts.probe_images,
        classes=classes,
        statistics=statistics,
        units=tables.UNITS.read(smk.input.units),
        margin=facts.margin,
        published=published.read(smk.input.published) if smk.input.published else None,
    )
    settings = Settings(**smk.params.charts)
    chart = charts.CHARTS[smk.params.chart](study, settings)
    caption = captions.caption(smk.params.chart, facts)
    formats = {name: smk.output[name] for name in ("html", "svg", "png", "json")}
    theme.save(chart, formats, settings, caption)
    with artifacts.atomic(smk.output.caption) as temporary:
        temporary.write_text(f"{caption}\n", encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
