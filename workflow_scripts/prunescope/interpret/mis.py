"""The Machine Interpretability Score: can a metric tell a unit's strong images from its weak ones?

Source: Zimmermann, Klindt, Brendel, "Measuring Per-Unit Interpretability at Scale Without
Humans", NeurIPS 2024; the task is that of Borowski et al. 2021 and Zimmermann et al. 2023 (IMI).

A task shows K strongly and K weakly activating images of a unit (E+ and E-) and two queries
(q+ and q-). With s(q, E) the mean similarity of q to the images of E,

    delta = [s(q+, E+) - s(q+, E-)] - [s(q-, E+) - s(q-, E-)].

The soft score is the mean over tasks of sigmoid(delta / tau), the hard score the fraction of
tasks with delta > 0; 0.5 is chance. Only similarities between pairs of probe images enter, so
one matrix serves all units, and no loop over units is needed. Where the matrix would be too large,
`embedded` computes the same deltas from the images' vectors.
"""

from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.interpret.similarities import Embeddings


@dataclass(frozen=True)
class ScoreSettings:
    """How units are scored.

    Attributes
    ----------
    explanations
        K, the images of each kind that a task shows.
    tasks
        N, the tasks of a unit.
    tau
        Temperature of the soft score, in units of similarity (0.16 was fitted to human answers).
    draw
        How images are dealt to tasks: `imi` or `quantile`.
    seed
        Seeds the draw.
    query
        Which image of a task is the query: 0 for the most extreme of its K + 1, K for the least.
    pool
        For the draw `quantile`: how many of the most extreme images on each side tasks are drawn
        from.
    """

    explanations: int
    tasks: int
    tau: float
    draw: str
    seed: int
    query: int = 0
    pool: int | None = None

    @property
    def images_per_side(self) -> int:
        """The strongest and the weakest images of a unit that its tasks are made of."""
        return self.pool or self.tasks * (self.explanations + 1)


