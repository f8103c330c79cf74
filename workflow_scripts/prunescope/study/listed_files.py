"""What a study knows of the files that it lists and does not make: whether they changed."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from prunescope.data.class_folders import TRAIN, VALIDATION
from prunescope.data.file_names import unreachable
from prunescope.data.watching import folder_digests
from prunescope.foundation import tables, whole_files
from prunescope.foundation.errors import InputError

# The param of `index_images` that holds what `digests` returns.
PARAM = "listed"
# Snakemake may ask for the params of a job several times.
_of_stamps = cache(folder_digests.of_stamps)
_of_content = cache(whole_files.checksum)


def digests(folder: Path, others: Sequence[Path], index: Path) -> Any:
    """A digest of the names, sizes and dates of images, and of the content of other files.

    Where files are not there, what was listed of them stands: a finished study needs them no more.

    Parameters
    ----------
    folder
        The folder of a dataset of image files.
    others
        The files that are read besides, to list it.
    index
        The list of its train images, if it was made already.
    """
    needed = [folder / TRAIN, folder / VALIDATION, *others]
    if any(unreachable(path) for path in needed):
        return _listed(index)
    return {"images": _of_stamps(folder), "others": [digest_of(path) for path in others]}


def forget() -> None:
    """Look at all files anew, in a process that outlives a change of them."""
    _of_stamps.cache_clear()
    _of_content.cache_clear()


def digest_of(path: Path) -> str:
    """The SHA-256 of a file of the user's own, or why it cannot be read.

    The job that reads it says what is wrong with it.
    """
    try:
        return _of_content(path)
    except OSError as error:
        return error.strerror or str(error)


def _listed(index: Path) -> Any:
    """What the job that made an index was told; None where there is no whole one."""
    try:
        return json.loads(tables.read_provenance(index)).get("params", {}).get(PARAM)
    except (OSError, InputError):
        return None
