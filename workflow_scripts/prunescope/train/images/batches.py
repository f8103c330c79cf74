"""Training batches as tensors: read in this process, or ahead of time by workers.

What a batch holds depends on its place in training alone (epoch, step, part), never on who
reads it. So neither the number of workers nor a restart in the middle of an epoch changes a
result.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from prunescope.data.packed_images import PackedImages
from prunescope.train.images.augmentation import RANDOM_RESIZED_CROP
from prunescope.train.images.packed_source import PackedSource

Batch = tuple[torch.Tensor, torch.Tensor]

ASKING = {signal.SIGTERM}


class TrainImages(Protocol):
    """Train images: packed ones, or image files."""

    def __len__(self) -> int: ...

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> PackedImages:
        """The images at `indices`, augmented."""
        ...


def open_source(files: Mapping[str, str], decoding: Mapping[str, Any] | None) -> TrainImages:
    """Open the train images of a job.

    Parameters
    ----------
    files
        The job's inputs: `images` and `labels` of packed images, or the `index` of image files.
    decoding
        Of image files: what `ImageFiles.open` takes besides the index. None for packed images.
    """
    if decoding is None:
        return PackedSource(PackedImages.open(files["images"], files["labels"]))
    from prunescope.train.images.image_files import ImageFiles  # packed images need no decoder

    return ImageFiles.open(files["index"], **decoding)


def workers(decoding: Mapping[str, Any] | None, threads: int, device: torch.device) -> int:
    """Processes that decode image files ahead.

    A GPU trains while all of the job's `threads` decode. On the CPU, training takes so much
    longer than decoding that one of them keeps up with the others.
    """
    if decoding is None:
        return 0
    return threads if device.type == "cuda" else min(1, threads - 1)


@dataclass(frozen=True)
class Part:
    """A part of a training batch: the images one process passes forward at once.

    `key` seeds its augmentation: epoch, step in the epoch, and place in the batch.
    """

    indices: np.ndarray
    key: tuple[int, int, int]


@dataclass(frozen=True)
class Reader(torch.utils.data.Dataset):
    """Reads the parts of an epoch, each from its own random stream."""

    source: TrainImages
    parts: Sequence[Part]
    augmentation: tuple[str, ...]
    seed: int | Sequence[int]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, position: int) -> Batch:
        part = self.parts[position]
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=part.key))
        packed = self.source.read(part.indices, self.augmentation, rng)
        return torch.from_numpy(np.ascontiguousarray(packed.images)), torch.from_numpy(
            packed.labels
        )


def divide(
    drawn: np.ndarray, epoch: int, batch: int, parts: int, mine: slice, first: int
) -> list[Part]:
    """Cut the images of an epoch into steps, and each step's batch into equal parts.

    Parameters
    ----------
    drawn
        `(images,)` int64 indices in the order of the epoch.
    epoch, first
        The epoch, from 1, and the step in it from which to go on.
    batch, parts
        Images of a step, and the number of parts they are divided into.
    mine
        Which parts of each batch this process reads.
    """
    steps = range(first, len(drawn) // batch)
    return [
        Part(indices, (epoch, step, place))
        for step in steps
        for place, indices in list(
            enumerate(np.split(drawn[step * batch : (step + 1) * batch], parts))
        )[mine]
    ]


def read_all(reader: Reader, workers: int, pin_memory: bool) -> Iterator[Batch]:
    """Yield the parts in order; `workers` processes read ahead, 0 reads in this one.

    `pin_memory` puts them into memory from which a GPU copies while it computes.
    """
    if RANDOM_RESIZED_CROP in reader.augmentation:
        # Slow to import: once here instead of in every worker.
        import prunescope.train.images.random_crops  # noqa: F401
    if workers == 0 and not pin_memory:
        yield from (reader[position] for position in range(len(reader)))
        return
    loader = torch.utils.data.DataLoader(
        reader,
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_obey_the_training_alone,
        # Else every start of the workers would draw from the generator that seeds dropout.
        generator=torch.Generator(),
    )
    # Blocked in the workers from their first moment on: they take it over from here.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    try:
        batches = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    yield from batches


def _obey_the_training_alone(_worker: int) -> None:
    """Keep a worker alive when a scheduler asks all processes of the job to end.

    A worker that followed would take the training along before its state is saved. SIGTERM of
    the training itself still ends the worker: that is how torch clears up.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    training = multiprocessing.parent_process()

    def wait() -> None:
        while training and signal.sigwaitinfo(ASKING).si_pid != training.pid:
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
