"""Choose the kind of a study by its config."""

from collections.abc import Mapping
from typing import Any

from prunescope.study.kinds.scores_study import UNIT_SCORES, ScoresStudy
from prunescope.study.study import Study


def study_of(config: Mapping[str, Any]) -> Study | ScoresStudy:
    """The study of a checked config."""
    return ScoresStudy(config) if UNIT_SCORES in config else Study(config)
