"""Prune a network by a criterion that is measured on it."""

import numpy as np

from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import counts
from prunescope.foundation import job
from prunescope.networks import chosen_layers, devices, network_files, reach
from prunescope.prune import patterns, pieces
from prunescope.prune.masks import PruningMethod
from prunescope.prune.measuring import sample
from prunescope.prune.measuring.measurements import measure
from prunescope.prune.steps import make_masks_in_steps
from prunescope.train.images import batches


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
    needs = pieces.load_criterion(settings.criterion).NEEDS
    images, device = read_sample(smk), devices.choose()
    job.log.info("measures %s on %s, steps: %d", needs, device, smk.params.iterations)
    masks = make_masks_in_steps(
        network,
        settings,
        smk.params.rate,
        lambda current, layers: measure(current, needs, layers, images, device),
        smk.params.iterations,
        exclude=exclude,
        batch_norm=smk.params.batch_norm,
        seed=int(smk.params.seed),
        counted=counted,
    )
    pruned = network.masked(masks)
    measured = counts.account(pruned, exclude, counted)
    if settings.pattern is not None:
        pattern = patterns.parse(settings.pattern)
        job.log.info("%s", patterns.left_dense(network.description.layers, pattern))
    job.log.info("left alone: %s", ", ".join(exclude) or "none")
    job.log.info("sparsity of all convolutions: %.4f", measured["sparsity_conv"])
    network_files.save(pruned, smk.output.network)


def read_sample(smk) -> list[PackedImages]:
    """The train images that the network is measured on, in batches; none if it needs none."""
    if smk.params.sample is None:
        return []
    source = batches.open_source(smk.input, smk.params.decoding)
    drawn = sample.draw(len(source), sample.SampleSettings(**smk.params.sample))
    rng = np.random.default_rng()  # required by `read`, but unused without augmentation
    read = [source.read(indices, (), rng) for indices in drawn]
    return [PackedImages(batch.images, batch.labels) for batch in read]


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
