"""Make the control that was never trained: the dense network with weights as they start."""

from prunescope import checkpoints, job, networks


def main(smk) -> None:
    description = checkpoints.load(smk.input.dense).description
    module, described = networks.create(description, seed=int(smk.params.seed))
    checkpoints.save(networks.to_network(module, described), smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
