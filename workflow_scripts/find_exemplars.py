"""Find the probe images that excite each unit most and least."""

from prunescope.data import packed_images, sampling
from prunescope.foundation import arrays, job
from prunescope.interpret import activations, exemplar_pass, exemplars, unit_tables
from prunescope.networks import devices, modules, network_files


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    settings = exemplars.ExemplarSettings(**smk.params.exemplars)
    module = modules.to_module(network).to(devices.choose())
    chosen = sampling.sample_rows(
        images.labels, **smk.params.activations, key="interpretability.activations.images"
    )
    recorder = activations.Recorder(chosen)
    found = exemplar_pass.find_exemplars(module, images, network.description, settings, recorder)
    job.log.info("%d of %d units are constant", found["constant"].sum(), len(found))
    unit_tables.EXEMPLARS.write(found, smk.output.exemplars)
    arrays.save_array(recorder.activations(), smk.output.activations)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
