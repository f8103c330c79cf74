"""Compute the Machine Interpretability Score (MIS) of units.

The score says how well a perceptual metric distinguishes strongly from weakly activating images of
a unit. A task of a unit consists of K strongly and K weakly activating images (E+ and E-), and of
two queries, a strongly and a weakly activating one (q+ and q-). With s(q, E) the mean similarity
of q to the images in E,

    delta = [s(q+, E+) - s(q+, E-)] - [s(q-, E+) - s(q-, E-)].

The soft score is the mean of sigmoid(delta / tau) over the tasks. The hard score is the fraction of
tasks with delta > 0. Chance level is 0.5.

The score depends only on the similarities of pairs of probe images. So one similarity matrix serves
all units, and the computation needs no loop over units. If the matrix would be too large,
`similarities.Embeddings` computes the same deltas from the embeddings of the images.

Sources: Zimmermann, Klindt, Brendel, "Measuring Per-Unit Interpretability at Scale Without
Humans", NeurIPS 2024; the task is that of Borowski et al. 2021 and Zimmermann et al. 2023 (IMI).
"""

from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.interpret.similarities import Embeddings


@dataclass(frozen=True)
class ScoreSettings:
    """The settings of the score: the config section `interpretability.mis`.

    Attributes
    ----------
    explanations
        K, the number of strong explanations in a task, and of weak ones.
    tasks
        N, the number of tasks of a unit.
    tau
        Temperature of the soft score, in units of similarity (0.16 was fitted to human answers).
    draw
        A key of `DRAWS`: how images are dealt to tasks.
    seed
        Seeds the draw.
    query
        Which of the K + 1 images of a task on each side is the query: 0 for the most extreme, K
        for the least extreme.
    pool
        Only for the draw `quantile`: tasks are drawn from this many most extreme images on each
        side.
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
        """How many of a unit's strongest images, and of its weakest images, the tasks need."""
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
        Integer indices `(units, k)` of each unit's strongest and weakest probe images, most
        extreme first; `k >= settings.images_per_side`.
    similarity
        float32 `(images, images)`, symmetric; or the embeddings of the images.
    settings
        The settings of the score.

    Returns
    -------
    soft, hard, mean_delta
        float64 `(units,)` each. The scores are in 0..1, the mean delta in units of similarity.

    Raises
    ------
    InputError
        There are fewer exemplars than the tasks need, or the exemplars and the similarities are
        of different probe sets.
    """
    largest = max(strongest.max(initial=0), weakest.max(initial=0))
    if largest >= len(similarity):
        raise InputError(
            f"exemplars: image {largest} is one of them, but there are similarities of "
            f"{len(similarity)} images only. They are of another probe set: rebuild both."
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
        Integer indices `(units, k)`, most extreme first; `k >= settings.images_per_side`.
    settings
        The settings of the score.

    Returns
    -------
    positive, negative
        Integer indices `(units, tasks, K + 1)` each. Column 0 is the query. The other columns are
        the explanations, most extreme first.
    """
    rng = np.random.default_rng(settings.seed)
    draw = DRAWS[settings.draw]
    positive, negative = draw(strongest, settings, rng), draw(weakest, settings, rng)
    order = [settings.query, *(n for n in range(settings.explanations + 1) if n != settings.query)]
    return positive.take(order, axis=2), negative.take(order, axis=2)


def draw_imi(
    exemplars: np.ndarray, settings: ScoreSettings, rng: np.random.Generator
) -> np.ndarray:
    """Deal ranked exemplars to tasks, so that all tasks span the same range of activations.

    The first N(K+1) exemplars are cut into K+1 ranked bins of N. Every task takes one image of
    each bin, at random and without replacement. Column 0 is the most extreme bin, from which IMI
    takes the query.

    Source: Zimmermann et al. 2024, section 3.

    Parameters
    ----------
    exemplars
        Integer indices `(units, k)` below 2^32, most extreme first.
    settings
        The settings of the score.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Integer indices `(units, tasks, K + 1)`, in the dtype of `exemplars`.
    """
    units = len(exemplars)
    bins = settings.explanations + 1
    ranked = exemplars[:, : settings.images_per_side].reshape(units, bins, settings.tasks)
    # Shuffle by sorting with random numbers in the upper bits: twice as fast as `rng.permuted`.
    numbers = rng.integers(1 << 32, size=ranked.shape, dtype=np.uint32)
    numbered = np.left_shift(numbers, 32, dtype=np.uint64) | ranked.astype(np.uint32)
    numbered.sort(axis=2)
    return numbered.astype(np.uint32).astype(exemplars.dtype).transpose(0, 2, 1)


def draw_quantile(
    exemplars: np.ndarray, settings: ScoreSettings, rng: np.random.Generator
) -> np.ndarray:
    """Deal each task K + 1 images at random from the `pool` most extreme images.

    The images of one task are drawn without replacement; different tasks may share images. The
    images of a task are ordered, most extreme first. Another public implementation of the score
    (MachInterp, klindtlab) draws in this way from the outer quantiles of all images, and takes the
    least extreme image as the query. Scores of different draws are not comparable.

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
    """The delta of every task.

    Parameters
    ----------
    positive, negative
        Integer indices `(units, tasks, K + 1)`, the query first.
    similarity
        float32 `(images, images)`, symmetric; or the embeddings of the images.

    Returns
    -------
    numpy.ndarray
        float64 `(units, tasks)`, in units of similarity.
    """
    if isinstance(similarity, Embeddings):
        return similarity.task_deltas(positive, negative)
    units, tasks, size = positive.shape
    number = units * tasks
    explanations = np.concatenate([positive[..., 1:], negative[..., 1:]], axis=2)
    explanations = explanations.reshape(number, 2 * (size - 1))
    queries = np.concatenate([positive[..., 0], negative[..., 0]]).reshape(-1)
    # Sort the tasks by query, so that each row of the matrix stays in the cache while it is used.
    # The smallest integer type is used, because NumPy sorts 16-bit integers with radix sort.
    small = queries.astype(np.min_scalar_type(len(similarity)))
    order = np.argsort(small, kind="stable")
    rows = queries[order].astype(np.int64) * len(similarity)
    places = explanations.take(order % number, axis=0) + rows[:, None]
    # `wrap`, because the default mode checks every index once more.
    found = similarity.reshape(-1).take(places, mode="wrap")
    # In float64 these sums are exact, so that equal similarities cancel to zero.
    strong_minus_weak = np.repeat([1.0, -1.0], size - 1)
    contrast = np.empty(2 * number)
    contrast[order] = found.astype(np.float64) @ strong_minus_weak
    of_strong, of_weak = contrast.reshape(2, units, tasks) / (size - 1)
    return of_strong - of_weak


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), computed without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))
