"""Network slimming by hand: the scales alone decide."""

from collections.abc import Callable

import numpy as np
import pytest

from prunescope.foundation.errors import InputError
from prunescope.prune.criteria import slimming
from prunescope.prune.masks import PruningMethod, make_masks


def test_filters_go_by_the_absolute_scales_of_all_layers(network_of: Callable) -> None:
    rng = np.random.default_rng(0)
    network = network_of(
        {"a": rng.normal(size=(3, 2, 3, 3)), "b": 100 * rng.normal(size=(2, 3, 1, 1))},
        **{
            "a_bn.weight": np.float32([-3, 0.1, 2]), "a_bn.bias": np.ones(3, np.float32),
            "b_bn.weight": np.float32([0.2, -1]), "b_bn.bias": np.ones(2, np.float32),
        },
    )  # fmt: skip
    masks = make_masks(network, PruningMethod("filter", "global", "slimming"), 0.6)
    assert masks["a.weight"].all(axis=(1, 2, 3)).tolist() == [True, False, True]
    assert not masks["b.weight"].any()
    assert masks["a_bn.weight"].tolist() == [True, False, True]
    assert masks["b_bn.bias"].tolist() == [False, False]


def test_layers_without_batch_norm_are_refused(network_of: Callable) -> None:
    weights = {name: np.ones((2, 2, 1, 1)) for name in "abc"}
    norm = {"a_bn.weight": np.float32([1, 2]), "a_bn.bias": np.zeros(2, np.float32)}
    network = network_of(weights, **norm)
    method = PruningMethod("filter", "layer", "slimming")
    with pytest.raises(InputError, match=r"no batch norm follows b, c, .*`pruning\.exclude`"):
        make_masks(network, method, 0.5)
    masks = make_masks(network, method, 0.5, exclude=["b", "c"])
    assert masks["a.weight"].ravel().tolist() == [False, False, True, True]


def test_pieces_without_a_scale_are_refused() -> None:
    assert "`weight`" in slimming.problem("weight", "global", False)
    assert slimming.problem("filter", "global", False) == ""
