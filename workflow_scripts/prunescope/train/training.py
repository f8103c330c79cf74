"""Train a network by a recipe, and hold its pruned parameters at zero.

Take care: an interrupted training that continues must end with the same bits as an uninterrupted
one. So everything that affects the result must be part of the saved state (`_Session._save` and
`_Session.resume`), or depend only on the task, the epoch and the step.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from prunescope.data import sampling
from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import accuracy
from prunescope.evaluate.predictions import predict
from prunescope.foundation.errors import InputError, StoppedError, SupersededError
from prunescope.networks import devices, modules
from prunescope.networks.description import Network
from prunescope.networks.preprocessing import all_logits, to_input
from prunescope.train import processes
from prunescope.train.held_masks import Left, MaskedParameters, RegrowthError, whole
from prunescope.train.images.batches import Batch, Reader, TrainImages, divide, read_all
from prunescope.train.mask_updates.updates import MaskUpdates
from prunescope.train.processes import World
from prunescope.train.recipes import optimizers
from prunescope.train.recipes.learning_rates import LEARNING_RATES
from prunescope.train.recipes.recipe import PRECISIONS, Recipe, make_plan
from prunescope.train.saved_state import SavedState

Row = dict[str, float | int | None]
Masks = Mapping[str, np.ndarray]

# Orders of the first process to all processes after a step. LEAVE: another job has taken over.
GO_ON, SAVE, STOP, LEAVE = range(4)
# The columns of the history that say how an epoch went. Before training they are empty.
OF_AN_EPOCH = ("lr", "train_images", "replaced_images", "train_loss", "train_top1")
# Seconds between two checks whether another job has taken over the training.
LOOK_SECONDS = 10.0
CPU = torch.device("cpu")


def forget(_step: int, _network: Network) -> None:
    """Do nothing with a network of a step."""


def overlook(_masks: Masks, _rows: Sequence[Row]) -> None:
    """Do nothing with masks that have changed."""


def never() -> bool:
    """Never ask a training to stop."""
    return False


@dataclass(frozen=True)
class Surroundings:
    """Where and how a training runs.

    The result depends on the type of the device and on the number of processes, not on the rest.

    Attributes
    ----------
    device
        The device of the module.
    workers
        Number of worker processes that read images ahead of time; 0 reads them in this process.
    world
        The processes that train together. If they share a batch, the order of sums, the
        augmentation and the dropout differ from those of a single process.
    saved_state
        Where the state is saved; None saves nothing.
    stop
        Called after every step. If it returns True, the state is saved and the training ends.
    keep
        Called at the end of the training, in the first process, with each of `Task.kept_steps` and
        the network as it was after that many steps.
    changed
        Called at the end of a training with `Task.updates`, in the first process, with the masks
        and a row of `updates.MASK_UPDATES` for each of their changes.
    """

    device: torch.device = CPU
    workers: int = 0
    world: World = processes.ALONE
    saved_state: SavedState | None = None
    stop: Callable[[], bool] = never
    keep: Callable[[int, Network], None] = forget
    changed: Callable[[Masks, Sequence[Row]], None] = overlook


@dataclass(frozen=True)
class Task:
    """A training task. The same task gives the same network.

    Attributes
    ----------
    network
        The network at the start, with float32 parameters and its masks.
    training
        The train images.
    validation
        The validation images. Only the first process needs them; None in the others.
    recipe
        The recipe.
    seed
        Seeds the order of the images, the augmentation and the dropout.
    enforce_masks
        Whether pruned parameters are held at zero. Otherwise they may regrow.
    counted
        Which weights count in the sparsity, as `reach.counted` returns it; None counts all.
    first_step
        The training leaves out this many steps of the recipe, and begins with the learning rate
        that follows them. Epochs and steps of the history count from there.
    kept_steps
        After how many steps the network is kept; 0 is the network at the start.
    updates
        How the masks change during the training; None leaves them as they are.
    """

    network: Network
    training: TrainImages
    validation: PackedImages | None
    recipe: Recipe
    seed: int | Sequence[int]
    enforce_masks: bool = True
    counted: Mapping[str, np.ndarray] | None = None
    first_step: int = 0
    kept_steps: tuple[int, ...] = ()
    updates: MaskUpdates | None = None


def train(
    module: nn.Module,
    task: Task,
    surroundings: Surroundings | None = None,
    left: Left = whole,
) -> Iterator[Row]:
    """Train `module`, which must have the tensors of `task.network`, in place.

    After every step, pruned parameters are set to zero again, because gradients, momentum and
    weight decay may change them. With `enforce_masks=False` they may regrow, as in von Rad &
    Seuffert (arXiv 2409.19727). The sparsity of the masked parameters is measured after each epoch.

    The network may return its logits in any form that `preprocessing.all_logits` knows. Auxiliary
    heads contribute only their loss. If `surroundings.saved_state` holds a
    state of the same training, the training continues from it. On the CPU, the result then has the
    same bits as without the interruption.

    Parameters
    ----------
    module
        The network as a module, on `surroundings.device`.
    task
        The training task.
    surroundings
        Device, workers and processes; None means one process on the CPU.
    left
        The part of a parameter that the module has, if some of its layers are compact
        (`compacting.compact_module`). The masks must then stay as they are.

    Yields
    ------
    dict
        A row of `history_table.HISTORY` before training and after each epoch. If the training
        continues, the rows of the finished epochs come first.

    Raises
    ------
    RegrowthError
        Pruned parameters are not zero although the masks are enforced.
    InputError
        The recipe does not fit the train split, the loss is not finite, or steps of the task lie
        after the end of the training.
    StoppedError
        `surroundings.stop` returned True. The state is saved if there is a `saved_state`.
    SupersededError
        Another job trains the network.
    """
    session = _Session(module, task, surroundings or Surroundings(), left)
    session.resume()
    if not session.rows:
        session.keep_step()
        session.add_row(epoch=0, step=0)
    yield from tuple(session.rows)
    while session.epoch < len(session.plan.steps_by_epoch):
        session.train_epoch()
        yield session.rows[-1]
    module.eval()
    for step, tensors in session.kept.items():
        session.around.keep(step, Network(task.network.description, tensors))
    if task.updates is not None and session.world.leads:
        session.around.changed(session.masks, session.changes)


class _Session:
    """A running training: its task and its progress."""

    def __init__(
        self, module: nn.Module, task: Task, surroundings: Surroundings, left: Left
    ) -> None:
        self.module, self.task, self.recipe = module, task, task.recipe
        self.around, self.world = surroundings, surroundings.world
        streams = np.random.SeedSequence(task.seed).generate_state(self.world.size)
        torch.manual_seed(int(streams[self.world.rank]))
        devices.allow_tf32(self.recipe.tf32)
        self.whole_plan = make_plan(self.recipe, len(task.training))
        for step in (task.first_step, *task.kept_steps):
            if step >= max(1, self.whole_plan.steps):
                raise InputError(
                    f"retraining: `rewind.step` is {step}, but the recipe has only "
                    f"{self.whole_plan.steps} steps. Choose an earlier step."
                )
        self.plan = self.whole_plan.after(task.first_step)
        if task.updates is not None and task.updates.end >= self.plan.steps:
            raise InputError(
                f"retraining: `end` of `gradual` or `regrow` is {task.updates.end}, but the "
                f"training has {self.plan.steps} steps. Choose an earlier one."
            )
        self.parts = self.recipe.accumulate * self.world.size
        if self.recipe.batch % self.parts:
            raise InputError(
                f"recipe: batch {self.recipe.batch} cannot be divided into {self.parts} equal "
                f"parts ({self.world.size} processes, `accumulate` {self.recipe.accumulate})."
            )
        self.watched = task.validation and task.validation.part(
            sampling.draw_part(task.validation.labels, self.recipe.history_images)
        )
        self.shared = processes.share(module, self.world, surroundings.device)
        self.forward = torch.compile(self.shared) if self.recipe.compile else self.shared
        self.changes: list[Row] = []
        self._left = left
        self._hold(task.network.masks)
        self.optimizer = optimizers.make(module.parameters(), self.recipe)
        norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.affine]
        self.scales = [norm.weight for norm in norms]
        if self.recipe.l1_on_scales and not self.scales:
            raise InputError(
                f"recipe: l1_on_scales is {self.recipe.l1_on_scales}, but the network has no batch "
                "norm with scales. Remove it."
            )
        self.dtype = getattr(torch, PRECISIONS[self.recipe.precision] or "float32")
        kind = surroundings.device.type
        self.scaler = torch.amp.GradScaler(kind, enabled=self.dtype == torch.float16)
        self.rows: list[Row] = []
        self.step = self.step_in_epoch = 0
        self.kept: dict[int, dict[str, np.ndarray]] = {}
        self._clear_sums()
        self._saved_at = self._looked_at = time.monotonic()

    def _hold(self, masks: Masks) -> None:
        self.masks = masks
        self.masked = MaskedParameters(self.module, masks, self.task.counted, self._left)

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.rows) - 1

    def _clear_sums(self) -> None:
        # The sums stay on the device, because every step would wait for a copy to the CPU.
        device = self.around.device
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.hits = torch.zeros((), dtype=torch.int64, device=device)
        self.replaced = 0

    def train_epoch(self) -> None:
        """Train to the end of the epoch, and add its row to the history."""
        epoch = self.epoch + 1
        steps = self.plan.steps_by_epoch[epoch - 1]
        self.module.train()
        batches = self._batches(epoch, steps)
        while self.step_in_epoch < steps:
            self._take_step(batches)
            self._save_or_stop()
        lr = self._lr(self.step - 1)
        sums = self.world.gather((float(self.loss), int(self.hits), self.replaced))
        loss = sum(part[0] for part in sums) / self.parts / steps
        self._check(loss, epoch, lr)
        images = steps * self.plan.batch
        self.add_row(
            epoch=epoch,
            step=self.step,
            lr=lr,
            train_images=images,
            replaced_images=sum(part[2] for part in sums),
            train_loss=loss,
            train_top1=sum(part[1] for part in sums) / images,
        )
        self.step_in_epoch = 0
        self._clear_sums()

    def _batches(self, epoch: int, steps: int) -> Iterator[Batch]:
        """The parts of the epoch that this process reads, from the next step on."""
        rng = np.random.default_rng(np.random.SeedSequence(self.task.seed, spawn_key=(epoch,)))
        drawn = rng.permutation(self.plan.images)[: steps * self.plan.batch]
        first = self.world.rank * self.recipe.accumulate
        mine = slice(first, first + self.recipe.accumulate)
        parts = divide(drawn, epoch, self.plan.batch, self.parts, mine, first=self.step_in_epoch)
        reader = Reader(self.task.training, parts, self.recipe.augmentation, self.task.seed)
        return read_all(reader, self.around.workers, pin_memory=self.around.device.type == "cuda")

    def _take_step(self, batches: Iterator[Batch]) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._lr(self.step)
        self.optimizer.zero_grad()
        for part in range(1, self.recipe.accumulate + 1):
            with self._averaging(last=part == self.recipe.accumulate):
                self._pass(*next(batches))
        updates = self.task.updates
        if updates is None or not updates.BY_GRADIENTS or updates.scheduled(self.step + 1) is None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self.task.enforce_masks:
            self.masked.apply()
        self.step += 1
        self.step_in_epoch += 1
        self._update_masks()
        self.keep_step()

    def _lr(self, step: int) -> float:
        fraction = LEARNING_RATES[self.recipe.schedule]
        return self.recipe.lr * fraction(self.recipe, self.whole_plan, self.task.first_step + step)

    def keep_step(self) -> None:
        """Keep the network, if it is to be kept after the steps that were taken."""
        if self.step in self.task.kept_steps and self.world.leads:
            description = self.task.network.description
            self.kept[self.step] = dict(modules.to_network(self.module, description).tensors)

    def _update_masks(self) -> None:
        updates = self.task.updates
        scheduled = None if updates is None else updates.scheduled(self.step)
        if updates is None or scheduled is None:
            return
        network = modules.to_network(self.module, self.task.network.description, self.masks)
        masks = updates.masks(self.step, network, self._gradients() if updates.BY_GRADIENTS else {})
        before = {name: self.masks.get(name, np.ones_like(mask)) for name, mask in masks.items()}
        # As they are stored in the saved state.
        self._hold({name: np.ascontiguousarray(mask) for name, mask in masks.items()})
        self.masked.apply()
        grown = {name: mask & ~before[name] for name, mask in masks.items()}
        self._forget_moments(grown)
        self.changes.append(
            {
                "step": self.step,
                "scheduled": scheduled,
                "dropped": sum(int((before[name] & ~masks[name]).sum()) for name in masks),
                "grown": sum(int(where.sum()) for where in grown.values()),
                "masked": sum(int((~mask).sum()) for mask in masks.values()),
                "with_masks": sum(mask.size for mask in masks.values()),
                "sparsity": self.masked.masked_share(),
            }
        )

    def _gradients(self) -> dict[str, np.ndarray]:
        """The gradients of the parameters that have masks, where they have one."""
        parameters = dict(self.module.named_parameters(remove_duplicate=False))
        found = {name: parameters[name].grad for name in self.masks}
        return {name: _array(value.float()) for name, value in found.items() if value is not None}

    @torch.no_grad()
    def _forget_moments(self, grown: Masks) -> None:
        """Set to zero what the optimizer has gathered of parameters while they were masked."""
        parameters = dict(self.module.named_parameters(remove_duplicate=False))
        for name, where in grown.items():
            parameter = parameters[name]
            for value in self.optimizer.state.get(parameter, {}).values():
                if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                    value.masked_fill_(torch.from_numpy(where).to(value.device), 0)

    def _averaging(self, last: bool) -> Any:
        """A context that averages gradients over the processes only for the last part of a step."""
        if isinstance(self.shared, DistributedDataParallel) and not last:
            return self.shared.no_sync()
        return nullcontext()

    def _pass(self, images: torch.Tensor, labels: torch.Tensor, replaced: int) -> None:
        device = self.around.device
        labels = labels.to(device, non_blocking=True)
        mixed = self.dtype != torch.float32
        with torch.autocast(device.type, self.dtype, enabled=mixed):
            outputs = self.forward(to_input(images, self.task.network.description, device))
            logits, loss = self._loss(outputs, labels)
        aim = loss + self._penalty() if self.recipe.l1_on_scales else loss
        self.scaler.scale(aim / self.recipe.accumulate).backward()
        self.loss += loss.detach()
        self.hits += (logits.argmax(dim=1) == labels).sum()
        self.replaced += replaced

    def _loss(self, outputs: Any, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The logits, and the loss including the auxiliary heads."""
        smoothing = self.recipe.label_smoothing
        logits, *auxiliary = all_logits(outputs)
        loss = cross_entropy(logits, labels, label_smoothing=smoothing)
        for head in auxiliary:
            extra = cross_entropy(head, labels, label_smoothing=smoothing)
            loss = loss + self.recipe.auxiliary_weight * extra
        return logits, loss

    def _penalty(self) -> torch.Tensor:
        """What large batch-norm scales add to the loss, beside what the history records."""
        absolute = torch.stack([scale.abs().sum() for scale in self.scales])
        return self.recipe.l1_on_scales * absolute.sum()

    def _check_finite(self, loss: float, epoch: int, lr: float) -> None:
        # Also check the weights: the loss of the last step was computed before its update.
        sound = all(bool(torch.isfinite(value).all()) for value in self.module.parameters())
        if not (sound and math.isfinite(loss)):
            saved = self.around.saved_state
            kept = f" The last good state is kept: {saved.path}." if saved and saved.exists else ""
            raise InputError(
                f"training: the loss is {loss} in epoch {epoch} at learning rate {lr:.3g}. "
                f"Lower `lr` of the recipe.{kept}"
            )

    def _check(self, loss: float, epoch: int, lr: float) -> None:
        self._check_finite(loss, epoch, lr)
        if self.task.enforce_masks and (regrown := self.masked.regrown()):
            raise RegrowthError(f"epoch {epoch}: {regrown} pruned weights are not zero")

    def add_row(self, **measured: float | int | None) -> None:
        """Measure the network in its current state, and add a row to the history."""
        row: Row = {**dict.fromkeys(OF_AN_EPOCH), **measured}
        if self.watched is not None:
            row["validation_images"] = len(self.watched)
            self.module.eval()
            predictions = predict(self.module, self.watched, self.task.network.description)
            summary = accuracy.summarize(predictions)
            row |= {"validation_top1": summary["top1"], "validation_loss": summary["loss"]}
        self.rows.append(row | {"sparsity": self.masked.sparsity()})

    # --- state -------------------------------------------------------------------------------

    def _save_or_stop(self) -> None:
        order = self.world.decide(self._order())
        if order == GO_ON:
            return
        saved = self.around.saved_state
        if order == LEAVE:
            if saved is not None:
                saved.stop_if_late()
            raise SupersededError("another job trains this network. This one stops.")
        if saved is not None:
            self._check_finite(float(self.loss), self.epoch + 1, self._lr(self.step - 1))
            self._save(saved)
        if order == STOP:
            raise StoppedError(
                f"asked to stop after step {self.step}; "
                + (f"the state is saved in {saved.path}" if saved else "nothing is saved")
            )

    def _order(self) -> int:
        """The order of this process after a step. Only that of the first process counts."""
        saved, now = self.around.saved_state, time.monotonic()
        if self.around.stop():
            wanted = STOP
        elif saved is not None and now - self._saved_at >= saved.every_seconds:
            wanted = SAVE
        else:
            wanted = GO_ON
        if saved is None or not self.world.leads:
            return wanted
        if wanted != GO_ON or now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            return LEAVE if saved.lease.taken_over_by() else wanted
        return wanted

    def _save(self, saved: SavedState) -> None:
        mine = {
            "loss": float(self.loss),
            "hits": int(self.hits),
            "replaced": self.replaced,
            "random": [state.numpy() for state in self._random_states()],
        }
        others = self.world.gather(mine)
        if self.world.leads:
            tensors = {f"module.{name}": _array(value) for name, value in self._tensors()}
            tensors |= {f"optimizer.{name}": _array(value) for name, value in self._moments()}
            for step, kept in self.kept.items():
                tensors |= {f"kept.{step}.{name}": value for name, value in kept.items()}
            if self.task.updates is not None:
                tensors |= {f"mask.{name}": mask for name, mask in self.masks.items()}
            for rank, other in enumerate(others):
                for number, state in enumerate(other.pop("random")):
                    tensors[f"random.{rank}.{number}"] = state
            values = {
                "rows": self.rows,
                "step": self.step,
                "step_in_epoch": self.step_in_epoch,
                "sums": others,
                "scaler": self.scaler.state_dict(),
            }
            if self.task.updates is not None:
                values["changes"] = self.changes
            saved.save(tensors, values)
        self._saved_at = time.monotonic()

    def resume(self) -> None:
        """Continue from the saved state of this training, if there is one."""
        saved = self.around.saved_state
        if saved is None:
            return
        if self.world.leads:
            saved.lease.claim()
        found = saved.load()
        if found is None:
            return
        tensors, values = found
        with torch.no_grad():
            for name, value in self._tensors():
                value.copy_(torch.from_numpy(tensors[f"module.{name}"]))
        self._restore_moments(tensors)
        rank = self.world.rank
        for number, state in enumerate(self._random_states()):
            state.copy_(torch.from_numpy(tensors[f"random.{rank}.{number}"]))
            self._set_random_state(number, state)
        for step in self.task.kept_steps:
            kept = _below(f"kept.{step}.", tensors)
            if kept and self.world.leads:
                self.kept[step] = kept
        if self.task.updates is not None:
            self._hold(_below("mask.", tensors))
            self.changes = values["changes"]
        self.rows = values["rows"]
        self.step, self.step_in_epoch = values["step"], values["step_in_epoch"]
        self.loss.fill_(values["sums"][rank]["loss"])
        self.hits.fill_(values["sums"][rank]["hits"])
        self.replaced = values["sums"][rank]["replaced"]
        self.scaler.load_state_dict(values["scaler"])

    def _tensors(self) -> Iterable[tuple[str, torch.Tensor]]:
        return self.module.state_dict().items()

    def _moments(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The optimizer's state, such as `<number of the parameter>.exp_avg`."""
        for number, state in self.optimizer.state_dict()["state"].items():
            for name, value in state.items():
                if value is not None:
                    yield f"{number}.{name}", value

    def _restore_moments(self, tensors: Mapping[str, np.ndarray]) -> None:
        # The optimizer numbers them in the order of its groups.
        parameters = [
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        ]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key in tensors:
            kind, _, name = key.partition(".")
            if kind != "optimizer":
                continue
            number, _, moment = name.partition(".")
            value = torch.from_numpy(tensors[key])
            like = parameters[int(number)]
            if value.shape == like.shape:
                # In the memory layout of the parameter: another layout would use another kernel,
                # which may round differently.
                value = torch.empty_like(like, dtype=value.dtype).copy_(value).detach()
            state.setdefault(int(number), {})[moment] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _random_states(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        if self.around.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.around.device))
        return states

    def _set_random_state(self, number: int, state: torch.Tensor) -> None:
        if number == 0:
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, self.around.device)


def _below(start: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors whose names begin with `start`, by the rest of their names."""
    names = [name for name in tensors if name.startswith(start)]
    return {name.removeprefix(start): tensors[name] for name in names}


def _array(value: torch.Tensor) -> np.ndarray:
    return np.asarray(value.detach().cpu().contiguous().numpy(), order="C")
