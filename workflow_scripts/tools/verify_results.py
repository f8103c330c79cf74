"""Check the files of a study as the rule `verify_study` does, but write nothing, not even a log."""

import argparse
import sys
from pathlib import Path

from prunescope.foundation.errors import InputError
from prunescope.study.config import reading
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.paths import PathsOfResults
from prunescope.study.results import verification


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True, nargs="+")
    files = parser.parse_args().configfile
    try:
        paths = PathsOfResults(study_of(reading.read(*files).values))
        print(verification.report(paths.folders_to_verify, paths.logs_to_verify))
    except InputError as error:
        sys.exit(f"verify: {error}")


if __name__ == "__main__":
    main()
