"""Describe the architecture of a study, for the classes and the image size of its dataset."""

from prunescope.data import image_tables
from prunescope.evaluate import trial
from prunescope.foundation import job
from prunescope.foundation.errors import InputError
from prunescope.networks import architecture_files, chosen_layers
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description


def main(smk) -> None:
    size = smk.params.image_size
    blank = Description(
        smk.params.architecture,
        image_tables.INDEX.read(smk.input.index)["label"].n_unique(),
        size,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        auxiliary_heads=smk.params.auxiliary_heads,
        options=smk.params.options,
    )
    module = trial.build_and_try(blank)
    found = describe(module, size)
    job.log.info("%d layers, %d parameters", len(found.layers), found.parameters)
    chosen_layers.find(smk.params.exclude, found.layers, "pruning.exclude")
    for kind in smk.params.recalibrated:
        if told := found.recalibration_problem:
            raise InputError(f"retraining.{kind}.recalibration: {told}.")
    architecture_files.save(found, smk.output.architecture)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
