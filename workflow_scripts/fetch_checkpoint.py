"""Download the weights of the dense network, or verify the file if it exists already."""

from prunescope.foundation import downloads, job
from prunescope.networks.imported import known_weights


def main(smk) -> None:
    checkpoint = known_weights.from_config(smk.params.model)
    downloads.fetch(
        checkpoint.url,
        smk.output.checkpoint,
        **checkpoint.checksum,
        advice="The config names this file in model.checkpoint.",
    )


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
