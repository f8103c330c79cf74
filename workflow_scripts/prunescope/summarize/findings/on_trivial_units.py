"""A warning where trivial units score as no reader would expect."""

from collections.abc import Iterator

from prunescope.interpret import trivial_units
from prunescope.networks.coordinates import DENSE
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.findings.wording import capitalised, score


def warning(facts: Facts) -> str:
    """What trivial units tell against the score of this study; empty if they tell nothing."""
    said = [*_above_dense(facts), *_more_images_than_a_class(facts)]
    return capitalised("; ".join(said)) if said else ""


def _above_dense(facts: Facts) -> Iterator[str]:
    best = trivial_units.best(facts.trivial)
    dense = facts.unpruned("mis_soft_live", DENSE)
    if best is not None and dense is not None and best["mis_soft"] > dense["estimate"]:
        yield (
            f"the {best['unit']}, which needs no network, scores {score(best['mis_soft'])}, above "
            f"the mean of the dense network's units, {score(dense['estimate'])}: a high score does "
            "not show that a network has learned anything"
        )


def _more_images_than_a_class(facts: Facts) -> Iterator[str]:
    most, detectors = facts.smallest_probe_class, trivial_units.mean_detector(facts.trivial)
    if detectors is None or facts.images_per_side is None:
        return
    if facts.images_per_side > most:
        yield (
            f"the score takes {facts.images_per_side} strongest images of each unit, but a class "
            f"has as few as {most} among the probe images, so that those of a unit which detects "
            f"one class are partly of others: ideal detectors of classes score {score(detectors)} "
            "on average"
        )
