"""Say what this machine has of what a study needs, before anything runs. Starts no job.

One line for each check: `ok` or `lacks`, and what to do. The exit status is 1 if the study cannot
run here; what only makes it slower, or is needed elsewhere, does not count.
"""

import argparse
import contextlib
import importlib.metadata
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plan_study
import polars as pl
from plan_study import absent_files, files_of

from prunescope.data import source
from prunescope.foundation.errors import InputError
from prunescope.study import image_needs, readiness, remaining_work
from prunescope.study.config import reading
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.remaining_work import Job, readable
from prunescope.study.study import Study
from prunescope.summarize import image_counts
from prunescope.summarize.image_counts import Need

LOCK = plan_study.ROOT / "envs" / "requirements.txt"
CLUSTER = plan_study.ROOT / "profiles" / "slurm" / "profile.yaml"
PLACEHOLDER = "FILL_IN"


@dataclass(frozen=True)
class Check:
    """What was looked at, and what was found.

    Attributes
    ----------
    name, text
        What was looked at, in one word; what is there, or what is missing and what to do.
    lacks
        Whether something is missing.
    stops
        Whether the study cannot run without it.
    """

    name: str
    text: str
    lacks: bool = False
    stops: bool = False


def installed_version(package: str) -> str | None:
    """The version of a package that is installed; None if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages(lock: str, version: Callable[[str], str | None]) -> Check:
    """Whether the packages of a lock file are there that every machine needs.

    Parameters
    ----------
    lock
        The text of the lock file. Lines with a condition (`;`) are left out.
    version
        Gives the version of an installed package, or None.
    """
    pinned = re.findall(r"^([A-Za-z][\w.-]*)==(\S+)(?: \\)?$", lock, flags=re.MULTILINE)
    found = {name: version(name) for name, _ in pinned}
    missing = [name for name, _ in pinned if found[name] is None]
    other = [
        f"{name} {found[name]} instead of {pin}"
        for name, pin in pinned
        if found[name] is not None and str(found[name]).partition("+")[0] != pin
    ]
    renew = "`rm .venv/.ready && make setup` installs what envs/requirements.txt names"
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    if missing:
        return Check("packages", f"{', '.join(missing)}: not installed. {renew}.", True, True)
    if other:
        return Check("packages", f"{', '.join(other)}: results may differ. {renew}.", True)
    return Check("packages", f"{python}, {len(pinned)} packages as envs/requirements.txt has them")


def check_readiness(reasons: Mapping[str, Sequence[str]], jobs: Sequence[Job]) -> Iterator[Check]:
    """What is missing of images and of optional packages, and whether a job needs it."""
    wanted = {job.rule for job in jobs}
    for name, readers in (
        ("images", readiness.FILE_READERS),
        ("metric", readiness.METRIC_READERS),
    ):
        found = {text: rules for text, rules in reasons.items() if set(readers) <= set(rules)}
        for text, rules in found.items():
            yield Check(name, text, True, bool(wanted.intersection(rules)))
        if not found:
            there = "what is not there yet, the workflow fetches"
            yield Check(name, there if name == "images" else "its packages are installed")
    for text, rules in reasons.items():
        if tuple(rules) == readiness.WATCHED:
            yield Check("TensorBoard", text, True, bool(wanted.intersection(rules)))


def check_counts(study: Study) -> Check:
    """Whether a folder of images has as many as the study takes of it. Lists the folder.

    Damaged files count: no file is opened.
    """
    name, dataset = study.config["dataset"], study.dataset
    images = source.load(dataset["source"])
    assert isinstance(images, source.Folder)
    needs = [Need(**need) for need in study.image_needs if need["split"] == "train"]
    try:
        indices = images.index(Path(dataset["folder"]), study.source_settings(name))
        splits = dict(zip(("train", "validation"), indices, strict=True))
        counts = [image_counts.count(split, index, None) for split, index in splits.items()]
        needs += image_needs.of_samples(name, dataset)
        image_counts.check(pl.concat(counts), needs, name)
    except InputError as error:
        return Check("counts", str(error), True, True)
    there = " and ".join(f"{len(index):,} images in {split}" for split, index in splits.items())
    return Check("counts", f"{there}: as many as the study takes, if none is damaged")


def check_files(files: Mapping[str, tuple[str, str | None]]) -> Check:
    """Whether the files that the config names are there, or are fetched.

    Parameters
    ----------
    files
        By the key of the config that names it: the path of a file, and its address, or None.
    """
    fetched = [
        key for key, (path, url) in files.items() if url is not None and not Path(path).exists()
    ]
    if missing := [f"{path} (`{key}`)" for key, path in absent_files(files).items()]:
        text = f"not there: {', '.join(missing)}. Put or link them there, or change the config."
        return Check("files", text, True, True)
    if fetched:
        text = f"{', '.join(fetched)}: downloaded; on machines without network see docs/slurm.md"
        return Check("files", text)
    return Check("files", "all that the config names" if files else "the config names none")


def check_cores(cores: int) -> Check:
    """The cores that this process may use."""
    return Check("cores", f"{cores}; as many steps run at a time, or fewer that use several")


def check_memory(jobs: Sequence[Job], total: int) -> Check:
    """Whether the largest step fits into the memory of this machine, in bytes."""
    largest = max(jobs, key=lambda job: job.mem_mb, default=None)
    if largest is None or largest.mem_mb * 10**6 <= total:
        asked = f"; one step asks for up to {readable(largest.mem_mb * 10**6)}" if largest else ""
        return Check("memory", f"{readable(total)}{asked}")
    text = (
        f"{readable(total)}, but {largest.rule} asks for {readable(largest.mem_mb * 10**6)}: it "
        "may be killed. Close other programs, use fewer cores (CORES=1), or a larger machine."
    )
    return Check("memory", text, True)


def check_disk(needed: int, unsized: int, free: int) -> Check:
    """Whether what is left to be written fits onto the disk, in bytes."""
    rest = f" and {unsized} files of unknown size" if unsized else ""
    if needed <= free:
        return Check("disk", f"{readable(free)} free; the plan needs {readable(needed)}{rest}")
    text = (
        f"{readable(free)} free, but the plan needs {readable(needed)}{rest}. Make room, or let "
        "results/ be a link to a larger disk."
    )
    return Check("disk", text, True, True)


def check_gpu(jobs: Sequence[Job], gpus: Callable[[], list[str]]) -> Check:
    """Whether steps that can use a GPU find one. They run without."""
    wanting = sum(job.gpus > 0 for job in jobs)
    if not wanting:
        return Check("GPU", "no step that is left would use one")
    if names := gpus():
        return Check("GPU", ", ".join(names))
    text = f"none that PyTorch sees: {wanting} steps that would use one run on the CPU."
    return Check("GPU", text, True)


def names_of_gpus() -> list[str]:
    """The GPUs that PyTorch sees."""
    import torch

    return [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]


def check_slurm(program: str | None, profile: str) -> Check:
    """Whether jobs could be sent to a SLURM cluster from here. A run on this machine needs none."""
    if program is None:
        return Check("SLURM", "not used: no `sbatch` here; only runs on a cluster need it")
    if PLACEHOLDER in re.sub(r"#.*", "", profile):
        text = f"profiles/slurm/profile.yaml still says {PLACEHOLDER} (docs/slurm.md)."
        return Check("SLURM", text, True)
    return Check("SLURM", f"{program}; use --profile profiles/slurm")


def jobs_of(config: Path, settings: Mapping[str, Any]) -> list[Job]:
    """The jobs that are left of a study; says why they cannot be planned."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return plan_study.jobs_to_run(config, dict(settings))
    except SystemExit as error:
        raise InputError(f"the study cannot be planned: {said.getvalue().strip()}") from error


