"""Measure the batch-norm statistics of a pruned network anew; its weights stay as they are."""

from prunescope import checkpoints, devices, job, loading, networks, recalibration


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    module = networks.to_module(network).to(devices.choose())
    recalibration.recalibrate(
        module,
        network.description,
        loading.open_source(smk.input, smk.params.decoding),
        recalibration.Settings(**smk.params.recalibration),
        seed=int(smk.params.seed),
    )
    recalibrated = networks.to_network(module, network.description, network.masks)
    checkpoints.save(recalibrated, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
