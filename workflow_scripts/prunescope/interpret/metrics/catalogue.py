"""Find a perceptual metric by its name in the config, `<family>:<model>`."""

from collections.abc import Mapping
from typing import Any, Protocol

from prunescope.foundation import plugins
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics.metric import Metric, package_versions

# Each file in this folder is a family of metrics. Its `METRICS` holds the metrics by model.
FAMILIES = "interpret.metrics.families"


class Family(Protocol):
    """What a file in `interpret/metrics/families/` must define.

    Attributes
    ----------
    METRICS
        The metrics of the family by model.
    """

    METRICS: Mapping[str, Metric]


def known() -> list[str]:
    """The names of all metrics, `<family>:<model>`."""
    return [
        f"{family}:{model}"
        for family in plugins.names(FAMILIES)
        for model in plugins.load(FAMILIES, family, Family).METRICS
    ]


def find(name: str) -> Metric:
    """The metric `name`.

    Raises
    ------
    InputError
        There is no such metric.
    """
    family, _, model = name.partition(":")
    metrics: Mapping[str, Metric] = {}
    if family in plugins.names(FAMILIES):
        metrics = plugins.load(FAMILIES, family, Family).METRICS
    if model not in metrics:
        raise InputError(
            f"interpretability.similarity.metric: {name!r} is not known; "
            f"known: {', '.join(known())}."
        )
    return metrics[model]


def missing(settings: Mapping[str, Any], *, packages: bool) -> list[str]:
    """The reasons why the metric of `interpretability.similarity` cannot be used yet.

    Parameters
    ----------
    settings
        The section of the config.
    packages
        Whether to check that the metric's packages are installed.

    Returns
    -------
    list of str
        Messages that say what to do; empty if nothing is missing.
    """
    if packages:
        try:
            package_versions(settings["metric"], find(settings["metric"]))
        except InputError as error:
            return [str(error)]
    return []
