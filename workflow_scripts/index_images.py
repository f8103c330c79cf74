"""List the image files in the folder of a dataset, and their classes."""

from pathlib import Path

from prunescope.data import image_tables, source
from prunescope.foundation import job


def main(smk) -> None:
    folder = source.load(smk.params.source)
    train, test = folder.index(Path(smk.params.folder), smk.params.settings)
    image_tables.INDEX.write(train, smk.output.train)
    image_tables.INDEX.write(test, smk.output.test)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
