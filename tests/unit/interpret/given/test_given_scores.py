"""The tables of scores that were made elsewhere."""

from pathlib import Path

import polars as pl
import pytest

from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS


def test_accuracies_may_be_unknown(tmp_path: Path) -> None:
    network = {"method": "structured", "retraining": "one_shot", "rate": 0.2, "seed": 0}
    rows = pl.DataFrame([{**network, "top1": None, "images": None}])
    path = tmp_path / "networks.parquet"
    GIVEN_NETWORKS.write(GIVEN_NETWORKS.conform(rows), path)
    assert GIVEN_NETWORKS.read(path)["top1"].to_list() == [None]


def test_scores_must_be_known(tmp_path: Path) -> None:
    unit = dict.fromkeys(GIVEN_UNITS.columns)
    with pytest.raises(ValueError, match="missing values in"):
        GIVEN_UNITS.write(GIVEN_UNITS.conform(pl.DataFrame([unit])), tmp_path / "units.parquet")
