"""The exemplar pass: find the exemplars of every unit in one pass over the probe images."""

import polars as pl
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret import exemplars, unit_tables
from prunescope.interpret.activations import Recorder, passes
from prunescope.networks.description import Description, Output


def find_exemplars(
    module: nn.Module,
    images: PackedImages,
    description: Description,
    settings: exemplars.ExemplarSettings,
    recorder: Recorder | None = None,
) -> pl.DataFrame:
    """Find the strongest and the weakest images of every unit of the measured layers.

    A layer that runs several times has units in each run.

    Parameters
    ----------
    module
        The network, in evaluation mode, on any device.
    images
        The probe split.
    description
        The network's layers and preprocessing.
    settings
        How many exemplars to keep, and how ties are broken.
    recorder
        Also receives all activations, if given.

    Returns
    -------
    polars.DataFrame
        A table `unit_tables.EXEMPLARS`: layers in forward order, runs and channels rising.

    Raises
    ------
    InputError
        There are so few probe images that one could be among the strongest and among the weakest,
        or an activation is not finite, or too large for the precision.
    """
    if 2 * settings.per_side > len(images):
        raise InputError(
            f"interpretability.exemplars.per_side: {settings.per_side} strongest and as many "
            f"weakest images cannot be told apart among {len(images)} probe images. Lower it, or "
            "raise `datasets.<name>.probe.images`."
        )
    running = exemplars.RunningExtremes(len(images), settings)
    precision = getattr(torch, settings.precision)
    for exact in passes(module, images, description, tokens=settings.tokens):
        activations = exact.to(precision).float()
        if recorder is not None:
            recorder.update(activations)
        running.update(activations.numpy())
    strongest, weakest = running.extremes()
    units = _units(description)
    constant = exemplars.is_constant(strongest, weakest, units["layer"].to_numpy())
    found = pl.DataFrame(exemplars.columns(strongest, weakest, constant))
    return unit_tables.EXEMPLARS.conform(pl.concat([units, found], how="horizontal"))


def _units(description: Description) -> pl.DataFrame:
    """A row for each unit: `layer`, `layer_type`, `block` and `unit` (the channel)."""
    outputs = description.outputs
    rows = pl.DataFrame(
        {
            "layer": [output.name for output in outputs],
            "layer_type": [_layer_type(output, description) for output in outputs],
            "block": [
                output.layer.block or output.layer.name.partition(".")[0] for output in outputs
            ],
            "units": [output.layer.units for output in outputs],
        }
    )
    return rows.select("layer", "layer_type", "block", unit=pl.int_ranges("units")).explode("unit")


def _layer_type(output: Output, description: Description) -> str:
    if output.layer in description.classifiers:
        return unit_tables.LOGITS
    return unit_tables.HIDDEN if output.layer.kind == "linear" else output.layer.kind


def _block(output: Output) -> str:
    """The layer's block; of a layer without one, the first part of its name."""
    return output.layer.block or output.layer.name.partition(".")[0]
