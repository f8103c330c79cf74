"""Draw one chart of what compact networks cost as a page, pictures, a specification, in words."""

from prunescope import artifacts, cost_charts, job, tables, theme
from prunescope.chart_rows import Study


def main(smk) -> None:
    study = Study(
        networks=tables.NETWORKS.read(smk.input.networks),
        history=tables.HISTORIES.empty(),
        dataset=smk.params.dataset,
        probe_images=0,
    )
    costs = tables.STUDY_COSTS.read(smk.input.costs)
    settings = theme.Settings(**smk.params.charts)
    chart = cost_charts.CHARTS[smk.params.chart](study, costs, settings)
    formats = {name: smk.output[name] for name in ("html", "svg", "png", "json")}
    caption = cost_charts.caption(smk.params.chart, study, costs)
    theme.save(chart, formats, settings, caption)
    with artifacts.atomic(smk.output.caption) as temporary:
        temporary.write_text(f"{caption}\n", encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
