"""Download weights that the config names, or verify the file if it exists already."""

from pathlib import Path

from prunescope.foundation import job
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.networks.imported import known_weights


def main(smk) -> None:
    given = smk.params.download
    checkpoint = known_weights.named(given["architecture"], given["checkpoint"])
    known_weights.fetch(checkpoint, Lock(Path(smk.params.lock)), given["key"])


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
