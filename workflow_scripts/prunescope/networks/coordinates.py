"""The coordinates of a network in a study: method, retraining, rate and seed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

NETWORK_FOLDER = "results/{study}/networks/{method}/{retraining}/rate{rate}/seed{seed}"


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of a network, which name its folder.

    Attributes
    ----------
    method
        `dense`, `untrained`, or a key of `pruning.methods` in the config.
    retraining
        `none`, or a key of `retraining` in the config.
    rate
        The pruning rate as in paths, such as `0.50`.
    seed
        The seed of the run.
    """

    method: str
    retraining: str
    rate: str
    seed: int

    @property
    def is_dense(self) -> bool:
        """Whether this is the dense network itself, not a retrained control."""
        return (self.method, self.retraining) == (DENSE, NOT_RETRAINED)


def coordinates_of(networks: Iterable[Coordinates]) -> list[dict[str, Any]]:
    """Coordinates as dictionaries, for the params of a rule that reads a file of each network."""
    return [vars(network) for network in networks]


def format_rate(rate: float) -> str:
    """A rate as it is written in paths: with two decimals."""
    return f"{rate:.2f}"


COLUMNS = ("study", "method", "retraining", "rate", "seed")


ITERATIVE = "iterative"

KIND = ("method", "retraining", "rate")


DENSE = "dense"
UNTRAINED = "untrained"
NOT_RETRAINED = "none"
ONE_SHOT = "one_shot"
RECALIBRATED = "recalibrated"
RETRAINING_NAMES = {
    NOT_RETRAINED: "not retrained",
    ONE_SHOT: "one-shot",
    "one_shot_adam": "one-shot, Adam",
    "one_shot_60": "one-shot, 60 epochs",
}


def human(name: str) -> str:
    """A key of the config with spaces instead of underscores."""
    return name.replace("_", " ")
