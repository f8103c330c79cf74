"""What all benchmarks share: timing in pairs, a description of the machine, and the material.

A change of `Material` or of the constants makes new numbers incomparable with those in the docs.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from prunescope.data import packed_images, sampling
from prunescope.foundation import arrays, tables, whole_files
from prunescope.foundation.errors import InputError
from prunescope.interpret import unit_tables
from prunescope.interpret.exemplars import ExemplarSettings
from prunescope.networks import description, network_files
from prunescope.networks.coordinates import DENSE, NOT_RETRAINED, Coordinates

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results" / "benchmarks"
PAIRS = 7
PACKAGES = ("numpy", "polars", "torch", "torchvision", "pillow", "snakemake")
# The settings of the default study.
EXEMPLARS = ExemplarSettings(per_side=200, ties="random", seed=0)
PROBE_IMAGES = 10_000


@dataclass(frozen=True)
class Target:
    """The value that a number must reach, from above or from below."""

    value: float
    at_most: bool

    def met(self, number: float) -> bool:
        return number <= self.value if self.at_most else number >= self.value


@dataclass(frozen=True)
class Measured:
    """One number of the summary.

    Attributes
    ----------
    value
        Median of `samples`.
    unit
        `ratio`, or what is measured in: `s`, `min`, `MiB`.
    what
        What was measured, on which data, against what.
    samples
        All measurements, in the order in which they were taken.
    details
        Medians in seconds, and other numbers that help to judge the value.
    """

    unit: str
    what: str
    samples: list[float]
    target: Target
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        return statistics.median(self.samples)

    def entry(self, taken_on: dict[str, Any]) -> dict[str, Any]:
        """The entry of summary.json, with what `about` returned before the measurement."""
        return {
            "value": self.value,
            "unit": self.unit,
            "target": self.target.value,
            "target_is": "at most" if self.target.at_most else "at least",
            "met": self.target.met(self.value),
            "what": self.what,
            "samples": self.samples,
            "details": self.details,
            **taken_on,
        }


def about() -> dict[str, Any]:
    """The date, the commit, the machine and the versions of packages."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(
                os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1
            ),
            "system": platform.platform(),
            "load_before": os.getloadavg()[0],
        },
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleave(*works: Callable[[], object], pairs: int = PAIRS) -> list[list[float]]:
    """Time each of `works` `pairs` times, in turns, after one call of each that does not count.

    Calls that follow each other see the same state of the machine, so their ratio is stable on a
    noisy machine. Every second round is in reverse order.
    """
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    for number in range(pairs):
        order = list(range(len(works)))
        for position in order if number % 2 == 0 else order[::-1]:
            times[position].append(seconds(works[position]))
    return times


def ratios(numerators: list[float], denominators: list[float]) -> list[float]:
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def medians(**times: list[float]) -> dict[str, float]:
    """Medians of timings, named `<name>_s`."""
    return {f"{name}_s": statistics.median(values) for name, values in times.items()}


def require_equal(name: str, ours: Any, theirs: Any, tolerance: float) -> float:
    """Check that both sides computed the same values; return the largest difference."""
    difference = float(np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)).max())
    if not difference <= tolerance:
        raise AssertionError(f"{name}: the results differ by {difference} > {tolerance}")
    return difference


