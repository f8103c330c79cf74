"""Download a file with weights of the perceptual metric, or verify it if it exists already."""

from pathlib import Path

from prunescope.foundation import job
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.interpret.metrics import catalogue, metric


def main(smk) -> None:
    weights = catalogue.find(smk.params.metric).weights
    lock = Lock(Path(smk.params.lock))
    metric.fetch(metric.named(weights, smk.wildcards.file), smk.params.sha256, lock)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
