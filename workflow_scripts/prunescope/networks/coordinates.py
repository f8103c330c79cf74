"""What a network of a study is called: method, retraining, rate and seed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

NETWORK_FOLDER = "results/{study}/networks/{method}/{retraining}/rate{rate}/seed{seed}"


@dataclass(frozen=True)
class Coordinates:
    """A network of the study: one folder."""

    method: str
    retraining: str
    rate: str
    seed: int

    @property
    def is_dense(self) -> bool:
        """Whether this is the dense network itself, not a control."""
        return (self.method, self.retraining) == (DENSE, NOT_RETRAINED)


def coordinates_of(networks: Iterable[Coordinates]) -> list[dict[str, Any]]:
    """Coordinates as plain values, for a script that reads one file of each network."""
    return [vars(network) for network in networks]


def format_rate(rate: float) -> str:
    """A rate as it stands in paths: two decimals."""
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
    """A key of the config in words."""
    return name.replace("_", " ")
