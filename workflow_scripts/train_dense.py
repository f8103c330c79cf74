"""Train the dense network from scratch."""

from prunescope.data import image_tables, packed_images
from prunescope.foundation import job
from prunescope.networks import description, devices, modules, network_files
from prunescope.train import history_table, training_job
from prunescope.train.images import batches
from prunescope.train.recipes import recipe
from prunescope.train.training import Surroundings, Task


def main(smk) -> None:
    blank = description.Description(
        architecture=smk.params.architecture,
        classes=image_tables.INDEX.read(smk.input.index)["label"].n_unique(),
        image_size=smk.params.dataset["image_size"],
        mean=tuple(smk.params.dataset["mean"]),
        std=tuple(smk.params.dataset["std"]),
        auxiliary_heads=smk.params.auxiliary_heads,
    )
    device = devices.choose()
    task = Task(
        network=modules.to_network(*modules.create(blank, seed=int(smk.params.seed))),
        training=batches.open_source(smk.input, smk.params.decoding),
        validation=packed_images.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipe.from_config(smk.params.recipe),
        seed=int(smk.params.seed),
    )
    around = Surroundings(
        device,
        workers=batches.workers(smk.params.decoding, smk.threads, device),
        saved_state=training_job.make_saved_state(
            smk.output.network, smk.params.items(), smk.input, smk.resources.save_state_seconds
        ),
        stop=job.catch_signals(),
    )
    processes = training_job.count_processes(device, smk.resources.gpu)
    trained, history = training_job.run(task, around, processes, job.follow)
    network_files.save(trained, smk.output.network)
    history_table.HISTORY.write(history_table.HISTORY.conform(history), smk.output.history)
    around.saved_state.remove()


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
