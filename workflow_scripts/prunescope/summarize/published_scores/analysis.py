"""All that is estimated from the published scores, as one table."""

from pathlib import Path

import polars as pl

from prunescope.summarize.published_scores import (
    analysis_rows,
    changes,
    of_networks,
    published_values,
    relations,
)
from prunescope.summarize.published_scores.analysis_rows import MARGIN, number, row
from prunescope.summarize.published_scores.readings import Scores


def analyse(scores: Scores, published: str | Path | None, margin: float | None) -> pl.DataFrame:
    """The table `analysis_rows.ANALYSIS`.

    Parameters
    ----------
    scores
        The scores.
    published
        The table of published numbers; None leaves out what compares with them.
    margin
        A change of the score that is too small to matter; None for no tests of equivalence.

    Raises
    ------
    InputError
        `published` is no such table.
    """
    rows = [
        *of_networks.counts(scores),
        *of_networks.accuracies(scores),
        *of_networks.means(scores),
        *changes.changes(scores, margin),
        *relations.relations(scores),
    ]
    if margin is not None:
        rows.append(row(MARGIN, "all arms", number(margin, 1), "a setting of the study"))
    if published is not None:
        means = published_values.of_networks(published, published_values.MIS_SOFT)
        rows += of_networks.differences(scores, means)
        figure, borrowed = published_values.figure(published), published_values.borrowed(published)
        rows += relations.with_borrowed(scores, figure, borrowed)
    return analysis_rows.to_table(rows)
