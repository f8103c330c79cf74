"""Make the untrained control: the dense network with freshly initialised weights."""

from dataclasses import replace

from prunescope.foundation import job
from prunescope.networks import architecture_files, modules, network_files


def main(smk) -> None:
    found = architecture_files.load(smk.input.architecture)
    described = replace(
        network_files.load(smk.input.dense).description,
        layers=found.layers,
        parameter_macs=found.parameter_macs,
    )
    module = modules.create(described, seed=int(smk.params.seed))
    network_files.save(modules.to_network(module, described), smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
