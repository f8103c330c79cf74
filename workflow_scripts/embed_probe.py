"""Embed the probe images with the perceptual metric."""

from pathlib import Path

import torch  # noqa: F401 (imported before the job starts, which then limits torch's threads)

from prunescope.data import packed_images
from prunescope.foundation import arrays, job, provenance
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.interpret.metrics import catalogue, embedding
from prunescope.interpret.metrics.metric import package_versions, verified


def main(smk) -> None:
    images = packed_images.PackedImages.open(smk.input.images, smk.input.labels)
    settings = smk.params.similarity
    name = settings["metric"]
    metric = catalogue.find(name)
    if versions := package_versions(name, metric):
        provenance.set_current({**provenance.current(), "packages": versions})
    files = verified(metric, settings.get("sha256", {}), Lock(Path(smk.params.lock)))
    embeddings = embedding.embed(images, name, settings["image_size"], files)
    embedding.save(embeddings, len(images), smk.output.embeddings)
    arrays.save_provenance(smk.output.provenance)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
