"""Exemplars and scores from activations of a GPU against those of the CPU."""

import numpy as np
import pytest
import torch

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import tables
from prunescope.interpret import exemplar_pass, mis
from prunescope.interpret.exemplars import ExemplarSettings
from prunescope.networks.description import Network
from prunescope.networks.modules import to_module

PER_SIDE = 40
SETTINGS = mis.ScoreSettings(explanations=8, tasks=4, tau=0.16, draw="imi", seed=0)


@pytest.fixture(scope="module")
def similarity(pictures: PackedImages) -> np.ndarray:
    rows = pictures.images.reshape(len(pictures), -1).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows @ rows.T).astype(np.float32)


def test_units_of_a_gpu_are_those_of_the_cpu(
    pruned: Network, pictures: PackedImages, similarity: np.ndarray, gpu: torch.device
) -> None:
    settings = ExemplarSettings(PER_SIDE, "random", 0)
    found = {}
    for device in (torch.device("cpu"), gpu):
        module = to_module(pruned).to(device)
        found[device.type] = exemplar_pass.find_exemplars(
            module, pictures, pruned.description, settings
        )
    expected, computed = found["cpu"], found[gpu.type]
    assert (expected["constant"] == computed["constant"]).all()
    live = expected.filter(~expected["constant"]), computed.filter(~computed["constant"])
    for side in ("strongest", "weakest"):
        ours, theirs = (tables.matrix(one[f"{side}_activation"]) for one in live)
        scale = np.abs(ours).max()
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4 * scale)
        same = [
            len(set(a) & set(b)) / PER_SIDE
            for a, b in zip(*(tables.matrix(one[side]) for one in live), strict=True)
        ]
        assert np.mean(same) > 0.95, "few exemplars may change places with their neighbours"
    scores = [
        mis.score_units(
            tables.matrix(one["strongest"]), tables.matrix(one["weakest"]), similarity, SETTINGS
        )[0]
        for one in live
    ]
    assert abs(scores[0].mean() - scores[1].mean()) < 0.01
    assert np.corrcoef(*scores)[0, 1] > 0.95
