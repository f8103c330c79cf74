"""Check that every file of a study is complete, unchanged, and made by the study."""

from prunescope.foundation import job
from prunescope.foundation.errors import InputError
from prunescope.study import verification


def main(smk) -> None:
    checked, findings = verification.verify(smk.params.folders, smk.params.logs)
    if findings:
        lines = "\n".join(f"  - {finding}" for finding in findings)
        raise InputError(f"{len(findings)} of {checked} files are not as they should be:\n{lines}")
    print(f"{checked} files are as their jobs wrote them. `make verify` lists what is stale.")


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
