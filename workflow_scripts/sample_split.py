"""Draw a class-balanced sample of a packed split: the validation or the probe images."""

import polars as pl

from prunescope.data import image_tables, packed_images, sampling
from prunescope.foundation import arrays, job


def main(smk) -> None:
    packed = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    chosen = sampling.sample_rows(packed.labels, **smk.params.sample, key=smk.params.key)
    index = image_tables.INDEX.read(smk.input.index)[chosen]
    renumbered = index.with_columns(image=pl.arange(len(chosen), dtype=pl.Int32))
    arrays.save_array(packed.images[chosen], smk.output.images)
    arrays.save_array(packed.labels[chosen], smk.output.labels)
    image_tables.INDEX.write(renumbered, smk.output.index)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
