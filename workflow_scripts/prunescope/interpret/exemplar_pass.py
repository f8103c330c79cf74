"""The exemplar pass: find the exemplars of every unit in one pass over the probe images."""

import polars as pl
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret import exemplars, unit_tables
from prunescope.interpret.activations import Recorder, passes
from prunescope.networks.description import Description, Layer


def find_exemplars(
    module: nn.Module,
    images: PackedImages,
    description: Description,
    settings: exemplars.ExemplarSettings,
    recorder: Recorder | None = None,
) -> pl.DataFrame:
    """Find the strongest and the weakest images of every unit of the measured layers.

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
        A table `unit_tables.EXEMPLARS`: layers in forward order, channels rising.

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
    layers = description.measured_layers
    running = exemplars.RunningExtremes(len(images), settings)
    precision = getattr(torch, settings.precision)
    for exact in passes(module, images, description):
        activations = exact.to(precision).float()
        if recorder is not None:
            recorder.update(activations)
        running.update(activations.numpy())
    strongest, weakest = running.extremes()
    units = _units(layers)
    constant = exemplars.is_constant(strongest, weakest, units["layer"].to_numpy())
    found = pl.DataFrame(exemplars.columns(strongest, weakest, constant))
    return unit_tables.EXEMPLARS.conform(pl.concat([units, found], how="horizontal"))


def _units(layers: tuple[Layer, ...]) -> pl.DataFrame:
    """A row for each unit: `layer`, `layer_type` and `unit` (the channel)."""
    rows = pl.DataFrame(
        {
            "layer": [layer.name for layer in layers],
            "layer_type": [layer.kind for layer in layers],
            "units": [layer.units for layer in layers],
        }
    )
    return rows.select("layer", "layer_type", unit=pl.int_ranges("units")).explode("unit")
