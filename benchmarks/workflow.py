"""Measure how long planning takes: a run with nothing to do, and a graph of 10,000 jobs."""

import re
import subprocess
import tempfile
from pathlib import Path

import yaml

from benchmarks.common import PAIRS, ROOT, Material, Measured, Target, seconds
from prunescope.foundation.errors import InputError
from prunescope.study.config import reading

SNAKEMAKE = ROOT / ".venv" / "bin" / "snakemake"
JOBS = 10_000


def plan(config: Path) -> str:
    """Make a dry run; return what it prints."""
    done = subprocess.run(
        [SNAKEMAKE, "--dry-run", "--quiet", "rules", "--configfile", config],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise InputError(f"snakemake --dry-run fails for {config}:\n{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def planned_jobs(output: str, rule: str = "total") -> int:
    """The number of jobs of a rule, by default of all rules, in the output of a dry run."""
    found = re.search(rf"^{rule} +(\d+)$", output, flags=re.MULTILINE)
    return int(found[1]) if found else 0


def noop(config: Path, pairs: int) -> Measured:
    if jobs := planned_jobs(plan(config)):
        raise InputError(
            f"{jobs} jobs of {config.name} are not done, so that a run with nothing to do cannot "
            "be timed: make results"
        )
    return Measured(
        "s",
        f"`snakemake -n` where the study of {config.name} is finished",
        [seconds(lambda: plan(config)) for _ in range(pairs)],
        Target(3, at_most=True),
    )


def large_config(config: Path, seeds: int, folder: str) -> Path:
    """Write the config of a study under another name and with `seeds` seeds; return its path."""
    settings = reading.read(config).values
    settings |= {"study": "many_jobs", "seeds": list(range(seeds))}
    path = Path(folder) / f"seeds{seeds}.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def large(config: Path, jobs: int = JOBS, runs: int = PAIRS) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        few, more = (planned_jobs(plan(large_config(config, seeds, folder))) for seeds in (1, 2))
        path = large_config(config, -(-(jobs - few) // (more - few)) + 1, folder)
        found = planned_jobs(plan(path))
        times = [seconds(lambda: plan(path)) for _ in range(runs)]
    return Measured(
        "s",
        f"`snakemake -n` of a study with {found} jobs, none of them done ({config.name} with more "
        "seeds)",
        times,
        Target(30, at_most=True),
        {"jobs": found},
    )


def run(material: Material, pairs: int = PAIRS) -> dict[str, Measured]:
    config = ROOT / "config.yaml"
    return {"noop_seconds": noop(config, pairs), "dag_10k_seconds": large(config)}
