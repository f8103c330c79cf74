"""The forms in which a network is timed compute the same."""

import compacted
import numpy as np
import pytest
import torch

from prunescope.compact import compared_forms, equivalence
from prunescope.compact.graph import onnx_models
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.networks.description import Network


@pytest.fixture(scope="module")
def masked() -> Network:
    return compacted.masked_googlenet()


@pytest.fixture(scope="module")
def compact() -> CompactNetwork:
    return compacted.compact_googlenet()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return compacted.some_images()


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return compacted.expected_logits()


def test_all_variants_answer_alike_where_they_must(
    masked: Network, compact: CompactNetwork, images: torch.Tensor, expected: np.ndarray
) -> None:
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    found = {
        (runtime, name): np.asarray(load()(images))
        for runtime, kinds in compared_forms.loaders(masked, masked, compact, model, 1).items()
        for name, load in kinds.items()
    }
    assert len(found) == 7
    for kind, logits in found.items():
        assert equivalence.difference(expected, logits) <= 1e-4, kind
    for load in compared_forms.small_loaders(masked.description, 1).values():
        assert np.asarray(load()(images)).shape == (5, 10)
