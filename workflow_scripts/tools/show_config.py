"""Print a study as it is run, with where each value comes from: itself a study."""

import argparse
import sys
from pathlib import Path

from prunescope.foundation.errors import InputError
from prunescope.study.config import reading, writing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True, nargs="+")
    files = parser.parse_args().configfile
    try:
        resolved = reading.read(*files)
    except InputError as error:
        sys.exit(f"config: {error}")
    print(writing.write(resolved), end="")


if __name__ == "__main__":
    main()
