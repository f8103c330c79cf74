"""Make the rows of `study_tables.STATISTICS`, without the name of the study."""

from dataclasses import asdict
from typing import Any

import numpy as np

from prunescope.networks.coordinates import Coordinates
from prunescope.summarize import study_tables
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.study_tables import Row

# Correlations, and means over clusters, are only estimated from at least so many networks, units
# or layers.
FEWEST = 6
# The columns of `study_tables.UNITS` that are estimated.
SCORES = ("mis_soft", "mis_hard")
MEASURES = ("monosemanticity", "label_purity", "class_selectivity")

BLANK: Row = dict.fromkeys(study_tables.STATISTICS.columns)


def statistic(
    quantity: str,
    comparison: str,
    found: Estimate,
    method: str,
    network: Coordinates | None = None,
    **columns: Any,
) -> Row:
    """A row of the table of statistics.

    Parameters
    ----------
    quantity
        What is estimated.
    comparison
        Over which networks or units, in words.
    found
        The estimate. NaN becomes null.
    method
        The statistical method, in words.
    network
        The network that the row is about; None if it is about several.
    columns
        Further columns, such as `family` and `layer`. Those that are not given are null.
    """
    numbers = {key: _finite(value) for key, value in asdict(found).items()}
    row = {"quantity": quantity, "comparison": comparison, "method": method, **numbers, **columns}
    if network is not None:
        # `method` is the statistical method here, so the pruning method has another name.
        own = network.as_row()
        row |= {"pruning": own.pop("method"), **own}
    return row


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
