"""Masks follow their parameters' layout and hold them at zero."""

import numpy as np
import torch
from torch import nn

from prunescope.train.held_masks import MaskedParameters


def test_masks_have_the_layout_of_the_weights() -> None:
    module = nn.Conv2d(8, 4, 3).to(memory_format=torch.channels_last)
    masked = MaskedParameters(module, {"weight": np.ones((4, 8, 3, 3), dtype=bool)})
    assert masked._masks[0].is_contiguous(memory_format=torch.channels_last)
    assert not masked._masks[0].requires_grad


def test_apply_zeroes_what_is_masked_and_nothing_else() -> None:
    module = nn.Linear(5, 3)
    before = module.weight.detach().clone()
    mask = np.random.default_rng(0).random((3, 5)) < 0.5
    masked = MaskedParameters(module, {"weight": mask})
    assert masked.regrown() == (~mask).sum()
    masked.apply()
    expected = np.where(mask, before.numpy(), 0)
    np.testing.assert_array_equal(module.weight.detach().numpy(), expected)
    assert masked.regrown() == 0
    assert masked.sparsity() == (~mask).mean()
