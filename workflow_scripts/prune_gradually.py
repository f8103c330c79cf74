"""Prune the dense network gradually while it is trained."""

from functools import partial

from prunescope.foundation import job
from prunescope.networks import (
    architecture_files,
    chosen_layers,
    devices,
    network_files,
    reach,
)
from prunescope.prune import channel_groups
from prunescope.prune.group_masks import make_group_masks
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.prune.pieces import CHANNEL_GROUP
from prunescope.train import training_job
from prunescope.train.mask_updates.gradual import Gradual, Timing


def main(smk) -> None:
    network = network_files.load((smk.input.rewound_to or [smk.input.network])[0])
    counted = reach.counted(network.description, smk.params.unreached)
    make = maker(smk, network, counted)
    # What would remove a whole layer is told now, not after hours of training.
    make(network, rate=smk.params.rate)
    device = devices.choose()
    updates = Gradual(smk.params.rate, Timing(**smk.params.timing), make)
    task = training_job.make_task(smk, network, counted=counted, updates=updates)
    training_job.carry_out(smk, task, device)


def maker(smk, network, counted):
    """What makes the masks of the network at a rate."""
    exclude = chosen_layers.find(smk.params.exclude, network.description.layers, "pruning.exclude")
    settings = PruningMethod(
        granularity=smk.params.granularity,
        scope=smk.params.scope,
        criterion=smk.params.criterion,
        layers=tuple(smk.params.layers),
        biases=smk.params.biases,
    )
    rest = {
        "exclude": exclude,
        "batch_norm": smk.params.batch_norm,
        "seed": int(smk.params.seed),
        "counted": counted,
    }
    job.log.info("left alone: %s", ", ".join(exclude) or "none")
    job.log.info(
        "weights that no image reaches: %s",
        reach.in_words(network.description, smk.params.unreached),
    )
    if settings.granularity != CHANNEL_GROUP:
        return partial(make_masks, settings=settings, **rest)
    known = architecture_files.load(smk.input.groups[0])
    groups = channel_groups.find(known, exclude, smk.params.batch_norm)
    job.log.info("%s", channel_groups.left_whole(groups, settings.layers))
    return partial(make_group_masks, architecture=known, settings=settings, **rest)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