@dataclass(frozen=True)
class Material:
    """Real data: images, and a trained network of a finished study.

    Attributes
    ----------
    study
        Folder of the study, `results/<study>`.
    dataset
        Folder of its dataset, `results/datasets/<dataset>`.
    scratch
        Folder for files that only benchmarks need.
    images
        Number of images in the large probe set.
    whole_runs
        How often the study is made again to measure the workflow's overhead, in addition to the
        run that made it here.
    """

    study: Path = ROOT / "results" / "fashion_mnist"
    dataset: Path = ROOT / "results" / "datasets" / "fashion_mnist"
    scratch: Path = FOLDER / "material"
    images: int = PROBE_IMAGES
    whole_runs: int = 0

    def file(self, path: Path) -> Path:
        """Check that a file of the finished study exists, and return its path."""
        if not path.exists():
            raise InputError(
                f"{path} is missing: benchmarks measure a finished study. Make it: make results"
            )
        return path

    def network(
        self, method: str = DENSE, retraining: str = NOT_RETRAINED, rate: str = "0.00"
    ) -> Path:
        """The file of a network of seed 0."""
        name = Coordinates(method, retraining, rate, seed=0).name
        return self.file(self.study / "networks" / name / "network.safetensors")

    @cached_property
    def dense(self) -> description.Network:
        return network_files.load(self.network())

    @cached_property
    def kept(self) -> Path:
        """The folder for files that are made with this dense network."""
        return self.scratch / whole_files.checksum(self.network())[:12]

    @cached_property
    def probe(self) -> packed_images.PackedImages:
        """A balanced sample of the training images, in a file of its own."""
        images, labels = self.kept / "images.npy", self.kept / "labels.npy"
        if not images.exists():
            folder = self.dataset / "train"
            packed = packed_images.PackedImages.open(
                self.file(folder / "images.npy"), self.file(folder / "labels.npy")
            )
            chosen = sampling.sample_rows(packed.labels, self.images, 0, key="images")
            arrays.save_array(packed.labels[chosen], labels)
            arrays.save_array(packed.images[chosen], images)
        return packed_images.PackedImages.open(images, labels)

    def first(self, images: int) -> packed_images.PackedImages:
        """The first `images` probe images."""
        return packed_images.PackedImages(self.probe.images[:images], self.probe.labels[:images])

    @cached_property
    def activations(self) -> np.ndarray:
        """`(images, units)` float32 of the dense network on the probe images."""
        path = self.kept / "activations.npy"
        if not path.exists():
            from prunescope.interpret.activations import passes
            from prunescope.networks import modules

            module = modules.to_module(self.dense)
            found = np.concatenate(list(passes(module, self.probe, self.dense.description)))
            arrays.save_array(found, path)
        return arrays.load_array(path)

    @cached_property
    def exemplars_file(self) -> Path:
        """The exemplars of the dense network on the probe images."""
        path = self.kept / "exemplars.parquet"
        if not path.exists():
            from prunescope.interpret import exemplar_pass
            from prunescope.networks import modules

            module = modules.to_module(self.dense)
            unit_tables.EXEMPLARS.write(
                exemplar_pass.find_exemplars(
                    module, self.probe, self.dense.description, self.settings
                ),
                path,
            )
        return path

    @property
    def settings(self) -> ExemplarSettings:
        """The settings of the default study, or what a small probe set allows."""
        per_side = min(EXEMPLARS.per_side, self.images // 2)
        return ExemplarSettings(per_side, EXEMPLARS.ties, EXEMPLARS.seed)

    @cached_property
    def exemplars(self) -> pl.DataFrame:
        return unit_tables.EXEMPLARS.read(self.exemplars_file)

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Strongest and weakest images of every unit, `(units, per_side)`."""
        return tuple(tables.matrix(self.exemplars[side]) for side in ("strongest", "weakest"))

    @cached_property
    def embeddings_file(self) -> Path:
        """The embeddings of the probe images by the default metric."""
        path = self.kept / "embeddings.npy"
        if not path.exists():
            from prunescope.interpret.metrics import embedding

            found = embedding.embed(self.probe, "timm:tf_efficientnet_lite0", 96, {})
            embedding.save(found, len(self.probe), path)
        return path

    @cached_property
    def similarity_file(self) -> Path:
        path = self.kept / "similarity.npy"
        if not path.exists():
            from prunescope.interpret.metrics import comparison

            vectors = arrays.load_array(self.embeddings_file)
            arrays.save_array(comparison.compare(vectors, distance=False), path)
        return path


def peak_memory() -> float:
    """The peak of this process's resident memory in MiB.

    `getrusage` would not do: after a fork it counts the memory of the parent process, too.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def python(code: str, *arguments: str) -> str:
    """Run code in a fresh Python with the library; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'workflow_scripts'}"},
    )
    return done.stdout
