"""Download a file with weights of the perceptual metric, or check the one that is there."""

from prunescope import job, metrics, similarity


def main(smk) -> None:
    weights = similarity.find(smk.params.metric).weights
    metrics.fetch(metrics.named(weights, smk.wildcards.file), smk.params.sha256)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
