"""Write what the jobs of the finished default study took here: resources/job_costs.json.

PYTHONPATH=workflow_scripts .venv/bin/python resources/make_job_costs.py
"""

import json
import os
import statistics
from datetime import datetime
from pathlib import Path

from prunescope.study import remaining_work
from prunescope.study.config import reading
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.paths import PathsOfResults
from prunescope.study.progress import costs_elsewhere

CONFIG = Path("config.yaml")


def machine(day: datetime) -> str:
    """The machine that this runs on, and the day of the study, in words."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0]}, {day:%Y-%m-%d}"


def main() -> None:
    config = reading.read(CONFIG).values
    folders = PathsOfResults(study_of(config)).logs_to_verify
    costs = remaining_work.read_logs(folders)
    logs = [path for folder in folders for path in Path(folder).rglob("*.log")]
    last = max(path.stat().st_mtime for path in logs)
    table = {
        "machine": machine(datetime.fromtimestamp(last)),
        "facts": costs_elsewhere.facts(config),
        "recipes": costs_elsewhere.recipes(config),
        "rules": {
            rule: {
                "seconds": round(3600 * statistics.mean(cost.hours for cost in found), 2),
                "cpu_seconds": round(3600 * statistics.mean(cost.cpu_hours for cost in found), 2),
            }
            for rule, found in sorted(costs.items())
        },
    }
    text = json.dumps(table, indent=2)
    costs_elsewhere.PATH.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
