"""Prune a network: compute the masks, and set the pruned parameters to zero."""

from prunescope.evaluate import counts
from prunescope.foundation import job
from prunescope.networks import chosen_layers, network_files, reach
from prunescope.prune.masks import PruningMethod, make_masks


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
    )
    masks = make_masks(
        network,
        settings,
        smk.params.rate,
        exclude=exclude,
        batch_norm=smk.params.batch_norm,
        seed=int(smk.params.seed),
        counted=counted,
    )
    pruned = network.masked(masks)
    measured = counts.account(pruned, exclude, counted)
    job.log.info("left alone: %s", ", ".join(exclude) or "none")
    job.log.info("sparsity of all convolutions: %.4f", measured["sparsity_conv"])
    network_files.save(pruned, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
