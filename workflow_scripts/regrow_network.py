"""Retrain a pruned network, and move what is left: drop small weights, and grow others."""

from prunescope.data import packed_images
from prunescope.foundation import job
from prunescope.networks import devices, network_files, reach
from prunescope.train import training_job
from prunescope.train.images import batches
from prunescope.train.mask_updates.regrowth import Pace, Regrowth
from prunescope.train.recipes import recipe
from prunescope.train.training import Task


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    if smk.input.rewound_to:
        network = network_files.load(smk.input.rewound_to[0]).masked(network.masks)
    fields = dict(smk.params.recipe)
    first_step = fields.pop("first_step", 0)
    counted = reach.counted(network.description, smk.params.unreached)
    device = devices.choose()
    task = Task(
        network=network,
        training=batches.open_source(smk.input, smk.params.decoding),
        validation=packed_images.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipe.from_config(fields),
        first_step=first_step,
        # As in `retrain_network`.
        seed=(int(smk.params.seed), smk.params.level),
        counted=counted,
        updates=Regrowth(Pace(**smk.params.pace), counted),
    )
    training_job.carry_out(smk, task, device)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
