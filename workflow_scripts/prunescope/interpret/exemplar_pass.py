"""The exemplar pass: every unit of a network over every probe image."""

import polars as pl
from torch import nn

from prunescope.data.packed_images import PackedImages
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
    """Find the strongest and weakest images of every unit of the measured layers.

    Parameters
    ----------
    module
        The network, in evaluation mode, on any device.
    images
        The probe split.
    description
        The network's layers and preprocessing.
    settings
        What to keep of each unit.
    recorder
        Keeps those activations that it is there for.

    Returns
    -------
    polars.DataFrame
        `tables.EXEMPLARS`, one row a unit: layers in forward order, channels rising.
    """
    layers = description.measured_layers
    running = exemplars.RunningExtremes(len(images), settings)
    for activations in passes(module, images, description):
        if recorder is not None:
            recorder.update(activations)
        running.update(activations.numpy())
    strongest, weakest = running.extremes()
    found = pl.DataFrame(
        {
            "constant": exemplars.is_constant(strongest, weakest),
            "tied_fraction": exemplars.tied_fraction(strongest, weakest),
            "strongest": strongest.indices,
            "strongest_activation": strongest.activations,
            "weakest": weakest.indices,
            "weakest_activation": weakest.activations,
        }
    )
    return unit_tables.EXEMPLARS.conform(pl.concat([_units(layers), found], how="horizontal"))


def _units(layers: tuple[Layer, ...]) -> pl.DataFrame:
    """Every unit, one row each: `layer`, `layer_type` and its number in the layer, `unit`."""
    rows = pl.DataFrame(
        {
            "layer": [layer.name for layer in layers],
            "layer_type": [layer.kind for layer in layers],
            "units": [layer.units for layer in layers],
        }
    )
    return rows.select("layer", "layer_type", unit=pl.int_ranges("units")).explode("unit")
