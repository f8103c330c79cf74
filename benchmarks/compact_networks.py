"""What is gained when pruned networks of several architectures are made compact.

Command  PYTHONPATH=workflow_scripts .venv/bin/python -m benchmarks.compact_networks [NAME ...]
Prints a table in Markdown. Networks have random weights and are pruned by the L1 norm, so their
sizes are those of a study and their accuracy is not.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from prunescope.compact import compared_forms, removal, sizes, timing
from prunescope.compact.graph import batch_norms, exporting, lowering, onnx_models, torch_modules
from prunescope.networks import architecture, modules
from prunescope.networks.architecture_files import Architecture
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Network
from prunescope.prune.group_masks import make_group_masks
from prunescope.prune.masks import PruningMethod, make_masks

ROUNDS = 15
RATES = (0.5, 0.8)
THREADS = 2
# By name: the architecture, the number of classes, and the side of the images.
NETWORKS = {
    "ResNet-20": ("file:networks/resnet_cifar.py:resnet20", 10, 32),
    "ResNet-18": ("torchvision:resnet18", 1000, 224),
    "MobileNetV3 large": ("torchvision:mobilenet_v3_large", 1000, 224),
    "ConvNeXt tiny": ("torchvision:convnext_tiny", 1000, 224),
    "DeiT tiny": ("timm:deit_tiny_patch16_224", 1000, 224),
}
LAYERS = ("conv2d", "linear")
METHODS = {
    "filters": PruningMethod("filter", "layer", "l1", LAYERS),
    "channel groups": PruningMethod("channel_group", "layer", "l1", LAYERS),
}
COLUMNS = (
    "Network", "Pruned", "Rate", "Zero weights", "Weights gone", "MACs gone",
    "PyTorch, 1 image", "PyTorch, 8", "onnxruntime, 1", "onnxruntime, 8",
)  # fmt: skip


def rows(name: str) -> Iterator[list[str]]:
    """The rows of one network: compact networks against the dense one."""
    kind, classes, side = NETWORKS[name]
    blank = Description(kind, classes, side, (0.5,) * 3, (0.25,) * 3)
    torch.manual_seed(0)
    module = architecture.build(blank).eval()
    described = describe(module, side)
    dense = modules.to_network(module, replace(blank, layers=described.layers))
    recorded = exporting.export_graph(module, side)
    forms = {"dense": lowering.of_network(recorded, dense)}
    zeros = {}
    for method in METHODS:
        for rate in RATES:
            for rounded in (1, 8):
                key = f"{method}, multiples of 8" if rounded > 1 else method
                masked = _pruned(dense, described, method, rate)
                folded = batch_norms.fold_batch_norms(*lowering.of_network(recorded, masked))
                made = removal.compact(*folded, round_to=rounded)
                forms[f"{key}|{rate}"] = (made.graph, made.tensors)
                zeros[f"{key}|{rate}"] = _zeros(masked)
    counted = {key: sizes.count(*form) for key, form in forms.items()}
    times = _times(forms, dense.description)
    for key in zeros:
        method, rate = key.split("|")
        gone = [
            1 - counted[key][column] / counted["dense"][column] for column in ("parameters", "macs")
        ]
        yield [
            name, method, rate,
            *(f"{100 * share:.0f} %" for share in (zeros[key], *gone)),
            *(f"{1 / found[key]['relative_time']:.1f}" for found in times),
        ]  # fmt: skip


def _pruned(dense: Network, described: Architecture, method: str, rate: float) -> Network:
    exclude = [layer.name for layer in dense.description.classifiers]
    settings = METHODS[method]
    if settings.granularity == "channel_group":
        return dense.masked(make_group_masks(dense, described, settings, rate))
    return dense.masked(make_masks(dense, settings, rate, exclude=exclude))


def _zeros(network: Network) -> float:
    weights = [network.tensors[layer.weight] for layer in network.description.main_layers]
    return 1 - sum(map(np.count_nonzero, weights)) / sum(weight.size for weight in weights)


def _times(forms: dict, description: Description) -> list[dict[str, dict[str, float]]]:
    """Times by runtime and size of batches, all networks in turns."""
    built = [
        {key: compared_forms.in_torch(torch_modules.build(*form)) for key, form in forms.items()},
        {
            key: compared_forms.in_onnxruntime(onnx_models.to_onnx(*form, description), THREADS)
            for key, form in forms.items()
        },
    ]
    found = []
    for runtime in built:
        for batch in (1, 8):
            side = description.image_size
            images = torch.randn(batch, 3, side, side)
            turns = {key: partial(run, images) for key, run in runtime.items()}
            found.append(timing.compare(timing.take_turns(turns, ROUNDS), "dense"))
    return found


def main(names: list[str]) -> None:
    """Print the table."""
    torch.set_num_threads(THREADS)
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{'---|' * len(COLUMNS)}")
    for name in names or NETWORKS:
        for row in rows(name):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
