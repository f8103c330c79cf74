"""Correlations of pixels, by hand and by numpy."""

import numpy as np

from prunescope.data.packed_images import PackedImages
from prunescope.interpret.metrics import comparison, embedding


def correlations(images: np.ndarray) -> np.ndarray:
    packed = PackedImages(images, np.zeros(len(images), dtype=np.int64))
    size = images.shape[-1]
    embeddings = np.concatenate(list(embedding.embed(packed, "pixels:correlation", size, {})))
    return comparison.compare(embeddings, distance=False)


def test_correlations_by_hand() -> None:
    half = np.zeros((3, 4, 4), dtype=np.uint8)
    half[:, :2] = 200
    grey, turned = np.full_like(half, 90), half.swapaxes(1, 2)
    found = correlations(np.stack([half, half // 2 + 50, 200 - half, turned, grey]))
    # Brightness and contrast do not count; a constant image has correlation 0 with all.
    expected = [
        [1, 1, -1, 0, 0],
        [1, 1, -1, 0, 0],
        [-1, -1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_correlations_are_those_of_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(6, 3, 8, 8), dtype=np.uint8)
    expected = np.corrcoef(images.reshape(6, -1))
    np.testing.assert_allclose(correlations(images), expected, atol=1e-5)
