"""Estimate what is left to do of a study: jobs, hours and disk, from what its jobs took so far.

The patterns read the lines that `foundation.job` writes into logs: change both.
"""

import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prunescope.data import source
from prunescope.study import network_sizes

STARTED = re.compile(r"^(\S+ \S+) INFO (\w+) \{", flags=re.MULTILINE)
# Where the hours of a rule are from of which nothing is known.
AT_MOST = "time limit: at most"
TRAININGS = ("train_dense", "retrain_network", "prune_gradually", "regrow_network")
DONE = re.compile(r"^(\S+ \S+) INFO done: ([\d.]+) s of CPU time", flags=re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job of the workflow's graph that has not run yet.

    Attributes
    ----------
    rule, outputs, threads, gpus
        Its rule, the paths of its outputs, and what it asks for.
    minutes
        The time limit that the rule asks for; None if it has none.
    expected
        The minutes that are expected from the config; None if the config gives no estimate.
    mem_mb
        The memory that it asks for at its first attempt, in MB; 0 if it asks for none.
    log
        The path of its log; empty if it has none.
    target
        What it works on, in words.
    epochs
        The epochs of a training; None for other jobs, and where the config names none.
    """

    rule: str
    outputs: tuple[str, ...]
    threads: int
    gpus: int
    minutes: int | None
    expected: float | None = None
    mem_mb: int = 0
    log: str = ""
    target: str = ""
    epochs: int | None = None


@dataclass(frozen=True)
class Cost:
    """What a job took: hours of wall time, and hours of CPU time."""

    hours: float
    cpu_hours: float


@dataclass(frozen=True)
class Need:
    """What the jobs of a rule will take.

    Attributes
    ----------
    rule, jobs
        The rule, and the number of its jobs.
    cpu_hours, gpu_hours
        Their hours together.
    bytes
        The size of their outputs, without the `unsized` ones.
    measured
        The number of finished jobs that the hours are estimated from.
    expected
        If `measured` is 0: whether the hours are those expected from the config.
    elsewhere
        If `measured` is 0: whether the hours were measured elsewhere, for a study like this one. If
        neither, they are the rule's time limit, an upper bound.
    unsized
        The number of outputs of unknown size.
    """

    rule: str
    jobs: int
    cpu_hours: float
    gpu_hours: float
    bytes: int
    measured: int
    expected: bool
    elsewhere: bool
    unsized: int


def read_log(text: str) -> tuple[str, Cost] | None:
    """The rule and the cost of the last run in a job's log; None if that run did not finish."""
    started, done = list(STARTED.finditer(text)), list(DONE.finditer(text))
    if not started or not done or done[-1].start() < started[-1].start():
        return None
    begin, end = (datetime.fromisoformat(found[-1].group(1)) for found in (started, done))
    wall = (end - begin).total_seconds()
    return started[-1].group(2), Cost(wall / 3600, float(done[-1].group(2)) / 3600)


def read_logs(folders: Iterable[str]) -> dict[str, list[Cost]]:
    """The costs of the finished jobs whose logs are below some folders, by rule."""
    costs = defaultdict(list)
    for folder in folders:
        for _, rule, cost in _finished(Path(folder)):
            costs[rule].append(cost)
    return dict(costs)


def finished_jobs(folders: Iterable[Path]) -> list[tuple[str, str]]:
    """The path of the log and the rule of each job below folders of logs that has finished."""
    return [(str(log), rule) for folder in folders for log, rule, _ in _finished(folder)]


def _finished(folder: Path) -> Iterator[tuple[Path, str, Cost]]:
    for path in sorted(folder.rglob("*.log")):
        if found := read_log(path.read_text(encoding="utf-8", errors="replace")):
            yield path, *found


def mean_seconds(costs: Mapping[str, Sequence[Cost]]) -> dict[str, float]:
    """The mean seconds of wall time of a job, by rule."""
    return {
        rule: 3600 * statistics.mean(cost.hours for cost in found) for rule, found in costs.items()
    }


def file_sizes(folder: Path, config: Mapping[str, Any]) -> Callable[[str], float | None]:
    """Make a function that estimates the size of an output, in bytes, before it is written.

    The estimate is the median size of the files of the same name below `folder`. If there are
    none, it is `expected_bytes`, which may be None.
    """
    found = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[path.name].append(path.stat().st_size)
    medians = {name: statistics.median(sizes) for name, sizes in found.items()}

    def size(output: str) -> float | None:
        return medians.get(Path(output).name, expected_bytes(Path(output), config))

    return size


def expected_bytes(output: Path, config: Mapping[str, Any]) -> int | None:
    """The size of an output that follows from the config; None for outputs that are always small.

    Networks that are not described yet are counted with the 1000 classes of ImageNet, if
    torchvision has them. With fewer classes they are smaller.
    """
    if not _makes_networks(config):
        return None
    dataset = config["datasets"][config["dataset"]]
    network = network_sizes.of_study(config)
    split = output.parent.name
    images = dataset[split]["images"] if split in ("validation", "probe") else None
    if output.suffix == ".safetensors":
        return 4 * network.parameters if network else None
    if output.name == "images.npy" and images:
        return images * 3 * dataset["image_size"] ** 2
    if output.name.startswith("similarity_") and output.suffix == ".npy" and images:
        return 4 * images**2
    if output.name.startswith("activations_") and network:
        return 4 * network.units * config["interpretability"]["activations"]["images"]
    if output.name == "exemplars.parquet" and network:
        return 2 * 8 * network.units * config["interpretability"]["exemplars"]["per_side"]
    return None


def expected_minutes(
    rule: str, wildcards: Mapping[str, str], config: Mapping[str, Any]
) -> float | None:
    """The minutes that are expected of a job from the config; None if there is no estimate.

    There is one only for training on image files, by the epochs of the recipe, of a network whose
    size is known. What other jobs take on such images has not been measured.
    """
    recipe = _recipe(rule, wildcards, config)
    if recipe is None:
        return None
    dataset = config["datasets"][config["dataset"]]
    if not isinstance(source.load(dataset["source"]), source.Folder):
        return None
    if recipe["images_per_epoch"] is not None or recipe["epochs"] is None:
        return None
    size = network_sizes.of_study(config)
    return size.epoch_minutes * recipe["epochs"] if size else None


def epochs(rule: str, wildcards: Mapping[str, str], config: Mapping[str, Any]) -> int | None:
    """The epochs of a training; None for other jobs, and where a recipe counts steps."""
    recipe = _recipe(rule, wildcards, config)
    return None if recipe is None else recipe["epochs"]


def _recipe(
    rule: str, wildcards: Mapping[str, str], config: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    if rule not in TRAININGS or not _makes_networks(config):
        return None
    kind = config["retraining"].get(wildcards.get("retraining", ""), {})
    return config["recipes"][kind.get("recipe") or config["model"]["recipe"]]


def _makes_networks(config: Mapping[str, Any]) -> bool:
    """Whether a study makes networks, or is given their scores."""
    return "model" in config


def needs(
    jobs: Iterable[Job],
    costs: Mapping[str, Sequence[Cost]],
    elsewhere: Mapping[str, Sequence[Cost]],
    size: Callable[[str], float | None],
) -> list[Need]:
    """Estimate what jobs will take, rule by rule, the most CPU hours first.

    The estimate of a job is the median of the finished jobs of its rule. If there are none, it is
    what such jobs took elsewhere, else the expected time of the job, else its time limit, on all of
    its threads.

    Parameters
    ----------
    jobs
        The jobs to run.
    costs
        The costs of finished jobs, by rule: of the same study, because other images and other
        machines take other times.
    elsewhere
        The costs of jobs of a study like this one, by rule, where its own are not known.
    size
        The bytes of an output that is not written yet; None if not known.
    """
    grouped = defaultdict(list)
    for job in jobs:
        grouped[job.rule].append(job)
    found = [
        _need(rule, group, costs.get(rule, ()), elsewhere.get(rule, ()), size)
        for rule, group in grouped.items()
    ]
    return sorted(found, key=lambda need: (-need.cpu_hours, need.rule))


def _need(
    rule: str,
    jobs: Sequence[Job],
    costs: Sequence[Cost],
    elsewhere: Sequence[Cost],
    size: Callable[[str], float | None],
) -> Need:
    hours, cpu_hours = [], []
    known = costs or elsewhere
    for job in jobs:
        guess = (job.minutes or 0 if job.expected is None else job.expected) / 60
        hours.append(statistics.median(cost.hours for cost in known) if known else guess)
        cpu_hours.append(
            statistics.median(cost.cpu_hours for cost in known) if known else guess * job.threads
        )
    sizes = [size(output) for job in jobs for output in job.outputs]
    return Need(
        rule=rule,
        jobs=len(jobs),
        cpu_hours=sum(cpu_hours),
        gpu_hours=sum(job.gpus * wall for job, wall in zip(jobs, hours, strict=True)),
        bytes=round(sum(size for size in sizes if size is not None)),
        measured=len(costs),
        expected=not known and all(job.expected is not None for job in jobs),
        elsewhere=not costs and bool(elsewhere),
        unsized=sizes.count(None),
    )


def render(found: Sequence[Need], epoch_minutes: float) -> str:
    """The plan as text: a table by rule, the sums, and what the numbers leave out.

    Parameters
    ----------
    found
        From `needs`.
    epoch_minutes
        The minutes that are expected of one epoch of ImageNet.
    """
    return "\n".join(_lines(found, epoch_minutes))


def _lines(found: Sequence[Need], epoch_minutes: float) -> Iterator[str]:
    if not found:
        yield "Nothing to do: every result is there and up to date."
        return
    yield f"{'rule':<26}{'jobs':>7}{'CPU hours':>12}{'GPU hours':>12}{'disk':>11}   hours from"
    for need in found:
        yield _row(need.rule, need.jobs, need.cpu_hours, need.gpu_hours, need.bytes) + _source(need)
    totals = (
        sum(getattr(need, name) for need in found)
        for name in ("jobs", "cpu_hours", "gpu_hours", "bytes")
    )
    yield _row("total", *totals).rstrip()
    if any(need.expected for need in found):
        yield (
            f"Hours of trainings are {epoch_minutes:.0f} minutes for each epoch of their recipe, "
            f"{_source_of_minutes(epoch_minutes)}, until the first one has finished here."
        )
    if jobs := sum(need.jobs for need in found if _source(need) == AT_MOST):
        yield (
            f"{jobs} jobs are of rules of which none has finished in this study, and nothing is "
            "known of what they take: their hours are the rules' time limits, which is far more "
            "than they will take. The plan gets better with the first job of each rule that has "
            "finished."
        )
    if unsized := sum(need.unsized for need in found):
        yield (
            f"Disk is without {unsized} files of kinds that the study has none of yet: tables, "
            "charts, predictions, downloads, and networks that are not torchvision's."
        )


def _source_of_minutes(epoch_minutes: float) -> str:
    measured = network_sizes.MEASURED_MINUTES
    if round(epoch_minutes, 6) == measured:
        return "as on one RTX 2080 Ti with ImageNet"
    return (
        f"{measured} of GoogLeNet on one RTX 2080 Ti with ImageNet times the ratio of the "
        "multiply-accumulates"
    )


def _source(need: Need) -> str:
    if need.measured:
        return f"{need.measured} finished"
    if need.elsewhere:
        return "default study, elsewhere"
    return "epochs of the config" if need.expected else AT_MOST


def _row(rule: str, jobs: int, cpu_hours: float, gpu_hours: float, size: float) -> str:
    return f"{rule:<26}{jobs:>7}{cpu_hours:>12.2f}{gpu_hours:>12.2f}{readable(size):>11}   "


def readable(size: float) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
