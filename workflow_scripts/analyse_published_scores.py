"""Estimate what the published scores of units say, as a table and in words."""

from prunescope.foundation import job, whole_files
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.summarize.published_scores import analysis, analysis_words
from prunescope.summarize.published_scores.analysis_rows import ANALYSIS, margin_of
from prunescope.summarize.published_scores.readings import Scores


def main(smk) -> None:
    units = GIVEN_UNITS.read(smk.input.units)
    scores = Scores.of_tables(units, GIVEN_NETWORKS.read(smk.input.networks))
    published = smk.input.published or None
    table = analysis.analyse(scores, published, margin_of(smk.params.margin))
    ANALYSIS.write(table, smk.output.analysis)
    with whole_files.atomic(smk.output.page) as temporary:
        temporary.write_text(analysis_words.page(table), encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
