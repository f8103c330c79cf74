"""Take a pruned network that is not retrained as the one to measure."""

from prunescope import artifacts, job


def main(smk) -> None:
    artifacts.copy(smk.input.network, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
