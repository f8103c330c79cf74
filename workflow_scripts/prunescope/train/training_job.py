"""A training as a job of the workflow: on the job's device, with its processes, resumable."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from prunescope.foundation.errors import InputError
from prunescope.networks import devices, modules
from prunescope.networks.description import Network
from prunescope.train.processes import World, together
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Row, Surroundings, Task, train


def run(
    task: Task,
    around: Surroundings,
    processes: int,
    follow: Callable[[Iterable[Row]], pl.DataFrame],
) -> tuple[Network, pl.DataFrame]:
    """Train; return the network with its masks, and the history that `follow` makes of the rows.

    Parameters
    ----------
    task
        What to train.
    around
        The device of this process (others take the next GPUs), the workers of each process, where
        the state is saved, and who asks training to stop.
    processes
        How many train together, on one machine.
    follow
        Consumes the rows of the history.

    Raises
    ------
    InputError, StoppedError, RegrowthError
        As `training.train` does.
    """
    if around.device.type == "cpu":
        # Threads that wait for each other on a core that decodes are slower than fewer.
        torch.set_num_threads(max(1, torch.get_num_threads() - around.workers))
    module = modules.to_module(task.network).to(around.device)
    shared = (task, around.workers, around.saved_state)
    with together(processes, around.device, _take_part, *shared) as world:
        history = follow(train(module, task, replace(around, world=world)))
    if around.saved_state is not None:
        around.saved_state.stop_if_late()
    return modules.to_network(module, task.network.description, task.network.masks), history


def _take_part(
    world: World, device: torch.device, task: Task, workers: int, saved_state: SavedState | None
) -> None:
    """What the processes besides the first one do."""
    devices.choose()
    module = modules.to_module(task.network).to(device)
    around = Surroundings(device, workers, world, saved_state)
    for _ in train(module, replace(task, validation=None), around):
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


def make_saved_state(
    network: str, params: Iterable[tuple[str, Any]], inputs: Iterable[str], every_seconds: float
) -> SavedState:
    """Where a job with these `params` and `inputs` saves its state: beside its `network` file."""
    return SavedState(Path(network).parent, dict(params), tuple(inputs), every_seconds)
