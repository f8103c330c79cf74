"""Make a network that was pruned elsewhere one of the study: its weights, and its masks."""

from dataclasses import replace
from pathlib import Path

from prunescope.evaluate import counts
from prunescope.foundation import job, provenance, whole_files
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.networks import chosen_layers, network_files, reach
from prunescope.networks.imported import given_masks, known_weights, state_dicts


def main(smk) -> None:
    key = f"imported.{smk.wildcards.method}"
    given = smk.params.weights
    checkpoint = known_weights.named(given["architecture"], given["checkpoint"])
    known_weights.verify(checkpoint, Lock(Path(smk.params.lock)))
    dense = network_files.load(smk.input.dense).description
    transform_input = checkpoint.transform_input
    if transform_input is None:
        transform_input = dense.transform_input
    blank = replace(dense, transform_input=transform_input)
    seed = int(smk.params.seed)
    adopted = state_dicts.adopt(smk.input.checkpoint, blank, seed, key=key)
    made_of = {"sha256": whole_files.checksum(smk.input.checkpoint), "done": adopted.done}
    provenance.add("weights", made_of)
    masks = given_masks.masks_of(adopted.network, adopted.masks)
    network = replace(adopted.network, masks=masks)
    counted = reach.counted(network.description, smk.params.unreached)
    exclude = chosen_layers.find(smk.params.exclude, dense.layers, "pruning.exclude")
    measured = counts.account(network, exclude, counted)
    job.log.info("parameters with masks: %d", len(masks))
    for name in ("sparsity_prunable", "sparsity_all"):
        job.log.info("%s: %.4f", name, measured[name])
    network_files.save(network, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
