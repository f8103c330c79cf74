"""The config of a study of given scores: short, and without sections about networks."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from good_config import DELETED, good, refusal

from prunescope.study.config import editor_schema, reading
from prunescope.study.config.checking import check

SCORES = """
study: elsewhere
unit_scores:
  source: table
  units: scores/units.csv
  networks: scores/networks.csv
  dataset: ImageNet
  metric: DreamSim
statistics: {resamples: 200, margin: 0.02, seed: 0}
charts: {width: 420, height: 300, png_scale: 2}
"""


def scores(**changes: Any) -> dict[str, Any]:
    """The config of a study of given scores, with other values in its section."""
    config: dict[str, Any] = yaml.safe_load(SCORES)
    config["unit_scores"] |= changes
    config["unit_scores"] = {
        name: value for name, value in config["unit_scores"].items() if value is not DELETED
    }
    return config


def test_a_study_of_given_scores_is_read_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "scores.yaml"
    path.write_text(SCORES)
    values = reading.read(path).values
    assert values["statistics"].pop("accuracy_drops") == [0.01, 0.02, 0.05]
    assert values == scores(partners="required") | {"published": None}
    assert "folder" not in values["unit_scores"]


def test_accuracy_may_be_left_out() -> None:
    check(scores(networks=DELETED))


def test_published_scores_need_no_other_key() -> None:
    config = scores() | {"unit_scores": {"source": "published", "folder": None}}
    assert check(config).model_dump()["unit_scores"] == {"source": "published", "folder": None}
    check(config | {"unit_scores": {"source": "published"}})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (scores(units=DELETED), "`unit_scores.units` is missing: source 'table' needs it"),
        (scores(metric=DELETED), "`unit_scores.metric` is missing: source 'table' needs it"),
        (
            scores(partners="none"),
            "`unit_scores.partners`: 'none' is not known. Allowed: required, optional",
        ),
        (
            scores() | {"unit_scores": {"source": "published", "partners": "optional"}},
            "`unit_scores.partners`: source 'published' does not use it. Remove it",
        ),
        (scores(folder="x"), "`unit_scores.folder`: source 'table' does not use it. Remove it"),
        (scores(source="published"), "`unit_scores.units`: source 'published' does not use it"),
        (scores(source="tabel"), "'tabel' is not known. Did you mean `table`?"),
        (scores(units="~/units.csv"), "`unit_scores.units`: '~/units.csv' is for a shell"),
        (scores(unit="x"), "`unit_scores.unit` is not a key of the config. Did you mean `units`?"),
        (scores() | {"study": "logs"}, "`study`: 'logs' is the name of a folder"),
        (scores() | {"chart": {}}, "`chart` is not a key of the config. Did you mean `charts`?"),
        (scores() | {"unit_scores": None}, "`unit_scores`: null must be a mapping"),
    ],
)
def test_what_is_wrong_is_said(config: dict[str, Any], message: str) -> None:
    assert message in refusal(config)


def test_sections_about_networks_are_refused_in_one_line() -> None:
    message = refusal(good() | scores())
    (line,) = message.splitlines()[1:]
    assert line.startswith("  - `seeds`, `dataset`, `datasets`, `model`, `pruning`,")
    assert "a study of given scores (`unit_scores`) has not. Remove them" in line
    assert "`model`: about networks or images" in refusal({**scores(), "model": {}})


def test_a_typing_error_does_not_make_another_kind_of_study() -> None:
    config = good() | {"unit_score": {}}
    assert "Did you mean `unit_scores`?" in refusal(config)


def test_editors_know_both_kinds() -> None:
    editor = jsonschema.Draft7Validator(editor_schema.make())
    assert editor.is_valid(scores())
    assert editor.is_valid({"extends": "other.yaml", "unit_scores": {"units": "other.csv"}})
    assert not editor.is_valid(scores() | {"model": good()["model"]})
    assert not editor.is_valid({key: scores()[key] for key in ("study", "unit_scores")})
    assert not editor.is_valid(scores(source="tabel"))
    assert editor.is_valid(good())
