"""The tiny study, run once for all tests that look at a finished study."""

import pytest
from workspaces import Workspace, copy_project, run_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study, run to its end. Tests that change it put everything back."""
    return run_study(copy_project(tmp_path_factory.mktemp("study")))
