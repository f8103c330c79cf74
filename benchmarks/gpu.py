"""Measure a GPU: the exemplar pass, training steps, and how many images go through in a second.

Networks are freshly initialised and images random, so that a machine with a GPU and nothing else
can run it, in a few minutes. Without a GPU it says so and measures nothing.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.common import FOLDER, PAIRS, about, interleave, medians, ratios
from benchmarks.run import number, write
from prunescope.data.packed_images import PackedImages
from prunescope.interpret import exemplar_pass
from prunescope.interpret.activations import BATCH
from prunescope.interpret.exemplars import ExemplarSettings
from prunescope.networks import devices, modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Network
from prunescope.networks.preprocessing import to_input
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train.compacting.compact_module import compact
from prunescope.train.held_masks import MaskedParameters
from prunescope.train.recipes import optimizers
from prunescope.train.recipes.recipe import PRECISIONS, Recipe

RECIPE = Recipe("sgd", 0.01, 0.0001, "constant", 64, 64, momentum=0.9)
CLASSES = 100
SHAPES = {"structured": "filter", "connection sparsity": "input_channel"}
RATE = 0.8


@dataclass(frozen=True)
class Load:
    """What is measured.

    Attributes
    ----------
    device
        Where it runs.
    side
        Side of the images in pixels.
    batch
        Images in a training step.
    images
        Images of an exemplar pass.
    steps
        Training steps of one measurement.
    pairs
        How often each measurement is taken, in turns.
    """

    device: torch.device
    side: int = 224
    batch: int = 64
    images: int = 2000
    steps: int = 5
    pairs: int = PAIRS


def run(load: Load) -> dict[str, dict[str, Any]]:
    """All measurements: an entry with value, unit, samples and details for each key."""
    network = _network(load.side)
    found = _exemplars(load, network)
    for method, granularity in SHAPES.items():
        found |= _steps(load, network, method, granularity)
    return found | _precisions(load, network)


def _network(side: int) -> Network:
    blank = Description(
        "torchvision:googlenet", CLASSES, side, (0.5,) * 3, (0.25,) * 3,
        options={"init_weights": False},
    )  # fmt: skip
    module = modules.create(blank, seed=0)
    return modules.to_network(module, replace(blank, layers=describe(module, side).layers))


def _exemplars(load: Load, network: Network) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    shape = (load.images, 3, load.side, load.side)
    images = PackedImages(
        rng.integers(0, 256, size=shape, dtype=np.uint8), np.arange(load.images) % CLASSES
    )
    settings = ExemplarSettings(min(200, load.images // 2), "random", 0)
    module = modules.to_module(network).to(load.device)

    def forward() -> None:
        for batch in images.batches(BATCH):
            with torch.inference_mode():
                module(to_input(batch.images, network.description, load.device))
        _wait(load.device)

    def search() -> None:
        exemplar_pass.find_exemplars(module, images, network.description, settings)
        _wait(load.device)

    bare, whole = interleave(forward, search, pairs=load.pairs)
    return {
        "exemplar_pass_vs_forward": _entry(
            ratios(whole, bare), "ratio", medians(forward=bare, exemplars=whole)
        ),
        "forward_images": _entry([load.images / time for time in bare], "images/s"),
    }


def _steps(
    load: Load, network: Network, method: str, granularity: str
) -> dict[str, dict[str, Any]]:
    settings = PruningMethod(granularity, "layer", "l1", ("conv2d",))
    exclude = [f"conv{number}.conv" for number in (1, 2, 3)]
    pruned = network.masked(make_masks(network, settings, RATE, exclude=exclude))

    def plain(module: nn.Module) -> None:
        return None

    def held(module: nn.Module) -> MaskedParameters:
        return MaskedParameters(module, pruned.masks)

    def left(module: nn.Module) -> MaskedParameters:
        made = compact(module, pruned.masks, pruned.description)
        return MaskedParameters(module, pruned.masks, left=made.block)

    ways = [_way(load, pruned, prepare, RECIPE) for prepare in (plain, held, left)]
    bare, masked, compacted = interleave(*ways, pairs=load.pairs)
    key = method.replace(" ", "_")
    return {
        f"masked_step_vs_plain_step_of_{key}": _entry(ratios(masked, bare), "ratio"),
        f"masked_step_vs_compact_step_of_{key}": _entry(
            ratios(masked, compacted),
            "ratio",
            medians(plain=bare, masked=masked, compact=compacted),
        ),
    }


def _precisions(load: Load, network: Network) -> dict[str, dict[str, Any]]:
    ways = [
        _way(load, network, lambda _module: None, replace(RECIPE, precision=precision))
        for precision in PRECISIONS
    ]
    times = interleave(*ways, pairs=load.pairs)
    images = load.steps * load.batch
    return {
        f"training_images_{precision}": _entry([images / time for time in taken], "images/s")
        for precision, taken in zip(PRECISIONS, times, strict=True)
    }


def _way(
    load: Load,
    network: Network,
    prepare: Callable[[nn.Module], MaskedParameters | None],
    recipe: Recipe,
) -> Callable[[], None]:
    """Training steps of a network on the same batch."""
    module = modules.to_module(network).to(load.device).train()
    masked = prepare(module)
    optimizer = optimizers.make(module.parameters(), recipe)
    generator = torch.Generator().manual_seed(0)
    shape = (load.batch, 3, load.side, load.side)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    inputs = to_input(images, network.description, load.device)
    labels = torch.randint(CLASSES, (load.batch,), generator=generator).to(load.device)
    dtype = getattr(torch, PRECISIONS[recipe.precision] or "float32")
    scaler = torch.amp.GradScaler(load.device.type, enabled=dtype == torch.float16)

    def take() -> None:
        for _ in range(load.steps):
            optimizer.zero_grad()
            with torch.autocast(load.device.type, dtype, enabled=dtype != torch.float32):
                loss = cross_entropy(module(inputs), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if masked is not None:
                masked.apply()
        _wait(load.device)

    return take


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _entry(
    samples: list[float], unit: str, details: Mapping[str, float] | None = None
) -> dict[str, Any]:
    value = float(np.median(samples))
    return {"value": value, "unit": unit, "samples": samples, "details": dict(details or {})}


def page(found: Mapping[str, Mapping[str, Any]], name: str, taken_on: Mapping[str, Any]) -> str:
    """The measurements as a page in Markdown."""
    lines = [
        f"# {name}",
        "",
        f"GoogLeNet, {RATE:.0%} pruned where it is pruned; {taken_on['date']}, commit "
        f"{taken_on['commit'][:10]}, torch {taken_on['versions']['torch']}.",
        "",
        "| Key | Median | Range |",
        "|---|---|---|",
    ]
    for key, entry in found.items():
        low, high = (number(edge(entry["samples"]), entry["unit"]) for edge in (min, max))
        lines.append(f"| `{key}` | {number(entry['value'], entry['unit'])} | {low} to {high} |")
    return "\n".join([*lines, ""])


def measure_and_write() -> None:
    """Measure the GPU of this machine, if there is one."""
    if not torch.cuda.is_available():
        print("benchmark-gpu: skipped, because torch sees no GPU.", file=sys.stderr)
        return
    taken_on = about()
    device = devices.choose()
    found = run(Load(device))
    name = torch.cuda.get_device_name(device)
    write(FOLDER / "gpu.json", {"gpu": name, "measured": found, **taken_on})
    (FOLDER / "gpu.md").write_text(page(found, name, taken_on), encoding="utf-8")
    print(page(found, name, taken_on))


if __name__ == "__main__":
    measure_and_write()
