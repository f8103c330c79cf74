"""Draw one chart of the study as a page, two pictures and a specification, with a caption."""

from prunescope.foundation import job, whole_files
from prunescope.interpret import trivial_units
from prunescope.summarize import image_counts, published, study_tables
from prunescope.summarize.charts import all_charts, chart_files
from prunescope.summarize.charts.chart_files import ExplorerFolders
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.findings import captions
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED


def main(smk) -> None:
    networks = study_tables.NETWORKS.read(smk.input.networks)
    statistics = study_tables.STATISTICS.read(smk.input.statistics)
    history = study_tables.HISTORIES.read(smk.input.history)
    trivial = trivial_units.TRIVIAL_UNITS.read(smk.input.trivial)
    images = image_counts.COUNTS.read(smk.input.images)
    settings = {
        **smk.params.facts,
        "equal_accuracy": EQUAL_ACCURACY.read(smk.input.matched),
        "unmatched": UNMATCHED.read(smk.input.unmatched),
    }
    facts = Facts.of_study(networks, statistics, images, history, trivial, settings)
    study = ChartData(
        networks=networks,
        history=history,
        dataset=facts.dataset,
        probe_images=facts.probe_images,
        classes=facts.classes,
        statistics=statistics,
        units=study_tables.UNITS.read(smk.input.units),
        trivial=trivial,
        margin=facts.margin,
        granularities=facts.granularities,
        equal_accuracy=facts.equal_accuracy,
        published=published.read(smk.input.published) if smk.input.published else None,
    )
    size = ChartSettings(**smk.params.charts)
    chart = all_charts.CHARTS[smk.params.chart](study, size)
    caption = captions.caption(smk.params.chart, facts)
    formats = {name: smk.output[name] for name in ("html", "svg", "png", "json")}
    page = smk.params.explorer
    explorer = ExplorerFolders.of(str(smk.report_href(page))) if page else None
    chart_files.save(chart, formats, size, caption, explorer)
    with whole_files.atomic(smk.output.caption) as temporary:
        temporary.write_text(f"{caption}\n", encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
