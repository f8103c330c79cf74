"""How much memory and time the jobs of a study ask for: resource functions of rules.

What is asked for grows with each attempt.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prunescope.study.study import Study

# Minutes of training for one epoch of image files: ImageNet on one RTX 2080 Ti took the authors of
# arXiv 2409.19727 20 to 22.
EPOCH_MINUTES = 25
# Megabytes of a process that decodes image files: most of it is torch.
WORKER_MEGABYTES = 500

Needed = Callable[..., int]


def megabytes_of(files: Iterable[str | Path]) -> float:
    """The size of those inputs that are there: all of them, when a job is about to start."""
    sizes = [Path(file).stat().st_size for file in files if Path(file).exists()]
    return sum(sizes) / 1e6


def memory(megabytes: int, per_input: float = 0) -> Needed:
    """Resource function: megabytes, with a share of the size of the inputs."""

    def needed(wildcards: Any, input: Any, attempt: int) -> int:
        return attempt * int(megabytes + per_input * megabytes_of(input))

    def fixed(wildcards: Any, attempt: int) -> int:
        return attempt * megabytes

    return needed if per_input else fixed


def minutes(number: int, per_gigabyte: float = 0) -> Needed:
    """Resource function: minutes, with a share of the size of the inputs."""

    def needed(wildcards: Any, input: Any, attempt: int) -> int:
        return attempt * int(number + per_gigabyte * megabytes_of(input) / 1000)

    def fixed(wildcards: Any, attempt: int) -> int:
        return attempt * number

    return needed if per_gigabyte else fixed


class JobResources:
    """What jobs ask for that depends on the config."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def training_memory(self, wildcards: Any, threads: int, attempt: int) -> int:
        """Resource function: megabytes of a training, with its workers where images are decoded."""
        workers = threads if self.study.trains_on_files else 0
        return attempt * (4000 + WORKER_MEGABYTES * workers)

    def training_minutes(self, wildcards: Any, attempt: int) -> int:
        """Resource function: minutes of a training, by its epochs where images are decoded."""
        recipe = self.study.recipe_of(getattr(wildcards, "retraining", None))
        epochs = (recipe.get("epochs") or 1) if self.study.trains_on_files else 1
        return attempt * (60 + EPOCH_MINUTES * epochs)

    def memory_to_score(self, megabytes: int, per_input: float) -> Needed:
        """As `memory`; of embeddings, only a part is in memory at a time."""
        return memory(megabytes, 0 if self.study.scores_from_embeddings else per_input)
