"""Measure scoring all units against a loop over units, and from embeddings instead of a matrix."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import score_mis

from benchmarks.common import (
    PAIRS,
    Material,
    Measured,
    Target,
    interleave,
    medians,
    python,
    ratios,
    require_equal,
)
from prunescope.foundation import arrays
from prunescope.interpret import mis, similarities

SETTINGS = {"explanations": 9, "tasks": 20, "tau": 0.16, "draw": "imi", "seed": 0}
# The larger probe set repeats the vectors of the probe images this often.
TIMES = 10

MEMORY = """
import sys
import time
import tracemalloc
import numpy as np
from benchmarks.common import peak_memory
from prunescope.foundation import tables
from prunescope.interpret import mis, similarities, unit_tables
exemplars = unit_tables.EXEMPLARS.read(sys.argv[1])
similarity = similarities.load(sys.argv[2], sys.argv[3])
images = int(sys.argv[4])
rng = np.random.default_rng(0)
sides = [tables.matrix(exemplars[side]) for side in ("strongest", "weakest")]
sides = [side + images * rng.integers(len(similarity) // images, size=side.shape) for side in sides]
settings = mis.ScoreSettings(9, 20, 0.16, "imi", 0)
before, start = peak_memory(), time.perf_counter()
mis.score_units(*sides, similarity, settings)
print(time.perf_counter() - start, peak_memory() - before)
tracemalloc.start()
mis.score_units(*sides, similarity, settings)
print(tracemalloc.get_traced_memory()[1] / 2**20)
"""


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The cosines of vectors along the last axis; the other axes are broadcast."""
    products = (first * second).sum(axis=-1)
    return products / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)


def score_by_loop(
    positive: np.ndarray, negative: np.ndarray, embeddings: np.ndarray, tau: float
) -> np.ndarray:
    """The plain way: soft scores of one unit after the other, from the embeddings of its images."""
    scores = []
    for strong, weak in zip(positive, negative, strict=True):
        more, less = embeddings[strong], embeddings[weak]
        of_strong = cosine(more[:, :1], more[:, 1:]).mean(axis=1)
        of_strong -= cosine(more[:, :1], less[:, 1:]).mean(axis=1)
        of_weak = cosine(less[:, :1], more[:, 1:]).mean(axis=1)
        of_weak -= cosine(less[:, :1], less[:, 1:]).mean(axis=1)
        scores.append((1 / (1 + np.exp(-(of_strong - of_weak) / tau))).mean())
    return np.array(scores)


def settings_for(material: Material) -> mis.ScoreSettings:
    """The settings of the default study, or what few exemplars allow."""
    tasks = min(SETTINGS["tasks"], material.settings.per_side // 10)
    return mis.ScoreSettings(**{**SETTINGS, "tasks": tasks})


def run(material: Material, pairs: int = PAIRS) -> dict[str, Measured]:
    settings = settings_for(material)
    strongest, weakest = material.sides
    matrix = arrays.load_array(material.similarity_file)
    vectors = arrays.load_array(material.embeddings_file)
    positive, negative = mis.draw_tasks(strongest, weakest, settings)

    def ours() -> np.ndarray:
        return mis.score_units(strongest, weakest, matrix, settings)[0]

    def loop() -> np.ndarray:
        return score_by_loop(positive, negative, vectors, settings.tau)

    difference = require_equal("scores by the loop", ours(), loop(), 1e-6)
    fast, slow = interleave(ours, loop, pairs=pairs)
    return {
        "mis_vs_per_unit_loop": Measured(
            "ratio",
            f"scoring {len(strongest)} units, K {settings.explanations}, N {settings.tasks}, "
            f"{len(vectors)} probe images: time of a loop over units that gathers embeddings and "
            "broadcasts cosines, over that of mis.score_units with the similarity matrix in memory",
            ratios(slow, fast),
            Target(100, at_most=False),
            {**medians(ours=fast, loop=slow), "largest_difference": difference},
        ),
        "mis_seconds_per_network": job(material, settings, pairs),
    }


def job(material: Material, settings: mis.ScoreSettings, pairs: int) -> Measured:
    """Measure the script of the rule, run in this process."""
    matrix, vectors = (
        SimpleNamespace(
            input=SimpleNamespace(exemplars=material.exemplars_file, similarity=path),
            params=SimpleNamespace(kind=kind, mis=vars(settings)),
            output=SimpleNamespace(scores=material.scratch / f"mis_{kind}.parquet"),
        )
        for path, kind in (
            (material.similarity_file, similarities.MATRIX),
            (material.embeddings_file, similarities.PRODUCTS),
        )
    )
    by_matrix, by_vectors = interleave(
        lambda: score_mis.main(matrix), lambda: score_mis.main(vectors), pairs=pairs
    )
    scores = [
        mis.score_units(*material.sides, similarities.load(smk.input.similarity, smk.params.kind),
                        settings)
        for smk in (matrix, vectors)
    ]  # fmt: skip
    memory = cost_of_scores(material) if settings.tasks == SETTINGS["tasks"] else {}
    return Measured(
        "s",
        "the script of score_mis (read exemplars and similarities, score, write the table), files "
        f"in the page cache, {len(material.probe)} probe images",
        by_matrix,
        Target(1.0, at_most=True),
        {
            **medians(matrix=by_matrix, embeddings=by_vectors),
            "largest_difference": require_equal("embeddings", scores[0][0], scores[1][0], 1e-6),
            **memory,
        },
    )


def cost_of_scores(material: Material) -> dict[str, dict[str, float]]:
    """Time and memory of scoring in a fresh process.

    From the matrix, from embeddings, and from the embeddings of a larger probe set, over all of
    which the exemplars are spread. Resident memory includes pages of the mapped file, which the
    system can take back when it needs them. Allocated memory does not.
    """
    images = len(material.probe)
    vectors = arrays.load_array(material.embeddings_file)
    with tempfile.TemporaryDirectory(dir=material.scratch) as folder:
        larger = Path(folder) / "embeddings.npy"
        arrays.save_array(np.tile(vectors, (TIMES, 1)), larger)
        found, names = {}, ("s", "resident_mib", "allocated_mib")
        for name, path, kind in (
            ("matrix", material.similarity_file, similarities.MATRIX),
            ("embeddings", material.embeddings_file, similarities.PRODUCTS),
            (f"embeddings_of_{TIMES * images}_images", larger, similarities.PRODUCTS),
        ):
            printed = python(MEMORY, str(material.exemplars_file), str(path), kind, str(images))
            found[name] = dict(zip(names, map(float, printed.split()), strict=True))
    return {"in_a_fresh_process": found}
