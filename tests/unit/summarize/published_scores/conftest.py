"""The published scores as a study reads them, and a small made-up study of the same form."""

from pathlib import Path

import polars as pl
import pytest
from published_files import unpack
from small_study import small_tables

from prunescope.interpret.published_scores import files, reading
from prunescope.summarize.published_scores import published_values
from prunescope.summarize.published_scores.readings import Scores

PUBLISHED = Path(__file__).resolve().parents[4] / "resources" / "published_results.csv"


@pytest.fixture
def published() -> Path:
    """The table of published numbers."""
    return PUBLISHED


@pytest.fixture(scope="session")
def published_units(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The table of units that the published files make."""
    folder = unpack(tmp_path_factory)
    return reading.read([file.within(folder) for file in files.published_files()])


@pytest.fixture(scope="session")
def published_scores(published_units: pl.DataFrame) -> Scores:
    """The published scores."""
    top1 = published_values.of_networks(PUBLISHED, published_values.TOP1)
    return Scores.of_tables(published_units, reading.networks(published_units, top1))


@pytest.fixture
def small() -> Scores:
    """A small study in which the score rises by 0.03 from the lowest to the highest rate."""
    return Scores.of_tables(*small_tables())