def checks(config: Path, settings: Mapping[str, Any]) -> Iterator[Check]:
    """All checks of a study, whose config was checked, the ones that need no plan first."""
    study = study_of(settings)
    folder = Path("results") / study.name
    if reason := readiness.unwritable([str(folder / "tables" / "networks.parquet")]):
        yield Check("results", reason, True, True)
    yield check_packages(LOCK.read_text(encoding="utf-8"), installed_version)
    files = check_files(files_of(settings))
    yield files
    if files.stops:
        return
    jobs = jobs_of(config, settings)
    if study.has_networks:
        yield from check_readiness(readiness.missing(settings, packages=True), jobs)
    if isinstance(study, Study) and study.trains_on_files:
        # What is counted already is not counted anew: there may be a million files.
        left = any(job.rule == "count_images" for job in jobs)
        if left and readiness.missing_files(settings) is None:
            yield check_counts(study)
    yield check_cores(len(os.sched_getaffinity(0)))
    yield check_memory(jobs, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    needs = remaining_work.needs(jobs, {}, {}, remaining_work.file_sizes(folder, settings))
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    yield check_disk(
        sum(need.bytes for need in needs),
        sum(need.unsized for need in needs),
        shutil.disk_usage(there).free,
    )
    yield check_gpu(jobs, names_of_gpus)
    yield check_slurm(shutil.which("sbatch"), CLUSTER.read_text(encoding="utf-8"))


def render(found: Check) -> str:
    """A check in one line."""
    state = "lacks" if found.lacks else "ok"
    return f"{found.name:<10}{state:<7}{' '.join(found.text.split())}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True)
    config = parser.parse_args().configfile
    stopping = []
    try:
        for found in checks(config, reading.read(config).values):
            print(render(found), flush=True)
            stopping += [found.name] if found.stops else []
    except InputError as error:
        sys.exit(f"doctor: {error}")
    if stopping:
        sys.exit(f"The study cannot run here: it lacks {', '.join(stopping)}.")
    print("The study can run here.")


if __name__ == "__main__":
    main()
