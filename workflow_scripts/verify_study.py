"""Check that every file of a study is complete, unchanged, and made by the study."""

from prunescope.foundation import job
from prunescope.study.results import verification


def main(smk) -> None:
    print(verification.report(smk.params.folders, smk.params.logs))


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
