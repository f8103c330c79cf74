"""Check the accuracy of a compact network: check_onnx.py NETWORK/compact.onnx FOLDER_OF_SPLIT.

Classifies every image of a packed split, such as results/datasets/fashion_mnist/validation, with
onnxruntime. If the predictions of the original network for these images are in the folder of the
model, the answers are compared with them too.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.compact.graph import onnx_models, onnx_sessions
from prunescope.data import packed_images
from prunescope.data.file_names import diagnosis, shown
from prunescope.evaluate import network_tables
from prunescope.foundation import tables
from prunescope.foundation.errors import InputError, how_to_rebuild

BATCH = 100


def described(model: Path) -> Mapping[str, Any]:
    """How to feed a model, from its metadata."""
    metadata = onnx_models.read_metadata(str(model))
    if onnx_models.KEPT_MASKED in metadata:
        raise InputError(
            f"{shown(model)}: holds no model: {metadata[onnx_models.KEPT_MASKED]} stands in the "
            "way of making the network compact. Use network.safetensors beside it"
        )
    try:
        return metadata["network"]
    except KeyError as error:
        raise InputError(
            f"{shown(model)}: is an ONNX model, but not a compact network: its metadata do not "
            "tell how to feed it. Name the file compact.onnx of a network of a study"
        ) from error


def opened(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The model, ready to run."""
    try:
        return onnx_sessions.open_session(model.read_bytes(), threads=0)
    except Exception as error:  # onnxruntime has many types of its own
        raise InputError(
            f"{shown(model)}: is whole, but onnxruntime cannot run it here: "
            f"{' '.join(str(error).split())}"
        ) from error


def require_fit(
    network: Mapping[str, Any], packed: packed_images.PackedImages, split: Path
) -> None:
    """Refuse images on which the network was not trained: neither of the two is damaged then."""
    other = "Name a split of the dataset on which the network was trained"
    side = network["image_size"]
    if packed.images.shape[1:] != (3, side, side):
        found = " x ".join(map(str, packed.images.shape[1:]))
        taken = f"3 x {side} x {side}"
        raise InputError(
            f"{shown(split)}: its images are {found}, the network takes {taken}. {other}"
        )
    if not len(packed):
        raise InputError(f"{shown(split)}: holds no image. Name another split")
    if packed.labels.max() >= network["classes"]:
        raise InputError(
            f"{shown(split)}: has a class {packed.labels.max()}, the network knows 0 to "
            f"{network['classes'] - 1}. {other}"
        )


def answers(
    run: Callable[[np.ndarray], np.ndarray], network: Mapping[str, Any], images: np.ndarray
) -> Iterator[np.ndarray]:
    """The class that the model gives each image, batch by batch."""
    mean, std = (
        np.array(network[key], dtype=np.float32).reshape(1, 3, 1, 1) for key in ("mean", "std")
    )
    for start in range(0, len(images), BATCH):
        pixels = images[start : start + BATCH].astype(np.float32)
        yield run((pixels / 255 - mean) / std).argmax(axis=1)


def agreement(predictions: Path, found: np.ndarray, labels: np.ndarray) -> str:
    """How many answers are those of the original network, if it was asked about these images."""
    if not predictions.exists():
        return ""
    before = network_tables.PREDICTIONS.read(predictions)
    if not np.array_equal(before["label"].to_numpy(), labels):
        return f"; {predictions.name} beside the model is of other images"
    same = int((found == tables.matrix(before["top5"])[:, 0]).sum())
    return f"; {same} answers as in {predictions.name}"


def check(model: Path, split: Path) -> str:
    """The accuracy of a model, and its agreement with the original network, in one line.

    Raises
    ------
    InputError
        One of the files is damaged, or they do not belong together.
    OSError
        One of the files cannot be opened.
    """
    images, labels = split / "images.npy", split / "labels.npy"
    for path in (model, images, labels):
        # Before any library opens it: what cannot be opened is not damaged.
        path.open("rb").close()
    network = described(model)
    packed = packed_images.PackedImages.open(images, labels)
    require_fit(network, packed, split)
    found = np.concatenate(list(answers(opened(model), network, packed.images)))
    right = int((found == packed.labels).sum())
    told = f"{shown(model)}: {right} of {len(found)} images right, top-1 {right / len(found):.4f}"
    return told + agreement(model.with_name("predictions.parquet"), found, packed.labels)


def with_own_advice(message: str, paths: tuple[Path, ...]) -> str:
    """The message; for a file that Snakemake cannot make anew under its path, with other advice."""
    for path in paths:
        advice = how_to_rebuild(path)
        inside = Path(os.path.relpath(path))
        if advice in message and inside.parts[:1] == ("results",):
            return message.replace(advice, how_to_rebuild(inside))
        message = message.replace(advice, "Copy it again from the project that made it")
    return message


def main(model: Path, split: Path) -> None:
    read = (
        model,
        *(split / name for name in ("images.npy", "labels.npy")),
        model.with_name("predictions.parquet"),
    )
    try:
        print(check(model, split))
    except InputError as error:
        sys.exit(with_own_advice(str(error), read))
    except OSError as error:
        path = Path(error.filename or model)
        reason, advice = diagnosis(path, error)
        sys.exit(f"{shown(path)}: {reason}. {advice}, or name another file or folder.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
