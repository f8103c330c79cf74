"""Embed images with a perceptual metric."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import whole_files
from prunescope.interpret.metrics.catalogue import find
from prunescope.interpret.metrics.metric import package_versions


def embed(
    images: PackedImages, name: str, image_size: int, files: Mapping[str, Path]
) -> Iterator[np.ndarray]:
    """Embed every image.

    Parameters
    ----------
    images
        The probe split.
    name
        `<family>:<model>`, such as `timm:tf_efficientnet_lite0`.
    image_size
        Side in pixels to which images are scaled for the metric.
    files
        Verified files with the metric's weights, by name; empty for a metric without files.

    Yields
    ------
    numpy.ndarray
        float32 `(images, features)` for each batch. Rows have length 1, unless the metric is a
        distance.

    Raises
    ------
    InputError
        The metric is not known, or its packages or weights cannot be used.
    """
    import torch

    metric = find(name)
    package_versions(name, metric)
    with torch.inference_mode():
        embedder = metric.load(files, image_size)
    for batch in images.batches(metric.batch):
        with torch.inference_mode():
            vectors = embedder(batch.images).numpy()
        if not metric.distance:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            # A zero vector stays zero: its similarity to all images is 0.
            vectors = vectors / np.maximum(lengths, 1e-12)
        yield vectors


def save(batches: Iterator[np.ndarray], images: int, path: str | Path) -> None:
    """Write the embeddings of all images as one .npy array, batch by batch.

    The embeddings of LPIPS can be larger than the memory.

    Parameters
    ----------
    batches
        As `embed` yields them.
    images
        Number of images in all batches.
    path
        The .npy file.
    """
    with whole_files.atomic(path) as temporary, temporary.open("wb") as file:
        for number, batch in enumerate(batches):
            if number == 0:
                header = np.lib.format.header_data_from_array_1_0(batch)
                header["shape"] = (images, *batch.shape[1:])
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(batch).tobytes())
