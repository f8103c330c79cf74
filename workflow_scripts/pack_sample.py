"""Pack a class-balanced sample of image files: the validation or the probe images."""

import numpy as np
import polars as pl

from prunescope.data import image_tables, packing, sampling
from prunescope.data.watching import stamps
from prunescope.foundation import arrays, job


def main(smk) -> None:
    index = image_tables.INDEX.read(smk.input.index)
    sample = smk.params.sample
    chosen = index
    if sample["images"] is not None:
        labels = index["label"].to_numpy()
        chosen = index[sampling.sample_rows(labels, **sample, key=smk.params.key)]
    report = packing.pack(
        chosen["file"].to_list(),
        stamps.of_index(chosen),
        packing.PackingSettings(
            smk.params.folder, smk.params.image_size, smk.params.resize, smk.params.on_error
        ),
        smk.output.images,
        smk.params.unfinished,
        code=smk.params.code,
        threads=smk.threads,
    )
    columns = dict.fromkeys(("file", "kind", "action", "message"), pl.String)
    notes = pl.DataFrame(report, schema=columns, orient="row")
    rows = notes.join(chosen, on="file", how="left", maintain_order="left")
    skipped = rows.filter(pl.col("action") == image_tables.SKIPPED)["file"]
    kept = chosen.filter(~pl.col("file").is_in(skipped.implode()))
    renumbered = kept.with_columns(image=pl.arange(len(kept), dtype=pl.Int32))
    image_tables.REPORT.write(image_tables.REPORT.conform(rows), smk.output.report)
    arrays.save_array(kept["label"].to_numpy().astype(np.int64), smk.output.labels)
    image_tables.INDEX.write(renumbered, smk.output.index)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
