"""Choose what to prune and set it to zero."""

from prunescope import accounting, checkpoints, job, pruning


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    settings = pruning.Settings(
        granularity=smk.params.granularity,
        scope=smk.params.scope,
        criterion=smk.params.criterion,
        layers=tuple(smk.params.layers),
        biases=smk.params.biases,
    )
    masks = pruning.make_masks(
        network,
        settings,
        smk.params.rate,
        exclude=smk.params.exclude,
        batch_norm=smk.params.batch_norm,
        seed=int(smk.params.seed),
    )
    pruned = network.masked(masks)
    measured = accounting.account(pruned, smk.params.exclude)
    job.log.info("sparsity of all convolutions: %.4f", measured["sparsity_conv"])
    checkpoints.save(pruned, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
