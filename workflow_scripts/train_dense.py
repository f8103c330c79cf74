"""Train the dense network from scratch."""

from prunescope.data import image_tables, packed_images
from prunescope.foundation import job
from prunescope.networks import architecture_files, devices, modules
from prunescope.networks.description import Description
from prunescope.train import training_job
from prunescope.train.images import batches
from prunescope.train.recipes import recipe
from prunescope.train.training import Task


def main(smk) -> None:
    found = architecture_files.load(smk.input.architecture)
    blank = Description.blank(
        smk.params.architecture,
        image_tables.INDEX.read(smk.input.index)["label"].n_unique(),
        smk.params.dataset,
        auxiliary_heads=smk.params.auxiliary_heads,
        options=smk.params.options,
        layers=found.layers,
        parameter_macs=found.parameter_macs,
    )
    device = devices.choose()
    task = Task(
        network=modules.to_network(modules.create(blank, seed=int(smk.params.seed)), blank),
        training=batches.open_source(smk.input, smk.params.decoding),
        validation=packed_images.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipe.from_config(smk.params.recipe),
        seed=int(smk.params.seed),
    )
    training_job.carry_out(smk, task, device)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
