"""Retrain a pruned network, and move what is left: drop small weights, and grow others."""

from prunescope.foundation import job
from prunescope.networks import devices, reach
from prunescope.train import training_job
from prunescope.train.mask_updates.regrowth import Pace, Regrowth


def main(smk) -> None:
    network = training_job.network_to_train(smk)
    counted = reach.counted(network.description, smk.params.unreached)
    device = devices.choose()
    updates = Regrowth(Pace(**smk.params.pace), counted)
    task = training_job.make_task(smk, network, smk.params.level, counted=counted, updates=updates)
    training_job.carry_out(smk, task, device)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
