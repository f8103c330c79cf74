"""Compare a finished study with its repetition by other seeds: do its conclusions hold?"""

import argparse
import sys
from pathlib import Path

from prunescope.foundation.errors import InputError
from prunescope.interpret import trivial_units
from prunescope.networks.coordinates import name_kind
from prunescope.study.config import reading
from prunescope.study.study import Study
from prunescope.summarize import image_counts, repetition, study_tables
from prunescope.summarize.findings.facts import Facts


def facts_of(folder: Path, study: Study) -> Facts:
    """The facts of a finished study from the folder of its tables."""
    return Facts.of_study(
        study_tables.NETWORKS.read(folder / "networks.parquet"),
        study_tables.STATISTICS.read(folder / "statistics.parquet"),
        image_counts.COUNTS.read(folder / "images.parquet"),
        study_tables.HISTORIES.read(folder / "history.parquet"),
        trivial_units.TRIVIAL_UNITS.read(folder / "trivial_units.parquet"),
        study.facts,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True, nargs="+")
    parser.add_argument("first", type=Path, help="folder with the tables of the study")
    parser.add_argument("second", type=Path, help="folder with the tables of its repetition")
    given = parser.parse_args()
    try:
        study = Study(reading.read(*given.configfile).values)
        first, second = (facts_of(folder, study) for folder in (given.first, given.second))
    except InputError as error:
        sys.exit(f"compare: {error}")
    if shared := set(first.networks["seed"]) & set(second.networks["seed"]):
        sys.exit(
            f"compare: both studies have the seeds {sorted(shared)}. Repeat the study with others: "
            "make results CONFIG=... with `seeds` that the first one lacks."
        )
    found = repetition.compare(first, second)
    for row in found.verdicts.to_dicts():
        name = name_kind(row["method"], row["retraining"], row["rate"])
        print(f"{name}: {row['verdict']}, then {row['verdict_again']}")
    print(f"verdicts that agree: {found.agreement:.0%} of {len(found.verdicts)}")
    for row in found.captures.to_dicts():
        print(
            f"{row['quantity']}: {row['captured']:.0%} of {row['intervals']} second estimates lie "
            f"in the first interval; {row['expected']:.0%} are expected"
        )


if __name__ == "__main__":
    main()
