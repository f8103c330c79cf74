"""Networks that are rebuilt without what was pruned, and timed."""

from prunescope.study.config.section import Section, key
from prunescope.study.config.values import Rates, Seeds


class Compact(Section):
    """Which networks are made compact, and how long they are timed."""

    rates: Rates = key(
        "retrained networks at these rates are rebuilt without what was pruned, and timed; an "
        "empty list leaves out the tables and charts of costs",
        values="a rising list of rates of the study; may be empty",
    )
    seeds: Seeds = key(
        "runs whose networks are made compact",
        default=None,
        values="a list of different `seeds` of the study, or null",
        left_out="all, if left out",
    )
    round_to: int = key(
        "layers of compact networks keep a multiple of this number of outputs and of inputs, "
        "because some kernels want 4 or 8: of channels that could go, so many stay",
        default=1,
        ge=1,
        le=64,
    )
    rounds: int = key(
        "rounds in which dense, masked and compact networks are timed in turns", ge=15, le=1000
    )
