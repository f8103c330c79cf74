"""The published files, where the environment says that they are at hand."""

from pathlib import Path

import pytest
from published_files import unpack


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the published files as their repository does."""
    return unpack(tmp_path_factory)
