"""Download one published file of unit scores, or verify the file if it exists already."""

from prunescope.foundation import downloads, job
from prunescope.interpret.published_scores import files


def main(smk) -> None:
    wanted = next(file for file in files.published_files() if file.name == smk.params.file)
    downloads.fetch(
        wanted.url,
        smk.output.scores,
        sha256=wanted.sha256,
        advice="Or name a folder that holds the repository's files in unit_scores.folder.",
    )


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
