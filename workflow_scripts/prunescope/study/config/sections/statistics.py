"""Intervals and tests. The keys are the fields of `estimates.inputs.EstimationSettings`."""

from prunescope.study.config.section import Section, key
from prunescope.study.config.values import Seed


class Statistics(Section):
    """How differences are told from chance."""

    resamples: int = key("resamples of bootstraps and permutation tests", ge=10)
    margin: float = key(
        "change of the MIS that is too small to matter: equivalence tests ask whether changes lie "
        "within it. Choose it before you look at the results",
        gt=0,
        lt=0.5,
    )
    seed: Seed = key("seed of both")
