"""Similarities of embeddings against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.interpret.metrics import comparison


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 8), st.integers(1, 6)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_the_matrix_equals_a_loop_of_cosines(rows: np.ndarray) -> None:
    lengths = np.linalg.norm(rows, axis=1)
    rows = rows[lengths > 1e-3]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    matrix = comparison.compare(unit, distance=False)
    assert matrix.dtype == np.float32
    assert matrix.shape == (len(rows), len(rows))
    for first, a in enumerate(rows.astype(np.float64)):
        for second, b in enumerate(rows.astype(np.float64)):
            cosine = sum(x * y for x, y in zip(a, b, strict=True)) / (
                np.sqrt((a**2).sum()) * np.sqrt((b**2).sum())
            )
            assert matrix[first, second] == pytest.approx(cosine, abs=1e-5)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-6)
    assert np.all(np.abs(matrix) <= 1 + 1e-6)


def test_cosines_by_hand() -> None:
    unit = np.array([[1, 0], [0, 1], [-1, 0], [0.6, 0.8]], dtype=np.float32)
    expected = [[1, 0, -1, 0.6], [0, 1, 0, 0.8], [-1, 0, 1, -0.6], [0.6, 0.8, -0.6, 1]]
    np.testing.assert_allclose(comparison.compare(unit, distance=False), expected, atol=1e-7)


@given(hnp.arrays(np.float32, (5, 7), elements=st.floats(-1, 1, width=32)))
def test_distances_equal_a_loop(rows: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "FEATURES", 3)
        matrix = comparison.compare(rows, distance=True)
    expected = [[1 - ((a - b) ** 2).sum() for b in rows] for a in rows]
    np.testing.assert_allclose(matrix, expected, atol=1e-5)
    np.testing.assert_array_equal(np.diag(matrix), 1)
