"""How the score of the same units changes from the lowest to the highest rate of an arm.

No dense network was scored, so the network at the lowest rate is the partner. An arm has one
network at each rate: the intervals of this module tell how evenly a change is spread over the
layers or classes of these two networks. How another run would turn out, they do not tell.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from prunescope.summarize import estimators
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.published_scores import readings
from prunescope.summarize.published_scores.analysis_rows import number, row
from prunescope.summarize.published_scores.readings import LOGITS, Scores
from prunescope.summarize.selection import CHANNELS
from prunescope.summarize.study_tables import Row

OVER_LAYERS = "mean over units, t with layers as clusters, this pair of networks alone"
OVER_CLASSES = "mean over classes, Student's t, this pair of networks alone"


def pair(scores: Scores, arm: np.ndarray, reading: str, units: str, layer_type: str) -> np.ndarray:
    """The units over which the first and the last network of an arm are compared, `(units,)` bool.

    Live units are those that are live in both.
    """
    used = scores.used(reading, units, layer_type)
    return used[arm[0]] & used[arm[-1]]


def changes(scores: Scores, margin: float | None) -> Iterator[Row]:
    """Mean changes of each arm, and whether they lie within the margin.

    Parameters
    ----------
    scores
        The scores.
    margin
        A change that is too small to matter; None for no tests of equivalence.
    """
    for reading, units in readings.WAYS:
        for layer_type in (CHANNELS, LOGITS):
            for arm in scores.arms:
                place = {"layer_type": layer_type, "units": units, "reading": reading}
                yield from _of_arm(scores, arm, margin, place)


def _of_arm(
    scores: Scores, arm: tuple[str, str], margin: float | None, place: dict[str, str]
) -> Iterator[Row]:
    method, retraining = arm
    rows, layer_type = scores.arms[arm], place["layer_type"]
    kept = pair(scores, rows, **place)
    change = (scores.soft[rows[-1]] - scores.soft[rows[0]])[kept]
    found, error, freedom = _mean(change, scores.layers[kept], layer_type)
    how = OVER_CLASSES if layer_type == LOGITS else OVER_LAYERS
    low, high = scores.rates[[rows[0], rows[-1]]]
    group = f"{method}, {retraining}: rate {low:.2f} to {high:.2f}"
    where = {"pruning": method, "retraining": retraining, **place}
    yield row("mis_soft_change", group, found, how, **where)
    yield row("units_compared", group, number(len(change), len(change)), "counted", **where)
    if margin is not None:
        same = estimators.equivalence(found.estimate, error, freedom, margin, found.n)
        tested = f"two one-sided tests within {margin:.3g}; {how}"
        yield row("mis_soft_equivalence", group, same, tested, **where)


def _mean(change: np.ndarray, layers: np.ndarray, layer_type: str) -> tuple[Estimate, float, float]:
    """Mean, standard error, degrees of freedom."""
    if layer_type != LOGITS:
        return estimators.clustered_mean(change, layers)
    # All logits are of one layer: what there is to vary are the classes.
    error = float(change.std(ddof=1) / np.sqrt(len(change)))
    found = estimators.student(float(change.mean()), error, len(change) - 1, len(change))
    # No test: classes share the weights and the images of one network.
    return replace(found, p=None), error, float(len(change) - 1)
