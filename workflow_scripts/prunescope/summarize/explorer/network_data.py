"""Make the data files of one network for the explorer, and check that its units are the study's."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from prunescope.interpret import mis
from prunescope.interpret.similarities import Embeddings
from prunescope.summarize.explorer.columns import image_columns, score_columns, script

# The columns that tell units apart. The units are the same in all networks of a study.
UNIT_KEYS = ("layer", "layer_type", "unit")
# The columns of `columns.image_columns` in a file of their own, which a copy for a report lacks.
TASKS = "tasks"
TASK_COLUMNS = ("task", "positive", "negative")


def units_of(table: pl.DataFrame) -> pl.DataFrame:
    """The units of a network in order: the columns `UNIT_KEYS` of `exemplars` or `mis`."""
    return table.select(UNIT_KEYS)


def data_files(
    name: str,
    exemplars: pl.DataFrame,
    scores: pl.DataFrame,
    measures: pl.DataFrame | None,
    similarity: np.ndarray | Embeddings,
    settings: mis.ScoreSettings,
) -> Iterator[tuple[str, str, bytes]]:
    """Make the files that the page loads when it shows a network.

    Parameters
    ----------
    name
        `Coordinates.name` of the network; or `trivial`.
    exemplars, scores, measures
        `exemplars.parquet`, `mis.parquet` and `measures.parquet`, of the same units in the same
        order. Of trivial units, `exemplars` and `scores` are their one table, and there are no
        measures.
    similarity, settings
        As for `columns.image_columns`.

    Yields
    ------
    part, path, content
        `scores`, `images` or `TASKS`; the path below the folder of the explorer; and the content of
        the file.

    Raises
    ------
    InputError
        As `columns.image_columns`.
    """
    images = image_columns(exemplars, scores, similarity, settings)
    parts = {
        "scores": score_columns(scores, measures),
        TASKS: {column: images.pop(column) for column in TASK_COLUMNS},
        "images": images,
    }
    for part, columns in parts.items():
        yield part, f"data/{name}/{part}.js", script(f"{name}/{part}", columns)
