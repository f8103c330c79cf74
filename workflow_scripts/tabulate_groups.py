"""Write down the groups of channels of the study's architecture, if methods can prune some."""

from prunescope.foundation import job
from prunescope.networks import architecture_files, chosen_layers
from prunescope.prune import channel_groups, group_tables


def main(smk) -> None:
    known = architecture_files.load(smk.input.architecture)
    exclude = chosen_layers.find(smk.params.exclude, known.layers, "pruning.exclude")
    groups = channel_groups.find(known, exclude, smk.params.batch_norm)
    for kinds in smk.params.methods.values():
        channel_groups.prunable(groups, kinds)
    group_tables.CHANNEL_GROUPS.write(group_tables.rows(groups), smk.output.groups)
    left = sum(1 for group in groups if group.whole)
    job.log.info("%d groups of channels, of which %d are left whole", len(groups), left)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