def score_units(
    strongest: np.ndarray,
    weakest: np.ndarray,
    similarity: np.ndarray | Embeddings,
    settings: ScoreSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score all units at once.

    Parameters
    ----------
    strongest, weakest
        `(units, k)` integer indices of each unit's most and least activating images, most
        extreme first; `k >= settings.images_per_side`.
    similarity
        `(images, images)` float32, symmetric; or the embeddings of the images.
    settings
        K, N, tau and the draw.

    Returns
    -------
    soft, hard, mean_delta
        `(units,)` float64 each. Scores in 0..1, mean delta in units of similarity.

    Raises
    ------
    InputError
        There are fewer exemplars than the tasks need, or they are of other images.
    """
    largest = max(strongest.max(initial=0), weakest.max(initial=0))
    if largest >= len(similarity):
        raise InputError(
            f"exemplars: image {largest} is one of them, but there are similarities of "
            f"{len(similarity)} images only. They are of another probe set: make both anew."
        )
    available = min(strongest.shape[1], weakest.shape[1])
    if available < settings.images_per_side:
        raise InputError(
            f"interpretability.mis: {settings.tasks} tasks of {settings.explanations} + 1 images "
            f"need {settings.images_per_side} exemplars on each side, but {available} were kept. "
            "Lower `tasks` or `explanations`, or raise `interpretability.exemplars.per_side`."
        )
    delta = task_deltas(*draw_tasks(strongest, weakest, settings), similarity)
    soft = sigmoid(delta / settings.tau).mean(axis=1)
    return soft, (delta > 0).mean(axis=1), delta.mean(axis=1)


def draw_tasks(
    strongest: np.ndarray, weakest: np.ndarray, settings: ScoreSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Deal each unit's exemplars to its tasks.

    Parameters
    ----------
    strongest, weakest
        `(units, k)` integer indices, most extreme first; `k >= settings.images_per_side`.

    Returns
    -------
    positive, negative
        `(units, tasks, K + 1)` integer indices each; column 0 is the query, the others are the
        explanations, most extreme first.
    """
    rng = np.random.default_rng(settings.seed)
    draw = DRAWS[settings.draw]
    positive, negative = draw(strongest, settings, rng), draw(weakest, settings, rng)
    order = [settings.query, *(n for n in range(settings.explanations + 1) if n != settings.query)]
    return positive.take(order, axis=2), negative.take(order, axis=2)


def draw_imi(
    exemplars: np.ndarray, settings: ScoreSettings, rng: np.random.Generator
) -> np.ndarray:
    """Deal ranked exemplars to tasks so that all tasks span the same range of activations.

    The first N(K+1) exemplars are cut into K+1 ranked bins of N; every task takes one image
    of each bin, at random and without replacement. Column 0 is of the most extreme bin, from
    which IMI takes the query. (Zimmermann et al. 2024, section 3.)

    Parameters
    ----------
    exemplars
        `(units, k)` integer indices below 2^32, most extreme first.

    Returns
    -------
    numpy.ndarray
        `(units, tasks, K + 1)` integer indices.
    """
    units = len(exemplars)
    bins = settings.explanations + 1
    ranked = exemplars[:, : settings.images_per_side].reshape(units, bins, settings.tasks)
    # Each image behind a random number, and sorted: twice as fast as `rng.permuted`.
    numbers = rng.integers(1 << 32, size=ranked.shape, dtype=np.uint32)
    numbered = np.left_shift(numbers, 32, dtype=np.uint64) | ranked.astype(np.uint32)
    numbered.sort(axis=2)
    return numbered.astype(np.uint32).astype(exemplars.dtype).transpose(0, 2, 1)


def draw_quantile(
    exemplars: np.ndarray, settings: ScoreSettings, rng: np.random.Generator
) -> np.ndarray:
    """Deal each task K + 1 images at random, without replacement, from the most extreme ones.

    The images of a task keep their order, most extreme first. Another public implementation of
    the score (MachInterp, klindtlab) draws from the outer quantiles of all images in this way and
    takes the least extreme image as the query; scores of different draws are not comparable.

    Parameters and result are those of `draw_imi`.
    """
    units, size = len(exemplars), settings.explanations + 1
    pool = settings.images_per_side
    places = np.empty((units, settings.tasks, size), dtype=np.int64)
    for task in range(settings.tasks):
        shuffled = rng.random((units, pool), dtype=np.float32).argpartition(size - 1, axis=1)
        places[:, task] = np.sort(shuffled[:, :size], axis=1)
    return np.take_along_axis(exemplars[:, None, :pool], places, axis=2)


DRAWS = {"imi": draw_imi, "quantile": draw_quantile}


def task_deltas(
    positive: np.ndarray, negative: np.ndarray, similarity: np.ndarray | Embeddings
) -> np.ndarray:
    """Delta of every task, `(units, tasks)` float64.

    `positive` and `negative` are `(units, tasks, K + 1)` indices, the query first.
    """
    if isinstance(similarity, Embeddings):
        return similarity.task_deltas(positive, negative)
    units, tasks, size = positive.shape
    number = units * tasks
    explanations = np.concatenate([positive[..., 1:], negative[..., 1:]], axis=2)
    explanations = explanations.reshape(number, 2 * (size - 1))
    queries = np.concatenate([positive[..., 0], negative[..., 0]]).reshape(-1)
    # Query by query, so that a row of the matrix is in the cache when it is needed again. (Integers
    # of 16 bits are sorted by radix.)
    small = queries.astype(np.min_scalar_type(len(similarity)))
    order = np.argsort(small, kind="stable")
    rows = queries[order].astype(np.int64) * len(similarity)
    places = explanations.take(order % number, axis=0) + rows[:, None]
    # Not `raise`, which looks at every place once more.
    found = similarity.reshape(-1).take(places, mode="wrap")
    # In float64 these sums are exact: equal similarities cancel.
    strong_minus_weak = np.repeat([1.0, -1.0], size - 1)
    contrast = np.empty(2 * number)
    contrast[order] = found.astype(np.float64) @ strong_minus_weak
    of_strong, of_weak = contrast.reshape(2, units, tasks) / (size - 1)
    return of_strong - of_weak


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), computed without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))
