"""Classify every validation image."""

from prunescope.data import packed_images
from prunescope.evaluate import accuracy, network_tables
from prunescope.evaluate.predictions import predict
from prunescope.foundation import job
from prunescope.networks import devices, modules, network_files


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    module = modules.to_module(network).to(devices.choose())
    predictions = predict(module, images, network.description)
    job.log.info("%s", accuracy.summarize(predictions))
    network_tables.PREDICTIONS.write(predictions, smk.output.predictions)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
