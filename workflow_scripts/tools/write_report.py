"""Put charts, tables and explorer of a finished study into one file to send."""

import argparse
import subprocess
import sys
from pathlib import Path

from prunescope.foundation.errors import InputError
from prunescope.study.config import reading


def report_of(study: str) -> Path:
    """The report of a study. Each has its own, so that no study overwrites that of another."""
    return Path(f"results/report_{study}.zip")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", required=True)
    parser.add_argument("--configfile", type=Path, required=True, nargs="+")
    arguments = parser.parse_args()
    try:
        config = reading.read(*arguments.configfile).values
    except InputError as error:
        sys.exit(f"config: {error}")
    report = report_of(config["study"])
    command = [
        sys.executable, "-m", "snakemake", "--cores", arguments.cores, "--report", str(report),
        "--report-stylesheet", "rules/report/style.css",
        "--configfile", *map(str, arguments.configfile),
    ]  # fmt: skip
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    size = report.stat().st_size / 1e6
    print(f"{report} ({size:.1f} MB): unpack it, and open {report.stem}/report.html.")


if __name__ == "__main__":
    main()
