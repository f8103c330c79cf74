"""Prune a network: compute the masks, and set the pruned parameters to zero."""

from prunescope.evaluate import counts
from prunescope.foundation import job
from prunescope.networks import architecture_files, chosen_layers, network_files, reach
from prunescope.prune import channel_groups, patterns
from prunescope.prune.group_masks import make_group_masks
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.prune.pieces import CHANNEL_GROUP


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    exclude = chosen_layers.find(smk.params.exclude, network.description.layers, "pruning.exclude")
    counted = reach.counted(network.description, smk.params.unreached)
    job.log.info(
        "weights that no image reaches: %s",
        reach.in_words(network.description, smk.params.unreached),
    )
    settings = PruningMethod(
        granularity=smk.params.granularity,
        scope=smk.params.scope,
        criterion=smk.params.criterion,
        layers=tuple(smk.params.layers),
        biases=smk.params.biases,
        pattern=smk.params.pattern,
    )
    rest = {
        "exclude": exclude,
        "batch_norm": smk.params.batch_norm,
        "seed": int(smk.params.seed),
        "counted": counted,
    }
    if settings.granularity == CHANNEL_GROUP:
        known = architecture_files.load(smk.input.groups[0])
        groups = channel_groups.find(known, exclude, smk.params.batch_norm)
        job.log.info("%s", channel_groups.left_whole(groups, settings.layers))
        masks = make_group_masks(network, known, settings, smk.params.rate, **rest)
    else:
        masks = make_masks(network, settings, smk.params.rate, **rest)
    pruned = network.masked(masks)
    measured = counts.account(pruned, exclude, counted)
    if settings.pattern is not None:
        pattern = patterns.parse(settings.pattern)
        job.log.info("%s", patterns.left_dense(network.description.layers, pattern))
    job.log.info("left alone: %s", ", ".join(exclude) or "none")
    job.log.info("sparsity of all convolutions: %.4f", measured["sparsity_conv"])
    network_files.save(pruned, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
