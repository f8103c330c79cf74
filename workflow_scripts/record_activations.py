"""Record the activations of all units for a sample of the probe images, with another pooling."""

import numpy as np

from prunescope.data import packed_images, sampling
from prunescope.foundation import arrays, job
from prunescope.interpret import activations
from prunescope.networks import devices, modules, network_files


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    chosen = sampling.sample_rows(
        images.labels, **smk.params.activations, key="interpretability.activations.images"
    )
    module = modules.to_module(network).to(devices.choose())
    found = activations.passes(
        module,
        images.part(chosen),
        network.description,
        smk.params.pooling,
        smk.params.tokens,
    )
    arrays.save_array(np.concatenate(list(found)), smk.output.activations)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
