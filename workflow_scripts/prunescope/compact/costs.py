"""Measure the run time and memory of each form of a network, in each runtime."""

from collections.abc import Iterator, Mapping
from typing import Any

from prunescope.compact import compared_forms, timing
from prunescope.compact.compared_forms import Load
from prunescope.data.packed_images import PackedImages
from prunescope.networks.description import Description

# Sizes of batches, in images.
BATCHES = (1, 32)


def measure_costs(
    loaders: Mapping[str, Mapping[str, Load]],
    small: Mapping[str, Load],
    images: PackedImages,
    description: Description,
    rounds: int,
) -> Iterator[dict[str, Any]]:
    """Run every form of a network with batches of each size.

    Call this before the process has threads: memory is measured in forks of it.

    Parameters
    ----------
    loaders
        How to load each form, by runtime and then by form: `compared_forms.loaders`.
    small
        How to load a small network in each runtime: `compared_forms.small_loaders`.
    images
        The images of a split, of which batches are parts.
    description
        How the network wants them normalised.
    rounds
        Number of timed rounds.

    Yields
    ------
    dict
        The columns of `cost_tables.COSTS` except `threads` and `kept_masked`.
    """
    peaks = _measure_memory(loaders, small, images, description)
    runs = {
        (runtime, variant): load()
        for runtime, kinds in loaders.items()
        for variant, load in kinds.items()
    }
    for runtime, kinds in loaders.items():
        for batch in BATCHES:
            given = compared_forms.batch_of(images, batch, description)
            turns = {
                variant: lambda run=runs[runtime, variant], given=given: run(given)
                for variant in kinds
            }
            measured = timing.compare(timing.take_turns(turns, rounds), "dense")
            for variant, times in measured.items():
                peak = peaks[runtime, variant, batch]
                yield {
                    "variant": variant,
                    "runtime": runtime,
                    "batch": batch,
                    "rounds": rounds,
                    **times,
                    "peak_memory": peak,
                    "relative_memory": peak / peaks[runtime, "dense", batch],
                }


def _measure_memory(
    loaders: Mapping[str, Mapping[str, Load]],
    small: Mapping[str, Load],
    images: PackedImages,
    description: Description,
) -> dict[tuple[str, str, int], int]:
    """The peak memory in bytes by runtime, form and size of batches."""

    def use(load: Load, batch: int) -> timing.Run:
        return lambda: load()(compared_forms.batch_of(images, batch, description))

    return {
        (runtime, variant, batch): timing.peak_memory(
            use(loaders[runtime][variant], batch), warm_up=use(small[runtime], 1)
        )
        for runtime, variant, batch in compared_forms.measurements(loaders, BATCHES)
    }
