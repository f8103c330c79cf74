"""Embed the probe images with the perceptual metric."""

import torch  # noqa: F401 (before the job starts, so that it can limit torch's threads)

from prunescope import artifacts, datasets, job, metrics, provenance, similarity


def main(smk) -> None:
    images = datasets.PackedImages.open(smk.input.images, smk.input.labels)
    settings = smk.params.similarity
    name = settings["metric"]
    metric = similarity.find(name)
    if versions := metrics.package_versions(name, metric):
        provenance.set_current({**provenance.current(), "packages": versions})
    files = metrics.verified(metric, settings.get("sha256", {}))
    embeddings = similarity.embed(images, name, settings["image_size"], files)
    similarity.save(embeddings, len(images), smk.output.embeddings)
    artifacts.save_provenance(smk.output.provenance)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
