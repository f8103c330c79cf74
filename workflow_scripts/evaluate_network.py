"""Classify every validation image."""

from prunescope import checkpoints, datasets, devices, evaluation, job, networks, tables


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    images = datasets.PackedImages.open(smk.input.images, smk.input.labels)
    module = networks.to_module(network).to(devices.choose())
    predictions = evaluation.predict(module, images, network.description)
    job.log.info("%s", evaluation.summarize(predictions))
    tables.PREDICTIONS.write(predictions, smk.output.predictions)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
