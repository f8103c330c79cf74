"""Compare the units that each network lost with those that it kept, in the dense network."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from prunescope.foundation import job
from prunescope.interpret import unit_tables
from prunescope.networks import coordinates, network_files
from prunescope.prune import group_tables
from prunescope.summarize import selection, study_tables
from prunescope.summarize.removal import removal_tables, removed_units
from prunescope.summarize.selection import UNIT


def pieces_of(smk, method: str, lost: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """What can go by itself in a method."""
    if method not in smk.params.group_methods:
        return removed_units.pieces_of_filters(lost)
    groups = group_tables.CHANNEL_GROUPS.read(smk.input.groups[0])
    return removed_units.pieces_of_groups(groups, smk.params.group_methods[method])


def main(smk) -> None:
    networks = coordinates.from_params(smk.params.networks)
    units = selection.dense(study_tables.UNITS.read(smk.input.units))
    dense = {
        seed: units.filter(seed=seed).join(
            removed_units.activation_scales(unit_tables.EXEMPLARS.read(path)),
            on=UNIT,
            how="left",
            maintain_order="left",
        )
        for seed, path in zip(smk.params.seeds, smk.input.exemplars, strict=True)
    }
    gone = [removed_units.removed(network_files.load(path)) for path in smk.input.networks]
    names = removed_units.chosen_as(networks, gone)
    found = [
        removed_units.compare(
            dense[network.seed],
            lost,
            pieces_of(smk, network.method, lost),
            network,
            smk.params.resamples,
            smk.params.seed,
            layers_compete=network.method in smk.params.competing,
        ).with_columns(study=pl.lit(smk.params.study), chosen_as=pl.lit(name))
        for network, lost, name in zip(networks, gone, names, strict=True)
    ]
    table = removal_tables.UNITS_PRUNED
    table.write(table.conform(pl.concat(found)), smk.output.table)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
