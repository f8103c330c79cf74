"""Finding the layers of a module from its runs."""

from collections.abc import Callable

import numpy as np

from prunescope.networks import modules
from prunescope.networks.describing import layers


def test_find_layers_leaves_the_module_as_it_was(make_toy: Callable) -> None:
    module, network = make_toy()
    module.train()
    layers.find_layers(module, 8)
    assert module.training
    assert module.stem.bn.num_batches_tracked == 0
    assert not any(child._forward_hooks for child in module.modules())
    left = modules.to_network(module, network.description).tensors
    assert left.keys() == network.tensors.keys()
    for name, tensor in left.items():
        np.testing.assert_array_equal(tensor, network.tensors[name])
