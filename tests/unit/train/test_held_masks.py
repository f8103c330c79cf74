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


def test_sparsity_is_of_what_counts() -> None:
    module = nn.Conv2d(4, 3, (1, 3), bias=True)
    rng = np.random.default_rng(0)
    masks = {"weight": rng.random((3, 4, 1, 3)) < 0.5, "bias": np.array([True, False, True])}
    counted = {"weight": np.array([[[[False, True, True]]]]), "elsewhere": np.ones(5, bool)}
    masked = MaskedParameters(module.to(memory_format=torch.channels_last), masks, counted)
    zeros = (~masks["weight"][..., 1:]).sum() + 1
    assert masked.masked_share() == zeros / (3 * 4 * 2 + 3)
    assert masked.sparsity() == 0
    masked.apply()
    assert masked.sparsity() == masked.masked_share()
    nowhere = {"weight": np.zeros((1, 1, 1, 3), bool)}
    assert MaskedParameters(module, {"weight": masks["weight"]}, nowhere).sparsity() == 0
