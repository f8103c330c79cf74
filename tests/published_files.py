"""The published files of unit scores, where the environment says that they are at hand."""

import os
import zipfile
from pathlib import Path

import pytest

VARIABLE = "PRUNESCOPE_DATA"


def unpack(folders: pytest.TempPathFactory) -> Path:
    """A folder that holds the files as their repository does; skips the test without them."""
    data = os.environ.get(VARIABLE)
    if not data:
        pytest.skip(f"{VARIABLE} names no folder with published_unit_scores.zip")
    archive = Path(data) / "published_unit_scores.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} does not exist")
    folder = folders.mktemp("published")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder
