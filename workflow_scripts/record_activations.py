"""Record the activations of all units for some of the probe images, pooled in another way."""

import numpy as np

from prunescope import activations, artifacts, checkpoints, datasets, devices, job, networks


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    images = datasets.PackedImages.open(smk.input.images, smk.input.labels)
    chosen = datasets.sample_rows(images.labels, **smk.params.activations)
    shown = datasets.PackedImages(images.images[chosen], images.labels[chosen])
    module = networks.to_module(network).to(devices.choose())
    found = activations.passes(module, shown, network.description, smk.params.pooling)
    artifacts.save_array(np.concatenate(list(found)), smk.output.activations)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
