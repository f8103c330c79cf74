"""Retrain a pruned network, or the dense network as a control."""

from prunescope.data import packed_images
from prunescope.foundation import job
from prunescope.networks import devices, network_files, reach
from prunescope.train import training_job
from prunescope.train.images import batches
from prunescope.train.recipes import recipe
from prunescope.train.training import Task


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    if smk.input.rewound_to:
        network = network_files.load(smk.input.rewound_to[0]).masked(network.masks)
    fields = dict(smk.params.recipe)
    first_step = fields.pop("first_step", 0)
    device = devices.choose()
    task = Task(
        network=network,
        training=batches.open_source(smk.input, smk.params.decoding),
        validation=packed_images.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipe.from_config(fields),
        first_step=first_step,
        # The networks of a chain draw different images. Otherwise all networks of a seed see the
        # same images in the same order, so that rate and order are not confounded.
        seed=(int(smk.params.seed), smk.params.level),
        enforce_masks=smk.params.mask == "enforced",
        counted=smk.params.unreached and reach.counted(network.description, smk.params.unreached),
    )
    training_job.carry_out(smk, task, device)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
