"""Write docs/architectures.md: describe many architectures, with random weights.

.venv/bin/python docs/make_architectures.py [JOBS]

It takes some minutes with two jobs. `make docs` leaves it out, for it depends on the versions of
PyTorch, torchvision and timm.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from prunescope.networks.architecture_files import Architecture

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

PAGE = ROOT / "docs" / "architectures.md"
SIZES = {"torchvision:inception_v3": 299, "timm:efficientvit_b0": 224}
TORCHVISION = (
    "googlenet resnet18 resnet50 resnext50_32x4d vgg16_bn alexnet densenet121 mobilenet_v2 "
    "mobilenet_v3_small shufflenet_v2_x0_5 mnasnet0_5 efficientnet_b0 convnext_tiny "
    "regnet_y_400mf squeezenet1_1 inception_v3 vit_b_16 swin_t maxvit_t"
)
TIMM = (
    "resnet18 vit_tiny_patch16_224 convnextv2_atto mobilenetv3_small_100 ghostnet_100 "
    "resnest14d repvgg_a0 mixer_s32_224 efficientvit_b0 coat_tiny levit_128s "
    "tf_efficientnet_lite0 swin_tiny_patch4_window7_224 resnetv2_50"
)
NAMES = (
    *(f"torchvision:{name}" for name in TORCHVISION.split()),
    *(f"timm:{name}" for name in TIMM.split()),
)

HEAD = """\
# Architectures

What [`describe`](../workflow_scripts/prunescope/networks/describing/describe.py) finds out about
{number} image classifiers of torchvision {torchvision} and timm {timm}, with PyTorch {torch}. Each
was built with random weights, as its library builds it by default, and described for images of the
given size. Written by `docs/make_architectures.py`.

- **layers**: convolutions, of which grouped or depthwise ones in brackets, and fully connected
  layers that take part in evaluation mode. Layers of auxiliary heads are left out.
- **batch norms**: layers whose output a batch norm alone reads.
- **units**: outputs of all layers whose units can be measured. A layer that runs several times
  counts once; *repeated* are such layers.
- **not measured**: layers and parameters that take part, but whose units cannot be measured. Such
  layers are pruned like all others. Such parameters belong to no layer, so they are not pruned;
  they count among parameters and MACs. `in_proj_weight` of `nn.MultiheadAttention` is one: its
  queries, keys and values.
- **removable**: layers all of whose units can be removed physically without a change of what
  the rest computes, of all layers.
- **in the way**: the operations that stand in the way for the other layers, and for how many of
  them; `output` is the last layer. An operation in the way either needs to know all channels
  (`layer_norm` divides by their number), or cannot be followed.
- **filters gone**: half of all filters, and of all outputs of fully connected layers but the last,
  were pruned at random: how many of them a [compact network](compact.md) is without. A filter that
  is coupled with others, as in a residual sum, goes where filling up its place with zeros pays.
- **groups gone**: half of all [groups of channels](pruning.md) were pruned at random: the
  weights that are gone, of those that are zero. Weights without a mask go, too, if they only read
  what was pruned.
- **what stays, and why**: the operations behind filters that were pruned and stay, and how many
  layers have such filters; or the operation because of which networks stay masked.
- **MACs**: multiplications and additions of convolutions and fully connected layers for an image.

Channels that must be removed together are found for all of them: {pieces}

| {columns} |
|---|--:|---|--:|--:|---|--:|---|--:|--:|---|--:|--:|
{rows}
## What is not measured

