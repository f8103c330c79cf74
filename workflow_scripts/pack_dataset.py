"""Pack the train and test images of Fashion-MNIST, padded to RGB squares."""

from pathlib import Path

import numpy as np
import polars as pl

from prunescope import artifacts, datasets, job, tables


def pack(images_path: str, labels_path: str, size: int, split: str) -> tuple:
    images = datasets.read_idx(Path(images_path).read_bytes(), "images", images_path)
    labels = datasets.read_idx(Path(labels_path).read_bytes(), "labels", labels_path)
    labels = labels.astype(np.int64)
    index = pl.DataFrame(
        {
            "image": np.arange(len(labels)),
            "label": labels,
            "class": [datasets.FASHION_MNIST_CLASSES[label] for label in labels],
            "source_split": split,
            "source_index": np.arange(len(labels)),
            "file": None,
        }
    )
    return datasets.pad_to_rgb(images, size), labels, tables.INDEX.conform(index)


def main(smk) -> None:
    for split in ("train", "test"):
        images, labels, index = pack(
            smk.input[f"{split}_images"],
            smk.input[f"{split}_labels"],
            smk.params.image_size,
            split,
        )
        artifacts.save_array(images, smk.output[f"{split}_images"])
        artifacts.save_array(labels, smk.output[f"{split}_labels"])
        tables.INDEX.write(index, smk.output[f"{split}_index"])


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821
