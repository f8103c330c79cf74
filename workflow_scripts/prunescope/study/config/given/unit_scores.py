"""Where scores that were made elsewhere come from."""

from collections.abc import Iterator
from typing import Literal

from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import InputPath, Path
from prunescope.study.kinds.scores_study import TABLE

PUBLISHED = "published"
# The keys that only one of the sources has.
_KEYS = {TABLE: ("units", "networks", "dataset", "metric", "partners"), PUBLISHED: ("folder",)}
_REQUIRED = ("units", "dataset", "metric")


class UnitScores(Section):
    """Scores that were made elsewhere."""

    source: Literal["table", "published"] = key(
        "`table` reads tables of your own; `published` the scores that von Rad and Seuffert "
        "published"
    )
    units: InputPath | None = key(
        "the table of units: Parquet if the name ends in `.parquet`, else CSV",
        default=None,
        values="a path",
        left_out="required by `table`, refused by `published`",
    )
    networks: InputPath | None = key(
        "the table of networks, with their accuracy",
        default=None,
        left_out="optional, with `table` only",
    )
    dataset: str | None = key(
        "the dataset in words, for titles and sentences",
        default=None,
        min_length=1,
        values="a text",
        left_out="required by `table`, refused by `published`",
    )
    metric: str | None = key(
        "the similarity metric in words",
        default=None,
        min_length=1,
        values="a text",
        left_out="required by `table`, refused by `published`",
    )
    partners: Literal["required", "optional"] = key(
        "`required` refuses retrained networks without a dense network that was retrained alike, "
        "where dense networks are given; `optional` takes them: they get no verdict",
        default="required",
        left_out="`required` if left out; with `table` only",
    )
    folder: Path | None = key(
        "a folder with the published files; `null` downloads them",
        default=None,
        left_out="optional, with `published` only",
    )

    def unused(self) -> set[str]:
        return {name for source, names in _KEYS.items() if source != self.source for name in names}

    def problems(self) -> Iterator[Problem]:
        if self.source == TABLE:
            for name in _REQUIRED:
                if getattr(self, name) is None:
                    yield Problem(name, f"is missing: source {self.source!r} needs it")
        for name in sorted(self.unused() & self.model_fields_set):
            if getattr(self, name) is not None:
                yield Problem(name, f"source {self.source!r} does not use it. Remove it")
