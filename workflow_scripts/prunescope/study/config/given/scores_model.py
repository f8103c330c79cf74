"""The whole config of a study whose scores were made elsewhere: without networks and images."""

from collections.abc import Mapping
from typing import Any

from prunescope.study.config.given.unit_scores import UnitScores
from prunescope.study.config.section import Section, key
from prunescope.study.config.sections.charts import Charts
from prunescope.study.config.sections.statistics import Statistics
from prunescope.study.config.study_model import StudyModel
from prunescope.study.config.values import InputPath, Name
from prunescope.study.kinds.scores_study import UNIT_SCORES


def _as_in_other_studies(name: str) -> Any:
    return StudyModel.model_fields[name]


class ScoresModel(Section):
    """A study of scores that were made elsewhere."""

    study: Name = _as_in_other_studies("study")
    unit_scores: UnitScores = key("scores that were made elsewhere")
    published: InputPath | None = _as_in_other_studies("published")
    statistics: Statistics = _as_in_other_studies("statistics")
    charts: Charts = _as_in_other_studies("charts")


Root = type[StudyModel] | type[ScoresModel]


def root_of(config: Mapping[str, Any]) -> Root:
    """The model that a config is checked against."""
    return ScoresModel if UNIT_SCORES in config else StudyModel


def keys_of(root: Root) -> list[str]:
    """The keys that a config of this kind may have, with the one that would make it another."""
    return list(dict.fromkeys([*root.model_fields, UNIT_SCORES]))


def about_networks(config: Mapping[str, Any]) -> list[str]:
    """The keys of a study of given scores that only other studies have; none of other studies."""
    if UNIT_SCORES not in config:
        return []
    return [
        name
        for name in config
        if name in StudyModel.model_fields and name not in ScoresModel.model_fields
    ]
