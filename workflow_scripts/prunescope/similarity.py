"""Perceptual similarity of the probe images: embeddings, and one matrix for all units."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prunescope import artifacts, metric_dreamsim, metric_lpips, metric_pixels, metric_timm, metrics
from prunescope.datasets import PackedImages
from prunescope.errors import InputError
from prunescope.metrics import Metric

FEATURES = 1 << 14

FAMILIES: Mapping[str, Mapping[str, Metric]] = {
    "timm": metric_timm.METRICS,
    "dreamsim": metric_dreamsim.METRICS,
    "lpips": metric_lpips.METRICS,
    "pixels": metric_pixels.METRICS,
}


def known() -> list[str]:
    """The names of all metrics, `<family>:<model>`."""
    return [f"{family}:{model}" for family, models in FAMILIES.items() for model in models]


def find(name: str) -> Metric:
    """The metric of that name.

    Raises
    ------
    InputError
        There is none.
    """
    family, _, model = name.partition(":")
    if model not in FAMILIES.get(family, {}):
        raise InputError(
            f"interpretability.similarity.metric: {name!r} is not known; "
            f"known: {', '.join(known())}."
        )
    return FAMILIES[family][model]


def missing(settings: Mapping[str, Any], *, packages: bool) -> list[str]:
    """What has to be done before the metric of `interpretability.similarity` can be used.

    `packages` tells whether to look for its packages in the running Python.
    """
    name = settings["metric"]
    metric = find(name)
    reasons = [
        f"metric {name}: {metrics.how_to_pin(file)}"
        for file in metrics.without_checksum(metric, settings.get("sha256", {}))
    ]
    if packages:
        try:
            metrics.package_versions(name, metric)
        except InputError as error:
            reasons.insert(0, str(error))
    return reasons


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
        Side, in pixels, at which the metric sees the images.
    files
        The verified weights of the metric by name; none for a metric without.

    Yields
    ------
    numpy.ndarray
        `(images, features)` float32, batch after batch. Rows have length 1, unless the metric
        is a distance.

    Raises
    ------
    InputError
        The metric is not known, or its packages or weights cannot be used.
    """
    import torch

    metric = find(name)
    metrics.package_versions(name, metric)
    with torch.inference_mode():
        embedder = metric.load(files, image_size)
    for batch in images.batches(metric.batch):
        with torch.inference_mode():
            vectors = embedder(batch.images).numpy()
        if not metric.distance:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            # What has no length is like nothing.
            vectors = vectors / np.maximum(lengths, 1e-12)
        yield vectors


def save(batches: Iterator[np.ndarray], images: int, path: str | Path) -> None:
    """Write the embeddings of all images as one .npy array, a batch at a time.

    Those of LPIPS can be larger than the memory.
    """
    with artifacts.atomic(path) as temporary, temporary.open("wb") as file:
        for number, batch in enumerate(batches):
            if number == 0:
                header = np.lib.format.header_data_from_array_1_0(batch)
                header["shape"] = (images, *batch.shape[1:])
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(batch).tobytes())


def compare(embeddings: np.ndarray, name: str) -> np.ndarray:
    """Similarity of all pairs of images.

    Parameters
    ----------
    embeddings
        `(images, features)` float32, as `embed` makes them; may be memory-mapped.
    name
        The metric that made them.

    Returns
    -------
    numpy.ndarray
        `(images, images)` float32, symmetric: cosines, or 1 minus the distance.
    """
    if find(name).distance:
        return (1 - _squared_distances(embeddings)).astype(np.float32)
    matrix = np.asarray(embeddings @ embeddings.T)
    return (matrix + matrix.T) / 2


def _squared_distances(vectors: np.ndarray) -> np.ndarray:
    """Squared distances of all pairs of rows, from blocks of features: float64."""
    products = np.zeros((len(vectors), len(vectors)))
    for start in range(0, vectors.shape[1], FEATURES):
        block = np.asarray(vectors[:, start : start + FEATURES], dtype=np.float64)
        products += block @ block.T
    squares = np.diag(products)
    distances = squares[:, None] + squares[None, :] - products - products.T
    return np.maximum(distances, 0)
