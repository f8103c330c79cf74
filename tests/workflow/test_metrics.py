"""A metric that lacks a checksum: a dry run warns, a real run stops before its first job."""

from collections.abc import Callable

import pytest
from workspaces import TINY, Workspace

pytestmark = pytest.mark.slow

DEFAULT = '{metric: "timm:tf_efficientnet_lite0", image_size: 64, largest_matrix_mb: 4000}'
DREAMSIM = '{metric: "dreamsim:ensemble", image_size: 224, largest_matrix_mb: 4000}'
ARCHIVE = "downloads/dreamsim/dreamsim_ensemble_checkpoint.zip"
MESSAGE = f"run `sha256sum {ARCHIVE}`"


def test_a_checksum_that_is_missing(
    blank: Workspace, edit: Callable[[object, str, str], None]
) -> None:
    edit(blank.path(TINY), DEFAULT, DREAMSIM)
    planned = blank.snakemake("--dry-run")
    assert planned.returncode == 0
    assert MESSAGE in planned.stdout + planned.stderr
    assert blank.stale()["fetch_metric_weights"] == 2
    done = blank.snakemake()
    assert done.returncode != 0
    assert MESSAGE in done.stderr
    assert not blank.path("results").exists()


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
