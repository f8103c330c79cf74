"""Rows of the table of statistics, and the names of what they are about."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from prunescope.summarize import gathering, study_tables
from prunescope.summarize.estimators import Estimate

Row = dict[str, Any]

# An interval of a correlation needs more networks or units than these.
FEWEST = 6
MEASURES = ("monosemanticity", "label_purity", "class_selectivity")
SCORES = ("mis_soft", "mis_hard")
UNIT = list(gathering.UNIT)
OWN = ["method", "retraining", "rate", "seed"]


BLANK: Row = dict.fromkeys(study_tables.STATISTICS.columns)


def make_row(quantity: str, comparison: str, found: Estimate, method: str, **about: Any) -> Row:
    known = {key: _finite(value) for key, value in asdict(found).items()}
    return {"quantity": quantity, "comparison": comparison, "method": method, **known, **about}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def about_network(key: Sequence[Any]) -> Row:
    return dict(zip(["pruning", "retraining", "rate", "seed"], key, strict=True))


def name_of(key: Sequence[Any]) -> str:
    """A network in words: its coordinates as in its path."""
    method, retraining, rate, seed = key
    return f"{method}/{retraining}/rate{rate:.2f}/seed{seed}"
