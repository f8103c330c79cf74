"""Recalibrate a pruned network: measure its batch-norm statistics again, keep its weights."""

from prunescope.foundation import job
from prunescope.networks import devices, modules, network_files
from prunescope.train import recalibration
from prunescope.train.images import batches


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    module = modules.to_module(network).to(devices.choose())
    recalibration.recalibrate(
        module,
        network.description,
        batches.open_source(smk.input, smk.params.decoding),
        recalibration.RecalibrationSettings(**smk.params.recalibration),
        seed=int(smk.params.seed),
    )
    recalibrated = modules.to_network(module, network.description, network.masks)
    network_files.save(recalibrated, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
