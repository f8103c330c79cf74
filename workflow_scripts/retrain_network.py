"""Retrain a pruned network, or the dense network as a control."""

from prunescope.data import packed_images
from prunescope.foundation import job
from prunescope.networks import devices, network_files
from prunescope.train import history_table, training_job
from prunescope.train.images import batches
from prunescope.train.recipes import recipe
from prunescope.train.training import Surroundings, Task


def main(smk) -> None:
    network = network_files.load(smk.input.network)
    device = devices.choose()
    task = Task(
        network=network,
        training=batches.open_source(smk.input, smk.params.decoding),
        validation=packed_images.PackedImages.open(
            smk.input.validation_images, smk.input.validation_labels
        ),
        recipe=recipe.from_config(smk.params.recipe),
        # The rate is part of the seed, so that the networks of an iterative chain draw different
        # images.
        seed=(int(smk.params.seed), round(100 * float(smk.params.rate))),
        enforce_masks=smk.params.mask == "enforced",
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
    retrained, history = training_job.run(task, around, processes, job.follow)
    network_files.save(retrained, smk.output.network)
    history_table.HISTORY.write(history_table.HISTORY.conform(history), smk.output.history)
    around.saved_state.remove()


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
