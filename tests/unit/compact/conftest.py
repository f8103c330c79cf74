"""A pruned GoogLeNet and its compact form."""

import compacted
import numpy as np
import pytest
import torch

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
