"""List the image files in the folder of a dataset, and their classes."""

from pathlib import Path

from prunescope.data import image_tables, source
from prunescope.data.watching import stamps
from prunescope.foundation import job


def main(smk) -> None:
    images = source.load(smk.params.source)
    folder = Path(smk.params.folder)
    train, test = images.index(folder, smk.params.settings)
    image_tables.INDEX.write(stamps.stamped(train, folder), smk.output.train)
    image_tables.INDEX.write(stamps.stamped(test, folder), smk.output.test)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
