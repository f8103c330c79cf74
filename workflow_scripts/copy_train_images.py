"""Copy the train images of a dataset in a smaller size into one file."""

from prunescope.data import image_tables
from prunescope.data.copies import copy_table, writing
from prunescope.data.watching import stamps
from prunescope.foundation import job


def main(smk) -> None:
    index = image_tables.INDEX.read(smk.input.index)
    table = writing.write(
        index["file"].to_list(),
        stamps.of_index(index),
        writing.CopySettings(smk.params.folder, smk.params.on_error, **smk.params.train_store),
        smk.output.copies,
        smk.params.unfinished,
        code=smk.params.code,
        threads=smk.threads,
    )
    copy_table.COPIES.write(table, smk.output.table)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
