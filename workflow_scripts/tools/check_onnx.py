"""Check the accuracy of a compact network: check_onnx.py NETWORK/compact.onnx FOLDER_OF_SPLIT.

Classifies every image of a packed split, such as results/datasets/fashion_mnist/validation, with
onnxruntime. If the predictions of the original network are in the folder of the model, the answers
are compared with them too.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prunescope.compact.graph import onnx_models, onnx_sessions
from prunescope.data import packed_images
from prunescope.evaluate import network_tables
from prunescope.foundation import tables
from prunescope.foundation.errors import InputError

BATCH = 100


def answers(model: Path, images: np.ndarray) -> Iterator[np.ndarray]:
    """The class that the model gives each image, batch by batch."""
    described = onnx_models.read_metadata(str(model))["network"]
    mean, std = (
        np.array(described[key], dtype=np.float32).reshape(1, 3, 1, 1) for key in ("mean", "std")
    )
    run = onnx_sessions.open_session(model.read_bytes(), threads=0)
    for start in range(0, len(images), BATCH):
        pixels = images[start : start + BATCH].astype(np.float32)
        yield run((pixels / 255 - mean) / std).argmax(axis=1)


def check(model: Path, split: Path) -> str:
    """The accuracy of a model, and its agreement with the original network, in one line."""
    packed = packed_images.PackedImages.open(split / "images.npy", split / "labels.npy")
    found = np.concatenate(list(answers(model, packed.images)))
    right = int((found == packed.labels).sum())
    told = f"{model}: {right} of {len(found)} images right, top-1 {right / len(found):.4f}"
    predictions = model.with_name("predictions.parquet")
    if predictions.exists() and split.name == "validation":
        before = tables.matrix(network_tables.PREDICTIONS.read(predictions)["top5"])[:, 0]
        told += f"; {int((found == before).sum())} answers as in {predictions.name}"
    return told


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        print(check(Path(sys.argv[1]), Path(sys.argv[2])))
    except (InputError, FileNotFoundError) as error:
        sys.exit(str(error))
