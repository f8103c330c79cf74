"""How large the networks of a study are, as far as it is known before any of them is made.

The description of the architecture tells, where it is there. Before, a table tells of torchvision's
networks; of others nothing is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, architecture_files
from prunescope.networks.libraries import known_networks

# The training logs of von Rad & Seuffert (arXiv 2409.19727) show 20 to 22 minutes for one epoch of
# ImageNet with GoogLeNet, on one RTX 2080 Ti. Its multiply-accumulates are in 10^9.
MEASURED = "torchvision:googlenet"
MEASURED_MINUTES = 21
MEASURED_GMACS = 1.498


@dataclass(frozen=True)
class NetworkSize:
    """The size of a network.

    Attributes
    ----------
    parameters
        Number of parameters; before the network is described, with ImageNet's classes.
    units
        Number of measured units, likewise.
    epoch_minutes
        Minutes of one training epoch of ImageNet on one RTX 2080 Ti: measured for GoogLeNet, for
        others in proportion to the multiply-accumulates.
    """

    parameters: int
    units: int
    epoch_minutes: float


def of_study(config: Mapping[str, Any]) -> NetworkSize | None:
    """The size of the networks of a study; None if it is not known yet, or if it has none."""
    if "model" not in config:
        return None
    model = config["model"]
    source, _, name = model["architecture"].partition(":")
    known = known_networks.torchvision_networks().get(name) if source == "torchvision" else None
    if found := _described(Path(architecture.file_of(config["dataset"], model))):
        parameters = found.parameters
        measured = (layer for layer in found.layers if not (layer.auxiliary or layer.not_measured))
        units = sum(layer.units * layer.runs for layer in measured)
        gmacs = (found.macs or 0) / 1e9
    elif known is not None:
        heads = known.auxiliary_parameters if model["auxiliary_heads"] else 0
        parameters, units, gmacs = known.parameters + heads, known.units, known.gmacs
    else:
        return None
    if model["architecture"] == MEASURED:
        gmacs = MEASURED_GMACS
    return NetworkSize(parameters, units, MEASURED_MINUTES * gmacs / MEASURED_GMACS)


def _described(path: Path) -> architecture_files.Architecture | None:
    """What is known of the architecture; None if nothing is, or if it must be made again."""
    try:
        return architecture_files.load(path) if path.is_file() else None
    except InputError:
        # Damaged, or of an earlier version: its job makes it anew.
        return None
