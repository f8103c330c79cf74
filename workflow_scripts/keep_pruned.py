"""Copy a pruned network that is not retrained: it is measured as it is."""

from prunescope.foundation import job, whole_files


def main(smk) -> None:
    whole_files.copy(smk.input.network, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
