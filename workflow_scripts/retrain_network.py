"""Retrain a pruned network while its masks are held (or the dense one, as a control)."""

from prunescope import checkpoints, datasets, devices, job, loading, recipes, tables, training_jobs


def main(smk) -> None:
    network = checkpoints.load(smk.input.network)
    device = devices.choose()
    task = training_jobs.Task(
        network=network,
        masks=network.masks,
        training=loading.open_source(smk.input, smk.params.decoding),
        validation=datasets.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipes.from_config(smk.params.recipe),
        # The rate takes part, so that the levels of a chain do not see the same images again.
        seed=(int(smk.params.seed), round(100 * float(smk.params.rate))),
        side=training_jobs.make_side(
            smk.output.network, smk.params.items(), smk.input, smk.resources.checkpoint_seconds
        ),
        workers=loading.workers(smk.params.decoding, smk.threads, device),
        enforce_masks=smk.params.mask == "enforced",
    )
    processes = training_jobs.count_processes(device, smk.resources.gpu)
    retrained, history = training_jobs.run(task, device, processes, job.catch_signals(), job.follow)
    checkpoints.save(retrained, smk.output.network)
    tables.HISTORY.write(tables.HISTORY.conform(history), smk.output.history)
    task.side.remove()


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
