"""The published files, where the environment says that they are at hand."""

import os
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the published files as their repository does."""
    data = os.environ.get("PRUNESCOPE_DATA")
    if not data:
        pytest.skip("PRUNESCOPE_DATA names no folder with published_unit_scores.zip")
    archive = Path(data) / "published_unit_scores.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} does not exist")
    folder = tmp_path_factory.mktemp("published")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder
