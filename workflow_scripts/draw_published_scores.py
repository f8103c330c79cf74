"""Draw the chart of the published scores as a page, two pictures and a specification."""

from prunescope.foundation import job, whole_files
from prunescope.summarize.charts import chart_files
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.published_scores import analysis_words, chart
from prunescope.summarize.published_scores.analysis_rows import ANALYSIS, margin_of


def main(smk) -> None:
    table = ANALYSIS.read(smk.input.analysis)
    settings = ChartSettings(**smk.params.charts)
    drawn = chart.chart(table, margin_of(smk.params.margin), settings)
    caption = analysis_words.caption(table)
    formats = {name: smk.output[name] for name in ("html", "svg", "png", "json")}
    chart_files.save(drawn, formats, settings, caption)
    with whole_files.atomic(smk.output.caption) as temporary:
        temporary.write_text(f"{caption}\n", encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
