"""Run a training as a job of the workflow: on the job's GPUs, and with a saved state."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import job, provenance
from prunescope.foundation.errors import InputError
from prunescope.networks import devices, modules, network_files
from prunescope.networks.description import Network
from prunescope.train import event_files, history_table
from prunescope.train.compacting import choice
from prunescope.train.images import batches
from prunescope.train.mask_updates.updates import MASK_UPDATES
from prunescope.train.processes import World, together
from prunescope.train.recipes import recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Masks, Row, Surroundings, Task, train

# The outputs of a training that are its network after some steps: this, and their number.
KEPT = "step"


def network_to_train(smk: Any) -> Network:
    """The pruned network of a job; where weights are rewound, the earlier ones with its masks."""
    network = network_files.load(smk.input.network)
    if not smk.input.rewound_to:
        return network
    return network_files.load(smk.input.rewound_to[0]).masked(network.masks)


def make_task(smk: Any, network: Network, level: int = 0, **fields: Any) -> Task:
    """The task of a job that retrains a network.

    Parameters
    ----------
    smk
        The job, as Snakemake gives it to scripts.
    network
        The network at the start.
    level
        How many networks of its chain were retrained before. The networks of a chain draw
        different images. Otherwise all networks of a seed see the same images in the same order,
        so that rate and order are not confounded.
    fields
        Further attributes of the task.
    """
    settings = dict(smk.params.recipe)
    first_step = settings.pop("first_step", 0)
    return Task(
        network=network,
        training=batches.open_source(smk.input, smk.params.decoding),
        validation=PackedImages.open(smk.input.validation_images, smk.input.validation_labels),
        recipe=recipe.from_config(settings),
        first_step=first_step,
        seed=(int(smk.params.seed), level),
        **fields,
    )


def carry_out(smk: Any, task: Task, device: torch.device) -> None:
    """Train the network of a job; write it and its history.

    Parameters
    ----------
    smk
        The job of a training rule, as Snakemake gives it to scripts. Its outputs `step<number>` are
        the network after so many steps; `mask_updates` is the table of what changed the masks, if
        the task has `updates`. Its resource `event_files` says whether TensorBoard can watch.
    task
        The training task, without `kept_steps`.
    device
        The device of the job.

    Raises
    ------
    InputError, StoppedError, SupersededError, RegrowthError
        As `training.train`.
    """
    kept = {
        int(name.removeprefix(KEPT)): path
        for name, path in smk.output.items()
        if name.startswith(KEPT)
    }
    settings = dict(smk.params.items())
    if kept:
        settings["kept_steps"] = sorted(kept)
    saved_state = make_saved_state(
        smk.output.network, settings.items(), smk.input, smk.resources.save_state_seconds
    )
    around = Surroundings(
        device,
        workers=batches.workers(smk.params.decoding, smk.threads, device),
        saved_state=saved_state,
        stop=job.catch_signals(),
        keep=lambda step, network: network_files.save(network, kept[step]),
        changed=lambda _masks, rows: MASK_UPDATES.write(
            MASK_UPDATES.conform(pl.DataFrame(rows)), smk.output.mask_updates
        ),
    )
    task = replace(task, kept_steps=tuple(sorted(kept)))
    processes = count_processes(device, smk.resources.gpu)

    def watched(rows: Iterable[Row]) -> pl.DataFrame:
        if not smk.resources.event_files:
            return follow(rows)
        return follow(event_files.written(rows, Path(smk.output.history).parent))

    trained, history = run(task, around, processes, watched)
    network_files.save(trained, smk.output.network)
    history_table.HISTORY.write(history_table.HISTORY.conform(history), smk.output.history)
    saved_state.remove()


def run(
    task: Task,
    around: Surroundings,
    processes: int,
    follow: Callable[[Iterable[Row]], pl.DataFrame],
) -> tuple[Network, pl.DataFrame]:
    """Train a network.

    Parameters
    ----------
    task
        The training task.
    around
        Device, workers, saved state and stop function. `world` is not used. The device is that of
        this process: the other processes use the next GPUs.
    processes
        Number of processes that train together on this machine.
    follow
        Runs the training by iterating over the rows of the history, and returns the history.

    Returns
    -------
    network, history
        The trained network with its masks, and the result of `follow`.

    Raises
    ------
    InputError, StoppedError, SupersededError, RegrowthError
        As `training.train`.
    """
    if around.device.type == "cpu":
        # Leave cores for the workers: training threads that share a core with a worker make the
        # other training threads wait.
        torch.set_num_threads(max(1, torch.get_num_threads() - around.workers))
    module = modules.to_module(task.network).to(around.device)
    chosen = _choose(module, task)
    job.log.info("trained on the %s network: %s", chosen.trained_on, chosen.reason)
    provenance.add("retrain_on", chosen.trained_on)
    shared = (task, around.workers, around.saved_state)
    masks = dict(task.network.masks)

    def changed(final: Masks, rows: Sequence[Row]) -> None:
        masks.update(final)
        around.changed(final, rows)

    with together(processes, around.device, _take_part, *shared) as world:
        leading = replace(around, world=world, changed=changed)
        history = follow(train(module, task, leading, chosen.compact.block))
    chosen.compact.restore()
    if around.saved_state is not None:
        around.saved_state.stop_if_late()
    return modules.to_network(module, task.network.description, masks), history


def _choose(module: nn.Module, task: Task) -> choice.Choice:
    held = task.enforce_masks and task.updates is None
    return choice.choose(module, task.network, task.recipe, held=held)


def _take_part(
    world: World, device: torch.device, task: Task, workers: int, saved_state: SavedState | None
) -> None:
    """Train in a process other than the first one."""
    devices.choose()
    module = modules.to_module(task.network).to(device)
    chosen = _choose(module, task)
    around = Surroundings(device, workers, world, saved_state)
    for _ in train(module, replace(task, validation=None), around, chosen.compact.block):
        pass


def follow(rows: Iterable[Row]) -> pl.DataFrame:
    """Run a training to its end, log a line for each epoch, and return the history.

    `rows` are those of `training.train`; the result has a row for each of them.
    """
    history = []
    for row in rows:
        history.append(row)
        job.log.info(
            "epoch %d, step %d: training loss %s, validation top-1 %.4f, sparsity %.4f",
            row["epoch"],
            row["step"],
            "-" if row["train_loss"] is None else f"{row['train_loss']:.4f}",
            row["validation_top1"],
            row["sparsity"],
        )
        if row["replaced_images"]:
            job.log.warning(
                "epoch %d: %d of %d images stand in for others of their class, whose files are "
                "damaged",
                row["epoch"],
                row["replaced_images"],
                row["train_images"],
            )
    return pl.DataFrame(history, infer_schema_length=None)


def count_processes(device: torch.device, gpus: int) -> int:
    """The number of processes that train together: one for each GPU, or one on the CPU.

    Parameters
    ----------
    device
        The device of the job.
    gpus
        The resource `gpu` of the rule.

    Raises
    ------
    InputError
        The job sees fewer GPUs than `gpus`.
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
    """The saved state of a training job.

    Parameters
    ----------
    network
        Path of the network file that the job writes. The state is saved beside it.
    params
        The params of the rule, which include the digest of the code.
    inputs
        The inputs of the rule.
    every_seconds
        Seconds between two saves.
    """
    return SavedState(Path(network).parent, dict(params), tuple(inputs), every_seconds)
