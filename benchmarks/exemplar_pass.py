"""Measure the exemplar pass against the bare forward pass and against sorting; and its memory."""

import numpy as np
import torch

from benchmarks.common import (
    PAIRS,
    Material,
    Measured,
    Target,
    interleave,
    medians,
    python,
    ratios,
    require_equal,
)
from prunescope.foundation import tables
from prunescope.interpret import exemplar_pass, exemplars
from prunescope.interpret.activations import BATCH
from prunescope.networks.modules import to_module
from prunescope.networks.preprocessing import to_input

IMAGES = 1000
# Sorting takes minutes, so only every eighth unit and a part of the images are compared.
EVERY = 8
SORTED_IMAGES = 2500

PASS = """
import sys
import torch
from pathlib import Path
from benchmarks.common import Material, peak_memory
from prunescope.interpret import exemplar_pass
from prunescope.networks import modules
torch.set_num_threads(1)
scratch, study, dataset, size, images = sys.argv[1:]
material = Material(Path(study), Path(dataset), Path(scratch), int(size))
shown = material.first(int(images))
module = modules.to_module(material.dense)
exemplar_pass.find_exemplars(module, shown, material.dense.description, material.settings)
print(peak_memory())
"""


def naive_hooks(module: torch.nn.Module, images: object, description: object) -> np.ndarray:
    """The plain way to all activations: keep every output, and pool it after the pass."""
    modules = dict(module.named_modules())
    kept: dict[str, torch.Tensor] = {}
    handles = [
        modules[layer.name].register_forward_hook(
            lambda _module, _inputs, output, name=layer.name: kept.__setitem__(name, output)
        )
        for layer in description.measured_layers
    ]
    found = []
    for batch in images.batches(BATCH):
        with torch.inference_mode():
            module(to_input(batch.images, description))
            pooled = [
                kept[layer.name].mean(dim=(2, 3)) if kept[layer.name].ndim == 4
                else kept[layer.name]
                for layer in description.measured_layers
            ]  # fmt: skip
        found.append(torch.cat(pooled, dim=1).numpy())
    for handle in handles:
        handle.remove()
    return np.concatenate(found)


def run(material: Material, pairs: int = PAIRS) -> dict[str, Measured]:
    return {
        "exemplar_pass_vs_forward": against_forward(material, 2 * pairs + 1),
        "extremes_vs_argsort": against_argsort(material, pairs),
        "peak_memory_ratio": memory(material),
    }


def against_forward(material: Material, pairs: int) -> Measured:
    description = material.dense.description
    module = to_module(material.dense)
    shown = material.first(min(IMAGES, material.images))
    settings = exemplars.ExemplarSettings(min(200, len(shown) // 2), "random", 0)

    def forward() -> None:
        for batch in shown.batches(BATCH):
            with torch.inference_mode():
                module(to_input(batch.images, description))

    def ours() -> object:
        return exemplar_pass.find_exemplars(module, shown, description, settings)

    def naive() -> object:
        return naive_hooks(module, shown, description)

    found = ours()
    rising = np.sort(naive(), axis=0).T
    difference = max(
        require_equal(side, tables.matrix(found[f"{side}_activation"]), all_of_them, 1e-5)
        for side, all_of_them in (
            ("strongest", rising[:, ::-1][:, : settings.per_side]),
            ("weakest", rising[:, : settings.per_side]),
        )
    )
    bare, whole, plain = interleave(forward, ours, naive, pairs=pairs)
    return Measured(
        "ratio",
        f"find_exemplars over the bare forward pass of GoogLeNet on the same {len(shown)} images, "
        f"batches of {BATCH}, one thread",
        ratios(whole, bare),
        Target(1.15, at_most=True),
        {
            **medians(exemplar_pass=whole, forward=bare, naive_hooks=plain),
            "naive_hooks_vs_forward": float(np.median(ratios(plain, bare))),
            "largest_difference": difference,
        },
    )


class SortedBuffer:
    """The plain way to running extremes: append each batch to a buffer, and sort the buffer again.

    With `keep`, that many values are kept at both ends. Without, the buffer grows.
    """

    def __init__(self, units: int, keep: int | None) -> None:
        self.keep = keep
        self.values = torch.empty(units, 0)
        self.images = torch.empty(units, 0, dtype=torch.int64)
        self.seen = 0

    def update(self, activations: torch.Tensor) -> None:
        new = torch.arange(self.seen, self.seen + len(activations)).expand(len(self.values), -1)
        self.seen += len(activations)
        values = torch.cat([self.values, activations.T], dim=1)
        images = torch.cat([self.images, new], dim=1)
        order = values.argsort(dim=1, descending=True, stable=True)
        if self.keep is not None and order.shape[1] > 2 * self.keep:
            order = torch.cat([order[:, : self.keep], order[:, -self.keep :]], dim=1)
        self.values, self.images = values.gather(1, order), images.gather(1, order)


def against_argsort(material: Material, pairs: int) -> Measured:
    settings = material.settings
    some = material.activations[:SORTED_IMAGES, ::EVERY]
    activations = torch.from_numpy(np.ascontiguousarray(some))
    batches = activations.split(BATCH)
    shown = [part.numpy() for part in batches]

    def ours() -> tuple[exemplars.RankedImages, exemplars.RankedImages]:
        running = exemplars.RunningExtremes(len(activations), settings)
        for part in shown:
            running.update(part)
        return running.extremes()

    def peer(keep: int | None) -> SortedBuffer:
        buffer = SortedBuffer(activations.shape[1], keep)
        for batch in batches:
            buffer.update(batch)
        return buffer

    falling = [peer(keep).values.numpy() for keep in (None, settings.per_side)]
    sides = ours()
    difference = max(
        require_equal(name, side.activations, values[:, ::step][:, : settings.per_side], 0)
        for values in falling
        for name, side, step in zip(("strongest", "weakest"), sides, (1, -1), strict=True)
    )
    fast, slow, bounded = interleave(
        ours, lambda: peer(None), lambda: peer(settings.per_side), pairs=pairs
    )
    return Measured(
        "ratio",
        f"keeping the {settings.per_side} strongest and weakest of {len(activations)} images for "
        f"{activations.shape[1]} units (every {EVERY}th): time of a growing buffer that is sorted "
        f"anew (argsort) for each batch of {BATCH}, over that of RunningExtremes",
        ratios(slow, fast),
        Target(5, at_most=False),
        {
            **medians(ours=fast, growing_buffer=slow, buffer_of_both_ends=bounded),
            "ratio_of_a_buffer_of_both_ends": float(np.median(ratios(bounded, fast))),
            "largest_difference": difference,
        },
    )


def memory(material: Material) -> Measured:
    """Compare the peak resident memory of fresh processes for few and for many images."""
    large = material.images
    small = large // 10

    def peak(images: int) -> float:
        folders = map(str, (material.scratch, material.study, material.dataset))
        return float(python(PASS, *folders, str(large), str(images)))

    peaks = [(peak(small), peak(large)) for _ in range(PAIRS)]
    return Measured(
        "ratio",
        f"peak resident memory of a process that runs find_exemplars on {large} images over that "
        f"on {small}",
        [more / less for less, more in peaks],
        Target(1.05, at_most=True),
        {"small_mib": [less for less, _ in peaks], "large_mib": [more for _, more in peaks]},
    )
