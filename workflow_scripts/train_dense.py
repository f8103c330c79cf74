"""Train the dense network from scratch."""

from prunescope import (
    checkpoints,
    datasets,
    devices,
    job,
    loading,
    networks,
    recipes,
    tables,
    training_jobs,
)


def main(smk) -> None:
    blank = checkpoints.Description(
        architecture=smk.params.architecture,
        classes=tables.INDEX.read(smk.input.index)["label"].n_unique(),
        image_size=smk.params.dataset["image_size"],
        mean=tuple(smk.params.dataset["mean"]),
        std=tuple(smk.params.dataset["std"]),
        auxiliary_heads=smk.params.auxiliary_heads,
    )
    device = devices.choose()
    task = training_jobs.Task(
        network=networks.to_network(*networks.create(blank, seed=int(smk.params.seed))),
        masks={},
        training=loading.open_source(smk.input, smk.params.decoding),
        validation=datasets.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipes.from_config(smk.params.recipe),
        seed=int(smk.params.seed),
        side=training_jobs.make_side(
            smk.output.network, smk.params.items(), smk.input, smk.resources.checkpoint_seconds
        ),
        workers=loading.workers(smk.params.decoding, smk.threads, device),
    )
    processes = training_jobs.count_processes(device, smk.resources.gpu)
    trained, history = training_jobs.run(task, device, processes, job.catch_signals(), job.follow)
    checkpoints.save(trained, smk.output.network)
    tables.HISTORY.write(tables.HISTORY.conform(history), smk.output.history)
    task.side.remove()


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
