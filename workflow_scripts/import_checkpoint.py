"""Make the dense network from weights that were trained elsewhere."""

from pathlib import Path

from prunescope.data import image_tables
from prunescope.foundation import job, provenance, whole_files
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.networks import architecture_files, network_files
from prunescope.networks.description import Description
from prunescope.networks.imported import known_weights, state_dicts


def main(smk) -> None:
    given = smk.params.weights
    checkpoint = known_weights.named(given["architecture"], given["checkpoint"])
    known_weights.verify(checkpoint, Lock(Path(smk.params.lock)))
    found = architecture_files.load(smk.input.architecture)
    blank = Description.blank(
        given["architecture"],
        image_tables.INDEX.read(smk.input.index)["label"].n_unique(),
        smk.params.dataset,
        auxiliary_heads=smk.params.auxiliary_heads,
        options=smk.params.options,
        layers=found.layers,
        parameter_macs=found.parameter_macs,
        transform_input=bool(checkpoint.transform_input),
    )
    adopted = state_dicts.adopt(smk.input.checkpoint, blank, seed=int(smk.params.seed))
    made_of = {"sha256": whole_files.checksum(smk.input.checkpoint), "done": adopted.done}
    provenance.add("weights", made_of)
    network_files.save(adopted.network, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
