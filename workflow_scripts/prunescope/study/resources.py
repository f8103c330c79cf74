"""Compute how much memory and time jobs ask for: the resource functions of rules.

Each further attempt asks for as much again as the first. Snakemake passes arguments by name, so
they may not be renamed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prunescope.study import network_sizes
from prunescope.study.study import Study

# A training on image files asks for so many times the minutes that are expected of an epoch.
MARGIN = 1.2
# The minutes of an epoch with a network of which nothing is known before it is described: about
# those of ResNet-50. A job that runs out of time gets more at its next attempt.
UNKNOWN_MINUTES = 60
# The megabytes of a process that decodes image files. Most of them are torch.
WORKER_MEGABYTES = 500

Needed = Callable[..., int]


def megabytes_of(files: Iterable[str | Path]) -> float:
    """The size of the inputs that exist already. When a job is about to start, all of them do."""
    sizes = [Path(file).stat().st_size for file in files if Path(file).exists()]
    return sum(sizes) / 1e6


def memory(megabytes: int, per_input: float = 0) -> Needed:
    """Make a resource function: megabytes, plus `per_input` for each megabyte of the inputs."""

    def needed(wildcards: Any, input: Any, attempt: int) -> int:
        return attempt * int(megabytes + per_input * megabytes_of(input))

    def fixed(wildcards: Any, attempt: int) -> int:
        return attempt * megabytes

    return needed if per_input else fixed


def minutes(number: int, per_gigabyte: float = 0) -> Needed:
    """Make a resource function: minutes, plus `per_gigabyte` for each gigabyte of the inputs."""

    def needed(wildcards: Any, input: Any, attempt: int) -> int:
        return attempt * int(number + per_gigabyte * megabytes_of(input) / 1000)

    def fixed(wildcards: Any, attempt: int) -> int:
        return attempt * number

    return needed if per_gigabyte else fixed


class JobResources:
    """The resource functions that depend on the config of a study."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def training_memory(self, wildcards: Any, threads: int, attempt: int) -> int:
        """Resource function: megabytes of a training; with workers if it decodes image files."""
        workers = threads if self.study.trains_on_files else 0
        return attempt * (4000 + WORKER_MEGABYTES * workers)

    def training_minutes(self, wildcards: Any, attempt: int) -> int:
        """Resource function: minutes of a training; by its epochs if it decodes image files."""
        recipe = self.study.recipe_of(getattr(wildcards, "retraining", None))
        epochs = (recipe["epochs"] or 1) if self.study.trains_on_files else 1
        size = network_sizes.of_study(self.study.config)
        minutes = UNKNOWN_MINUTES if size is None else size.epoch_minutes
        return attempt * (60 + int(MARGIN * minutes) * epochs)

    @property
    def event_files(self) -> int:
        """Whether trainings write event files: 0 or 1. As a resource it makes nothing stale."""
        return int(self.study.config.get("event_files", False))

    def memory_to_score(self, megabytes: int, per_input: float) -> Needed:
        """The same as `memory`, but embeddings do not count: they are read in parts."""
        return memory(megabytes, 0 if self.study.scores_from_embeddings else per_input)
