"""What is left to do of a study: jobs, hours and disk, from what its jobs took so far."""

import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prunescope.data import source
from prunescope.networks import architecture

STARTED = re.compile(r"^(\S+ \S+),\d+ INFO (\w+) \{", flags=re.MULTILINE)
TRAININGS = ("train_dense", "retrain_network")
DONE = re.compile(r"^(\S+ \S+),\d+ INFO done: ([\d.]+) s of CPU time", flags=re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job of the workflow's graph that is yet to run.

    `minutes` is the time limit that the rule asks for, None if it has none; `expected` are the
    minutes that the config lets expect, None where it says nothing of them.
    """

    rule: str
    outputs: tuple[str, ...]
    threads: int
    gpus: int
    minutes: int | None
    expected: float | None = None


@dataclass(frozen=True)
class Cost:
    """What a job took: hours of wall time, hours of CPU time."""

    hours: float
    cpu_hours: float


@dataclass(frozen=True)
class Need:
    """What the jobs of a rule will take.

    `measured` counts the finished jobs that the hours come from. With 0 they are what the config
    lets expect, if `expected`, else the rule's time limit, so that the jobs take no more. `bytes`
    leaves out the `unsized` files, of which no size is known.
    """

    rule: str
    jobs: int
    cpu_hours: float
    gpu_hours: float
    bytes: int
    measured: int
    expected: bool
    unsized: int


def read_log(text: str) -> tuple[str, Cost] | None:
    """The rule and the cost of the last run that a job's log tells of; None if it did not end."""
    started, done = list(STARTED.finditer(text)), list(DONE.finditer(text))
    if not started or not done or done[-1].start() < started[-1].start():
        return None
    begin, end = (datetime.fromisoformat(found[-1].group(1)) for found in (started, done))
    wall = max((end - begin).total_seconds(), 1.0)
    return started[-1].group(2), Cost(wall / 3600, float(done[-1].group(2)) / 3600)


def read_logs(folder: Path) -> dict[str, list[Cost]]:
    """The costs of the jobs whose logs lie below a folder, by rule."""
    costs = defaultdict(list)
    for path in sorted(folder.rglob("*.log")):
        if found := read_log(path.read_text(encoding="utf-8", errors="replace")):
            costs[found[0]].append(found[1])
    return dict(costs)


def file_sizes(folder: Path, config: Mapping[str, Any]) -> Callable[[str], float | None]:
    """What is known of the size of an output, in bytes, before it is there.

    Known is the median of the files of that name below a folder, else what follows from the
    config; None if neither tells.
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
    """The size of the files that a study on other images makes large; None for all others.

    Networks are taken with the 1000 classes of ImageNet: those of fewer classes are smaller.
    """
    dataset = config["datasets"][config["dataset"]]
    facts = architecture.load(config["model"]["architecture"])
    split = output.parent.name
    images = dataset[split]["images"] if split in ("validation", "probe") else None
    if output.suffix == ".safetensors":
        heads = config["model"]["auxiliary_heads"]
        return 4 * facts.PARAMETERS[heads]
    if output.name == "images.npy" and images:
        return images * 3 * dataset["image_size"] ** 2
    if output.name.startswith("similarity_") and output.suffix == ".npy" and images:
        return 4 * images**2
    if output.name.startswith("activations_"):
        return 4 * facts.UNITS * config["interpretability"]["activations"]["images"]
    if output.name == "exemplars.parquet":
        return 2 * 8 * facts.UNITS * config["interpretability"]["exemplars"]["per_side"]
    return None


def expected_minutes(
    rule: str, wildcards: Mapping[str, str], config: Mapping[str, Any]
) -> float | None:
    """What the config lets expect of a job: of trainings on image files, by their epochs.

    Of other steps nobody has measured what they take on such images.
    """
    dataset = config["datasets"][config["dataset"]]
    if rule not in TRAININGS or not isinstance(source.load(dataset["source"]), source.Folder):
        return None
    kind = config["retraining"].get(wildcards.get("retraining", ""), {})
    recipe = config["recipes"][kind.get("recipe") or config["model"]["recipe"]]
    if recipe["images_per_epoch"] is not None or recipe["epochs"] is None:
        return None
    return architecture.load(config["model"]["architecture"]).EPOCH_MINUTES * recipe["epochs"]


def needs(
    jobs: Iterable[Job],
    costs: Mapping[str, Sequence[Cost]],
    size: Callable[[str], float | None],
) -> list[Need]:
    """What the jobs will take, rule by rule, most CPU hours first.

    A job costs the median of the finished jobs of its rule: of the same study, since a cost on
    other images or another machine says nothing. Without one, it costs what the config lets
    expect, else its time limit, on all of its threads.

    Parameters
    ----------
    jobs
        The jobs to run.
    costs
        Of finished jobs, by rule.
    size
        The bytes of an output that is yet to be written, None if not known.
    """
    grouped = defaultdict(list)
    for job in jobs:
        grouped[job.rule].append(job)
    found = [_need(rule, group, costs.get(rule, ()), size) for rule, group in grouped.items()]
    return sorted(found, key=lambda need: (-need.cpu_hours, need.rule))


def _need(
    rule: str,
    jobs: Sequence[Job],
    costs: Sequence[Cost],
    size: Callable[[str], float | None],
) -> Need:
    hours, cpu_hours = [], []
    for job in jobs:
        guess = (job.minutes or 0 if job.expected is None else job.expected) / 60
        hours.append(statistics.median(cost.hours for cost in costs) if costs else guess)
        cpu_hours.append(
            statistics.median(cost.cpu_hours for cost in costs) if costs else guess * job.threads
        )
    sizes = [size(output) for job in jobs for output in job.outputs]
    return Need(
        rule=rule,
        jobs=len(jobs),
        cpu_hours=sum(cpu_hours),
        gpu_hours=sum(job.gpus * wall for job, wall in zip(jobs, hours, strict=True)),
        bytes=round(sum(known for known in sizes if known is not None)),
        measured=len(costs),
        expected=not costs and all(job.expected is not None for job in jobs),
        unsized=sizes.count(None),
    )


def render(found: Sequence[Need], epoch_minutes: int) -> str:
    """The plan as text: a table by rule, the sums, and what the numbers do not know.

    `epoch_minutes` are the architecture's minutes of one epoch of ImageNet.
    """
    return "\n".join(_lines(found, epoch_minutes))


def _lines(found: Sequence[Need], epoch_minutes: int) -> Iterator[str]:
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
            f"Hours of trainings are {epoch_minutes} minutes for each epoch of their recipe, as on "
            "one RTX 2080 Ti with ImageNet, until the first one has finished here."
        )
    if guessed := [need for need in found if not (need.measured or need.expected)]:
        jobs = sum(need.jobs for need in guessed)
        yield (
            f"{jobs} jobs are of rules of which none has finished in this study: their hours are "
            "the rules' time limits, which is more than they will take. Run one network first "
            "for a better plan."
        )
    if unsized := sum(need.unsized for need in found):
        yield (
            f"Disk is without {unsized} files of kinds that the study has none of yet: tables, "
            "charts, predictions, downloads."
        )


def _source(need: Need) -> str:
    if need.measured:
        return f"{need.measured} finished"
    return "epochs of the config" if need.expected else "time limit: at most"


def _row(rule: str, jobs: int, cpu_hours: float, gpu_hours: float, size: float) -> str:
    return f"{rule:<26}{jobs:>7}{cpu_hours:>12.2f}{gpu_hours:>12.2f}{readable(size):>11}   "


def readable(size: float) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
