"""A training as a job of the workflow: on the job's device, with its processes, resumable."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from prunescope import devices, distributed, loading, networks, retraining
from prunescope.checkpoints import Network
from prunescope.datasets import PackedImages
from prunescope.distributed import World
from prunescope.errors import InputError
from prunescope.recipes import Recipe
from prunescope.resume import SideCheckpoint
from prunescope.retraining import Surroundings


@dataclass(frozen=True)
class Task:
    """What is to be trained, as a value that other processes can be given.

    Attributes
    ----------
    network
        The network at the start.
    masks
        What is held at zero (or released), by parameter name.
    training, validation
        The images.
    recipe, seed, enforce_masks
        As of `retraining.train`.
    side
        Where the state is saved.
    workers
        Processes that read images ahead, for each process that trains.
    """

    network: Network
    masks: Mapping[str, np.ndarray]
    training: loading.Source
    validation: PackedImages
    recipe: Recipe
    seed: int | Sequence[int]
    side: SideCheckpoint
    enforce_masks: bool = True
    workers: int = 0


def run(
    task: Task,
    device: torch.device,
    processes: int,
    stop: Callable[[], bool],
    follow: Callable[[Iterable[retraining.Row]], pl.DataFrame],
) -> tuple[Network, pl.DataFrame]:
    """Train; return the network with its masks, and the history that `follow` makes of the rows.

    Parameters
    ----------
    task
        What to train.
    device
        Of this process; others take the next GPUs.
    processes
        How many train together, on one machine.
    stop
        Whether training shall save its state and end.
    follow
        Consumes the rows of the history.

    Raises
    ------
    InputError, StoppedError, RegrowthError
        As `retraining.train` does.
    """
    if device.type == "cpu":
        # Threads that wait for each other on a core that decodes are slower than fewer.
        torch.set_num_threads(max(1, torch.get_num_threads() - task.workers))
    module = networks.to_module(task.network).to(device)
    with distributed.together(processes, device, _take_part, task) as world:
        around = Surroundings(device, task.workers, world, task.side, stop)
        history = follow(_train(module, task, around, task.validation))
    task.side.stop_if_late()
    return networks.to_network(module, task.network.description, task.masks), history


def _train(
    module: torch.nn.Module, task: Task, around: Surroundings, validation: PackedImages | None
) -> Iterable[retraining.Row]:
    return retraining.train(
        module,
        task.masks,
        task.network.description,
        task.training,
        validation,
        task.recipe,
        seed=task.seed,
        enforce_masks=task.enforce_masks,
        surroundings=around,
    )


def _take_part(world: World, device: torch.device, task: Task) -> None:
    """What the processes besides the first one do."""
    devices.choose()
    module = networks.to_module(task.network).to(device)
    around = Surroundings(device, task.workers, world, task.side)
    for _ in _train(module, task, around, validation=None):
        pass


def count_processes(device: torch.device, gpus: int) -> int:
    """Processes that train together: one for each GPU that the job has; on the CPU, one.

    Raises
    ------
    InputError
        The job was promised more GPUs than it sees.
    """
    if device.type == "cpu":
        return 1
    visible = torch.cuda.device_count()
    if gpus > visible:
        raise InputError(
            f"resources.gpu: {gpus} GPUs were asked for, but this job sees {visible}. "
            "Lower `gpu` of the rule (`--set-resources RULE:gpu=N`), or ask the cluster for more."
        )
    return max(1, gpus)


def make_side(
    network: str, params: Iterable[tuple[str, Any]], inputs: Iterable[str], every_seconds: float
) -> SideCheckpoint:
    """The side checkpoint of a job with these `params` and `inputs`, beside its `network` file."""
    return SideCheckpoint(Path(network).parent, dict(params), tuple(inputs), every_seconds)
