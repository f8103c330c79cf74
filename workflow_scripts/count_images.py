"""Count the images of a study's splits, and check that they are enough for its steps."""

import polars as pl

from prunescope.data import image_tables
from prunescope.foundation import job
from prunescope.summarize import image_counts

SAMPLES = ("validation", "probe")


def main(smk) -> None:
    indices = {"train": smk.input.train, "validation": smk.input.validation}
    indices["probe"] = smk.input.probe
    # Packed images have no reports: none of them is damaged.
    reports = dict(zip(SAMPLES, smk.input.reports, strict=False))
    counts = pl.concat(
        image_counts.count(
            split,
            image_tables.INDEX.read(path),
            image_tables.REPORT.read(reports[split]) if split in reports else None,
        )
        for split, path in indices.items()
    )
    needs = [image_counts.Need(**need) for need in smk.params.needs]
    image_counts.check(counts, needs, smk.params.dataset)
    for split in SAMPLES:
        if lost := image_counts.left_out(counts.filter(split=split)):
            job.log.warning("%s: %s", split, lost)
    image_counts.COUNTS.write(counts, smk.output.images)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
