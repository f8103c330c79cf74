"""Train with several processes on one machine, with a GPU for each.

The process of the job is the first one, and the only one that writes files. All processes hold the
same network and see different parts of each batch. They average their gradients and share the
statistics of batch norm, so that the result is that of one process with the whole batch.
"""

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from prunescope.foundation.errors import StoppedError


@dataclass(frozen=True)
class World:
    """The place of this process among the processes that train together.

    Attributes
    ----------
    rank
        Number of this process, from 0.
    size
        Number of processes.
    control
        torch's process group for messages on the CPU; None for a single process.
    """

    rank: int = 0
    size: int = 1
    control: Any = field(default=None, compare=False)

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def decide(self, order: int) -> int:
        """Return the `order` of the first process in all processes."""
        if self.size == 1:
            return order
        shared = torch.tensor([order])
        distributed.broadcast(shared, src=0, group=self.control)
        return int(shared)

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value, group=self.control)
        return values


ALONE = World()


@contextmanager
def together(
    processes: int, device: torch.device, work: Callable[..., None], *arguments: Any
) -> Iterator[World]:
    """Start a group of `processes`, of which this process is the first.

    The other processes are started here, and each calls `work(world, device, *arguments)`. All
    processes must then call the same collective operations in the same order. When the block
    ends, the other processes are ended, whether or not it failed.

    Parameters
    ----------
    processes
        Number of processes, including this one.
    device
        The device of this process. On GPUs, the process of rank n uses GPU n.
    work
        The function of the other processes; it must be picklable.
    arguments
        Further arguments of `work`; they must be picklable.

    Yields
    ------
    World
        The place of this process.

    Raises
    ------
    torch.multiprocessing.ProcessRaisedException
        One of the other processes failed.
    """
    if processes == 1:
        yield ALONE
        return
    with tempfile.TemporaryDirectory(prefix="prunescope-group-") as folder:
        meeting = f"file://{Path(folder) / 'meeting'}"  # how the processes find each other
        threads = max(1, torch.get_num_threads() // processes)
        others = torch.multiprocessing.spawn(
            _work_as_other,
            args=(processes, threads, device.type, meeting, work, arguments),
            nprocs=processes - 1,
            join=False,
        )
        try:
            with _group(0, processes, device, meeting) as world:
                yield world
            others.join()
        except RuntimeError:
            # If another process failed, this one only sees a lost connection. `join` raises the
            # error of the other process.
            others.join(timeout=5)
            raise
        finally:
            for process in others.processes:
                process.kill()


def _work_as_other(
    number: int,
    processes: int,
    threads: int,
    kind: str,
    meeting: str,
    work: Callable[..., None],
    arguments: tuple,
) -> None:
    # A scheduler signals every process, but the first process decides when all of them stop.
    for number_of_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number_of_signal, signal.SIG_IGN)
    rank = number + 1
    device = torch.device(kind, rank) if kind == "cuda" else torch.device(kind)
    torch.set_num_threads(threads)
    # The first process reports why all of them stop.
    with suppress(StoppedError), _group(rank, processes, device, meeting) as world:
        work(world, device, *arguments)


@contextmanager
def _group(rank: int, size: int, device: torch.device, meeting: str) -> Iterator[World]:
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=meeting, rank=rank, world_size=size)
    try:
        yield World(rank, size, distributed.new_group(backend="gloo"))
    finally:
        distributed.destroy_process_group()


def share(module: nn.Module, world: World, device: torch.device) -> nn.Module:
    """Wrap `module`, so that gradients are averaged and batch norms use the whole batch.

    With a single process, the module is returned as it is. Otherwise its batch norms are replaced
    in place; its parameters stay the same objects.
    """
    if world.size == 1:
        return module
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)
    else:
        _share_batch_norms(module)
    return DistributedDataParallel(
        module,
        device_ids=[device] if device.type == "cuda" else None,
        # Shared batch norms already keep the buffers equal.
        forward_sync_buffers=False,
    )


def _share_batch_norms(module: nn.Module) -> None:
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = SharedBatchNorm2d


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the images of all processes. torch's `SyncBatchNorm` needs a GPU."""

    momentum: float
    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(images)
        count = images.numel() // images.shape[1] * distributed.get_world_size()
        mean = _Sum.apply(images.sum(dim=(0, 2, 3))) / count
        centred = images - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum(dim=(0, 2, 3))) / count
        unbiased = variance.detach() * (count / (count - 1))
        for running, new in ((self.running_mean, mean.detach()), (self.running_var, unbiased)):
            running.lerp_(new, self.momentum)
        self.num_batches_tracked.add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]


class _Sum(torch.autograd.Function):
    """The differentiable sum over all processes."""

    @staticmethod
    def forward(_context: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total