{reasons}"""
COLUMNS = (
    "architecture",
    "size",
    "layers",
    "batch norms",
    "units",
    "not measured",
    "removable",
    "in the way",
    "filters gone",
    "groups gone",
    "what stays, and why",
    "parameters",
    "MACs",
)
HALF = 0.5
PIECES = (
    "what is added, multiplied or shuffled, "
    "groups of grouped convolutions, and heads of attention as blocks."
)


def build(name: str) -> "nn.Module":
    """An architecture with random weights."""
    source, _, model = name.partition(":")
    if source == "timm":
        import timm

        return timm.create_model(model, pretrained=False)
    from torchvision import models

    settings = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
    return models.get_model(model, weights=None, **settings)


def removed(module: "nn.Module", found: "Architecture", size: int) -> tuple[str, str, str]:
    """What a compact network is without of what was pruned, and why the rest stays."""
    from dataclasses import replace

    import numpy as np

    from prunescope.compact import removal
    from prunescope.compact.graph import batch_norms, exporting, lowering
    from prunescope.networks import modules
    from prunescope.networks.description import Description
    from prunescope.prune.group_masks import make_group_masks
    from prunescope.prune.masks import PruningMethod, make_masks

    recorded = exporting.export_graph(module, size)
    if recorded.stays_masked:
        return "–", "–", f"all: {recorded.stays_masked}"
    blank = Description("none", 1000, size, (0.5,) * 3, (0.5,) * 3)
    network = modules.to_network(module, replace(blank, layers=found.layers))
    kinds = ("conv2d", "linear")
    last = [layer.name for layer in network.description.classifiers]
    filters = PruningMethod("filter", "layer", "random", kinds)
    groups = PruningMethod("channel_group", "layer", "random", kinds)
    masks = make_masks(network, filters, HALF, exclude=last)
    made = removal.compact(
        *batch_norms.fold_batch_norms(*lowering.of_network(recorded, network.masked(masks)))
    )
    pruned = gone = 0
    reasons: Counter[str] = Counter()
    for row in made.layers:
        mask = masks.get(f"{str(row['layer']).partition('@')[0]}.weight")
        if mask is None:
            continue
        zero = int((~mask.reshape(len(mask), -1).any(axis=1)).sum())
        lost = int(row["filters"]) - int(row["filters_kept"])  # type: ignore[call-overload]
        pruned, gone = pruned + zero, gone + min(zero, lost)
        _, because, why = str(row["why"]).partition("stays, because of ")
        if because and lost < zero:
            reasons[why.partition(";")[0]] += 1
    masked = network.masked(make_group_masks(network, found, groups, HALF))
    compact = removal.compact(*batch_norms.fold_batch_norms(*lowering.of_network(recorded, masked)))
    rows = compact.layers
    names = [str(row["layer"]).partition("@")[0] for row in rows]
    # A parameter that no layer owns stands under its own name.
    weights = [masked.tensors.get(f"{name}.weight", masked.tensors.get(name)) for name in names]
    zeros = sum(int(np.count_nonzero(weight == 0)) for weight in weights)
    left = [sum(int(row[key]) for row in rows) for key in ("weights", "weights_kept")]  # type: ignore[call-overload]
    return (
        f"{100 * gone / pruned:.0f} %",
        f"{100 * (left[0] - left[1]) / zeros:.0f} %",
        "; ".join(f"{reason}: {number}" for reason, number in reasons.most_common()) or "–",
    )


def describe_row(name: str) -> tuple[str, set[str]]:
    """The row of an architecture, and the reasons why something in it is not measured."""
    import torch

    from prunescope.networks.describing.describe import describe

    torch.set_num_threads(1)
    size = SIZES.get(name, 224)
    module = build(name).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            # Some branches begin with a norm that does nothing: they would be gone from the start.
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    found = describe(module, size)
    main = [layer for layer in found.layers if not layer.auxiliary]
    convolutions = [layer for layer in main if layer.kind == "conv2d"]
    grouped = sum(layer.groups > 1 for layer in convolutions)
    measured = [layer for layer in main if not layer.not_measured]
    repeated = sum(layer.runs > 1 for layer in measured)
    hidden = len(main) - len(measured)
    named = len(found.unmeasured_parameters)
    reasons = {layer.not_measured for layer in main} | set(found.unmeasured_parameters.values())
    stuck = Counter(
        reason for layer in main if (reason := found.removable[layer.name]) and not found.unknown
    )
    parts = [f"{hidden} layers" * bool(hidden), f"{named} parameters" * bool(named)]
    cells = (
        f"`{name}`",
        size,
        f"{len(convolutions)} conv2d ({grouped}), {len(main) - len(convolutions)} linear",
        sum(layer.batch_norm is not None for layer in main),
        f"{sum(layer.units for layer in measured):,}"
        + f", {repeated} layers repeated" * bool(repeated),
        ", ".join(filter(None, parts)) or "–",
        f"{len(main) - sum(stuck.values())} of {len(main)}" if not found.unknown else "–",
        found.unknown or "; ".join(f"{reason}: {k}" for reason, k in stuck.most_common()),
        *removed(module, found, size),
        f"{found.parameters:,}",
        f"{found.macs:,}" if found.macs is not None else "–",
    )
    return f"| {' | '.join(map(str, cells))} |\n", reasons - {""}


def page(rows: Iterable[tuple[str, set[str]]]) -> str:
    """The whole page."""
    made = list(rows)
    reasons = sorted(set().union(*(found for _, found in made)))
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "timm")}
    return HEAD.format(
        number=len(made),
        rows="".join(row for row, _ in made),
        columns=" | ".join(COLUMNS),
        pieces=PIECES,
        reasons="".join(f"- {reason}\n" for reason in reasons),
        **versions,
    )


def main(jobs: int) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(jobs) as pool:
        PAGE.write_text(page(pool.map(describe_row, NAMES)), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
