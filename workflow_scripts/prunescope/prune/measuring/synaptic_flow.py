"""Synaptic flow: what each weight carries from the inputs to the outputs, without any images.

The network becomes one of absolute weights: layers without biases, and batch norms that multiply
each channel by |scale| / sqrt(running variance + eps), without shift and running mean. All values
are then products and sums of weights that are at least zero, and multiplying the weights of a layer
by a factor multiplies the flow by it. So the scores of a layer that all paths run through add up to
the whole flow: it is conserved from layer to layer. Computed in float64.

Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic
flow", NeurIPS 2020, eq. 1 and theorem 2. Their code keeps the absolute values of biases, shifts and
running means, with which the flow is not conserved.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.foundation.errors import InputError
from prunescope.networks import modules
from prunescope.networks.description import Layer, Network
from prunescope.networks.preprocessing import logits_of
from prunescope.prune.pieces import Quantities

# How far twice the input may be from twice the output, as a fraction of it.
TOLERANCE = 1e-9


def measure(
    network: Network, layers: Sequence[Layer], device: torch.device
) -> dict[str, Quantities]:
    """Measure how the sum of all outputs, for an input of ones, changes with each absolute weight.

    Returns
    -------
    dict
        By the name of the weight, for layers that run: `flow_gradient`, float64, of its shape.

    Raises
    ------
    InputError
        The network of absolute weights does not answer twice the input with twice the output, so
        that no flow is conserved: it has other norms than batch norms, attention, activations with
        an upper bound, or adds constants. Or its output is not finite.
    """
    # What torchvision does with images before the first layer adds constants.
    plain = replace(network, description=replace(network.description, transform_input=False))
    module = _of_absolute_weights(modules.to_module(plain)).to(device)
    side = network.description.image_size
    ones = torch.ones((1, 3, side, side), dtype=torch.float64, device=device)
    flow = logits_of(module(ones)).sum()
    with torch.no_grad():
        twice = logits_of(module(2 * ones)).sum()
    if not torch.isfinite(twice):
        raise InputError(
            "criterion 'synflow': the sum of the outputs of the network of absolute weights is not "
            "finite in float64: it is too deep. Choose another criterion."
        )
    if abs(float(twice - 2 * flow.detach())) > TOLERANCE * abs(float(flow.detach())):
        raise InputError(
            "criterion 'synflow': the network conserves no synaptic flow, because it holds more "
            "than convolutions, linear layers, batch norms, ReLU and pooling: other norms, "
            "attention, bounded activations, or constants. Choose another criterion."
        )
    flow.backward()
    parameters = dict(module.named_parameters(remove_duplicate=False))
    gradients = {layer.weight: parameters[layer.weight].grad for layer in layers}
    return {
        name: {"flow_gradient": np.asarray(gradient.cpu().numpy())}
        for name, gradient in gradients.items()
        if gradient is not None
    }


@torch.no_grad()
def _of_absolute_weights(module: nn.Module) -> nn.Module:
    module = module.double().eval()
    for name, parameter in module.named_parameters():
        parameter.abs_()
        if name.rpartition(".")[2] == "bias":
            parameter.zero_()
    for part in module.modules():
        if isinstance(part, _BatchNorm) and part.running_mean is not None:
            part.running_mean.zero_()
    return module
