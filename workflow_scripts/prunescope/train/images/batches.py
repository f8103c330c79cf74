"""Read training batches as tensors, in this process or ahead of time in worker processes.

The content of a batch depends only on its place in training (epoch, step, part), not on the process
that reads it. So neither the number of workers nor a restart within an epoch changes a result.
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
from prunescope.train.images.train_batch import TrainBatch

# Images, labels, and how many of the images are replaced: as `TrainBatch`.
Batch = tuple[torch.Tensor, torch.Tensor, int]

STOP_SIGNALS = {signal.SIGTERM}


class TrainImages(Protocol):
    """The train images: a packed split or image files."""

    def __len__(self) -> int: ...

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> TrainBatch:
        """The images at the integer `indices` `(batch,)`, augmented."""
        ...


def open_source(files: Mapping[str, str], decoding: Mapping[str, Any] | None) -> TrainImages:
    """Open the train images of a job.

    Parameters
    ----------
    files
        The job's inputs: `images` and `labels` of a packed split, or `index` of image files, with
        `copies` and `copy_table` where they were copied.
    decoding
        For image files: the arguments of `ImageFiles.open`, or `CopiedImages.open`, other than
        these files. None for a packed split.

    Raises
    ------
    InputError
        A file is damaged.
    """
    if decoding is None:
        return PackedSource(PackedImages.open(files["images"], files["labels"]))
    if "copies" in files.keys():  # noqa: SIM118 (the inputs of a job are a list with names)
        from prunescope.train.images.copied_images import CopiedImages  # slow, as below

        return CopiedImages.open(files["index"], files["copies"], files["copy_table"], **decoding)
    from prunescope.train.images.image_files import ImageFiles  # slow: imports the decoder

    return ImageFiles.open(files["index"], **decoding)


def workers(decoding: Mapping[str, Any] | None, threads: int, device: torch.device) -> int:
    """The number of worker processes that decode image files ahead of time.

    With a GPU, all `threads` of the job decode while the GPU trains. On the CPU, training takes
    so much longer than decoding that a single worker is enough. A packed split needs none.
    """
    if decoding is None:
        return 0
    return threads if device.type == "cuda" else min(1, threads - 1)


@dataclass(frozen=True)
class Part:
    """A part of a training batch: the images of one forward pass in one process.

    Attributes
    ----------
    indices
        int64 `(images,)`.
    key
        Epoch, step in the epoch, and place of the part in the batch. It seeds the augmentation.
    """

    indices: np.ndarray
    key: tuple[int, int, int]


@dataclass(frozen=True)
class Reader(torch.utils.data.Dataset):
    """Reads the parts of an epoch. Each part has its own random generator."""

    source: TrainImages
    parts: Sequence[Part]
    augmentation: tuple[str, ...]
    seed: int | Sequence[int]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, position: int) -> Batch:
        part = self.parts[position]
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=part.key))
        batch = self.source.read(part.indices, self.augmentation, rng)
        images = torch.from_numpy(np.ascontiguousarray(batch.images))
        return images, torch.from_numpy(batch.labels), batch.replaced


def divide(
    drawn: np.ndarray, epoch: int, batch: int, parts: int, mine: slice, first: int
) -> list[Part]:
    """Divide the images of an epoch into batches, and each batch into equal parts.

    Parameters
    ----------
    drawn
        int64 indices `(images,)` in the order of the epoch.
    epoch
        The epoch, from 1.
    batch
        Number of images in a batch.
    parts
        Number of parts of a batch.
    mine
        The parts of each batch that this process reads.
    first
        The first step, from 0, whose parts are returned.

    Returns
    -------
    list of Part
        The parts of this process, in order.
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
    """Yield all parts of `reader`, in order.

    Parameters
    ----------
    reader
        The parts to read.
    workers
        Number of processes that read ahead of time; 0 reads in this process.
    pin_memory
        Whether to put the tensors into pinned memory, from which a GPU copies while it computes.
    """
    if RANDOM_RESIZED_CROP in reader.augmentation:
        # The import is slow: do it once here, not in every worker.
        import prunescope.train.images.random_crops  # noqa: F401
    if workers == 0 and not pin_memory:
        yield from (reader[position] for position in range(len(reader)))
        return
    loader = torch.utils.data.DataLoader(
        reader,
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_stop_only_with_training,
        # Without it, starting the workers would change the state of the generator for dropout.
        generator=torch.Generator(),
    )
    # Workers inherit the signal mask, so the signals are blocked in them from the start.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        batches = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    yield from batches


def _stop_only_with_training(_worker: int) -> None:
    """Ignore stop signals in a worker, except SIGTERM from the training process.

    A scheduler sends SIGTERM to all processes of the job. If a worker ended then, the training
    would fail before its state is saved. SIGTERM from the training process must end the worker:
    torch stops its workers in this way.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    training = multiprocessing.parent_process()

    def wait() -> None:
        while training and signal.sigwaitinfo(STOP_SIGNALS).si_pid != training.pid:
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
