"""A cluster for the tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.slurm import Cluster, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    reason = missing()
    if reason:
        pytest.skip(f"no SLURM: {reason}")
    # Not one of pytest's folders: sockets need short paths.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    running = Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
