"""A study of given scores makes no network, and shares with the others what is of no network."""

from pathlib import Path

from good_config import good

from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.kinds.scores_study import ScoresStudy
from prunescope.study.paths import PathsOfResults
from prunescope.study.remaining_work import expected_bytes, expected_minutes
from prunescope.study.study import Study

TABLE = {
    "source": "table",
    "units": "units.csv",
    "networks": "networks.csv",
    "dataset": "ImageNet",
    "metric": "DreamSim",
}
CONFIG = {"study": "elsewhere", "unit_scores": TABLE, "published": None}


def test_the_config_tells_the_kind() -> None:
    assert isinstance(study_of(CONFIG), ScoresStudy)
    assert isinstance(study_of(good()), Study)


def test_no_network_and_no_image_is_needed() -> None:
    study = study_of(CONFIG)
    assert not study.has_networks
    assert not study.has_explorer
    paths = PathsOfResults(study)
    assert paths.every_network("predictions.parquet") == []
    assert paths.every_network("variants.parquet", study.varied_networks) == []
    assert paths.folders_to_verify == ["results/elsewhere"]
    assert paths.logs_to_verify == ["results/logs/elsewhere"]


def test_tables_are_those_of_other_studies_without_those_that_need_networks() -> None:
    study, other = study_of(CONFIG), study_of(good())
    assert other.has_networks
    assert other.has_explorer
    assert set(other.tables) - set(study.tables) == {"sizes", "costs", "units_pruned"}
    assert study_of({**CONFIG, "published": "numbers.csv"}).tables[-1] == "published"


def test_files_and_facts_come_from_the_section() -> None:
    study = ScoresStudy(CONFIG)
    assert study.units_files == ["units.csv"]
    assert study.networks_files == ["networks.csv"]
    assert ScoresStudy(CONFIG | {"unit_scores": {**TABLE, "networks": None}}).networks_files == []
    assert study.facts["dataset"] == "ImageNet"
    assert study.facts["metric"] == "DreamSim"
    assert study.facts["given"]
    assert study.facts.keys() == Study(good()).facts.keys()


def test_published_scores_have_no_table_of_the_user() -> None:
    study = ScoresStudy(CONFIG | {"unit_scores": {"source": "published", "folder": None}})
    assert not study.reads_tables
    assert study.units_files == []
    assert (study.facts["dataset"], study.facts["metric"]) == ("ImageNet", "DreamSim")


def test_nothing_is_expected_of_networks() -> None:
    assert expected_bytes(Path("results/elsewhere/exemplars.parquet"), CONFIG) is None
    assert expected_minutes("train_dense", {}, CONFIG) is None
