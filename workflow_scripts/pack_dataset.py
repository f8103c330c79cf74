"""Pack the train and the test images of an archive, each into one array."""

from pathlib import Path

from prunescope.data import image_tables, source
from prunescope.foundation import arrays, job


def main(smk) -> None:
    archive = source.load(smk.params.source)
    paths = map(Path, [*smk.input.downloaded, *smk.input.own])
    files = dict(zip(archive.FILES, paths, strict=True))
    for split in archive.read(files, smk.params.image_size):
        arrays.save_array(split.images, smk.output[f"{split.name}_images"])
        arrays.save_array(split.labels, smk.output[f"{split.name}_labels"])
        rows = image_tables.INDEX.conform(split.index())
        image_tables.INDEX.write(rows, smk.output[f"{split.name}_index"])


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
