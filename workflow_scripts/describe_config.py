"""Write the config of the study as a page for the report."""

from prunescope.foundation import job, whole_files
from prunescope.summarize import pages


def main(smk) -> None:
    with whole_files.atomic(smk.output.page) as temporary:
        page = pages.config_page(smk.wildcards.study, smk.params.config)
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
