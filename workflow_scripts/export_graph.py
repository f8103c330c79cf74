"""Export the graph of a study's architecture, from which networks are made compact."""

import torch

from prunescope.compact.graph import exporting
from prunescope.data import image_tables
from prunescope.foundation import job
from prunescope.networks import architecture
from prunescope.networks.description import Description
from prunescope.networks.exported import steps


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
    torch.manual_seed(0)
    recorded = exporting.export_graph(architecture.build(blank).eval(), size)
    if recorded.stays_masked:
        job.log.warning("networks stay masked, because of %s", recorded.stays_masked)
    job.log.info("%d steps", len(recorded.steps))
    steps.save(recorded, smk.output.graph, smk.output.constants)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
