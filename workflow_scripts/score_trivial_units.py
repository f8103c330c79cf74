"""Score units that need no network on the probe images: controls of the score."""

import polars as pl

from prunescope.data import image_tables, packed_images
from prunescope.foundation import job
from prunescope.interpret import exemplars, mis, similarities, trivial_units


def main(smk) -> None:
    index = image_tables.INDEX.read(smk.input.index)
    classes = dict(index.select("label", "class").unique().sort("label").iter_rows())
    found = trivial_units.score(
        packed_images.PackedImages.open(smk.input.images, smk.input.labels),
        classes,
        similarities.load(smk.input.similarity, smk.params.kind),
        exemplars.ExemplarSettings(**smk.params.exemplars),
        mis.ScoreSettings(**smk.params.mis),
    ).with_columns(study=pl.lit(smk.params.study))
    table = trivial_units.TRIVIAL_UNITS
    table.write(table.conform(found), smk.output.units)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
