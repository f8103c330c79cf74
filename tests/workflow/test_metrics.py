"""An archive of a metric without a published checksum: its first use is recorded and verified."""

import hashlib
from collections.abc import Callable

import pytest
import yaml
from workspaces import TINY, Workspace

pytestmark = pytest.mark.slow

DEFAULT = '{metric: "timm:tf_efficientnet_lite0", image_size: 64, largest_matrix_mb: 4000}'
DREAMSIM = '{metric: "dreamsim:ensemble", image_size: 224, largest_matrix_mb: 4000}'
ARCHIVE = "downloads/dreamsim/dreamsim_ensemble_checkpoint.zip"
LOCK = "config/tiny.lock"
FETCH = ("--no-hooks", "--forcerun", "fetch_metric_weights", "--", ARCHIVE)


def test_the_first_use_is_recorded_and_verified_ever_after(
    blank: Workspace, edit: Callable[[object, str, str], None]
) -> None:
    edit(blank.path(TINY), DEFAULT, DREAMSIM)
    planned = blank.snakemake("--dry-run")
    assert planned.returncode == 0
    assert "sha256sum" not in planned.stdout + planned.stderr
    assert blank.stale()["fetch_metric_weights"] == 2
    archive = blank.path(ARCHIVE)
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"the first file")
    first = hashlib.sha256(b"the first file").hexdigest()
    done = blank.snakemake(*FETCH)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(blank.path(LOCK).read_text())["files"][ARCHIVE]["sha256"] == first
    log = blank.path("results/logs/downloads/dreamsim/dreamsim_ensemble_checkpoint.zip.log")
    assert first in log.read_text()
    archive.write_bytes(b"another file")
    done = blank.snakemake(*FETCH)
    assert done.returncode != 0
    assert f"at its first use it was {first}" in done.stderr
    assert LOCK in done.stderr


def test_a_file_put_there_by_hand_is_verified_and_kept(
    blank: Workspace, edit: Callable[[object, str, str], None]
) -> None:
    pinned = f'{DREAMSIM[:-1]}, sha256: {{dreamsim_ensemble_checkpoint.zip: "{"0" * 64}"}}}}'
    edit(blank.path(TINY), DEFAULT, pinned)
    archive = blank.path(ARCHIVE)
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"another file")
    done = blank.snakemake("--no-hooks", "--forcerun", "fetch_metric_weights", "--", ARCHIVE)
    assert done.returncode != 0
    assert f"{ARCHIVE}: wrong checksum" in done.stderr
    assert archive.read_bytes() == b"another file"
