"""Embeddings are written batch by batch."""

from pathlib import Path

import numpy as np

from prunescope.foundation import arrays
from prunescope.interpret.metrics import embedding


def test_batches_make_the_same_file_as_the_whole(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((7, 5), dtype=np.float32)
    embedding.save(iter([rows[:3], rows[3:6], rows[6:]]), 7, tmp_path / "batches.npy")
    arrays.save_array(rows, tmp_path / "whole.npy")
    assert (tmp_path / "batches.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
