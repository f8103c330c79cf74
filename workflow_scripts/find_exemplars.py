"""Find, for every unit, the probe images that excite it most and least."""

from prunescope import (
    activations,
    artifacts,
    checkpoints,
    datasets,
    devices,
    exemplars,
    job,
    networks,
    probing,
    tables,
)


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    images = datasets.PackedImages.open(smk.input.images, smk.input.labels)
    settings = exemplars.Settings(**smk.params.exemplars)
    module = networks.to_module(network).to(devices.choose())
    chosen = datasets.sample_rows(images.labels, **smk.params.activations)
    recorder = activations.Recorder(chosen)
    found = probing.find_exemplars(module, images, network.description, settings, recorder)
    job.log.info("%d of %d units are constant", found["constant"].sum(), len(found))
    tables.EXEMPLARS.write(found, smk.output.exemplars)
    artifacts.save_array(recorder.activations(), smk.output.activations)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
