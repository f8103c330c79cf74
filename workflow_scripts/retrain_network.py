"""Retrain a pruned network, or the dense network as a control."""

from prunescope.foundation import job
from prunescope.networks import devices, reach
from prunescope.train import training_job


def main(smk) -> None:
    network = training_job.network_to_train(smk)
    device = devices.choose()
    task = training_job.make_task(
        smk,
        network,
        smk.params.level,
        enforce_masks=smk.params.mask == "enforced",
        counted=smk.params.unreached and reach.counted(network.description, smk.params.unreached),
    )
    training_job.carry_out(smk, task, device)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
