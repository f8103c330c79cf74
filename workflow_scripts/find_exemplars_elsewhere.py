"""Find the images of another probe set that excite each unit most and least, for variants."""

from prunescope.data import packed_images
from prunescope.foundation import job
from prunescope.interpret import exemplar_pass, exemplars, unit_tables
from prunescope.networks import devices, modules, network_files


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    settings = exemplars.ExemplarSettings(**smk.params.exemplars)
    module = modules.to_module(network).to(devices.choose())
    found = exemplar_pass.find_exemplars(module, images, network.description, settings)
    unit_tables.EXEMPLARS_ELSEWHERE.write(found, smk.output.exemplars)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
