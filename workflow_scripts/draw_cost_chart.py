"""Draw one chart of the costs of compact networks, in the formats of all charts."""

from prunescope.foundation import job, whole_files
from prunescope.summarize import study_tables
from prunescope.summarize.charts import chart_files, cost_charts, theme
from prunescope.summarize.charts.chart_files import ExplorerFolders
from prunescope.summarize.charts.chart_rows import ChartData


def main(smk) -> None:
    study = ChartData(
        networks=study_tables.NETWORKS.read(smk.input.networks),
        history=study_tables.HISTORIES.empty(),
        dataset=smk.params.dataset,
        probe_images=0,
    )
    costs = study_tables.STUDY_COSTS.read(smk.input.costs)
    settings = theme.ChartSettings(**smk.params.charts)
    chart = cost_charts.COST_CHARTS[smk.params.chart](study, costs, settings)
    formats = {name: smk.output[name] for name in ("html", "svg", "png", "json")}
    caption = cost_charts.caption(smk.params.chart, study, costs)
    explorer = ExplorerFolders.of(str(smk.report_href(smk.params.explorer)))
    chart_files.save(chart, formats, settings, caption, explorer)
    with whole_files.atomic(smk.output.caption) as temporary:
        temporary.write_text(f"{caption}\n", encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
