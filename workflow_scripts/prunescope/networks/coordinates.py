"""The coordinates of a network in a study: method, retraining, rate and seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DENSE = "dense"
UNTRAINED = "untrained"
# Networks that are not pruned; no method has such a name.
NOT_PRUNED = (DENSE, UNTRAINED)
NOT_RETRAINED = "none"
ONE_SHOT = "one_shot"
ITERATIVE = "iterative"
RECALIBRATED = "recalibrated"

# The columns of tables that name a network within its study, those that name it among studies,
# and those that name networks which differ in their seed only.
COORDINATES = ("method", "retraining", "rate", "seed")
COLUMNS = ("study", *COORDINATES)
KIND = ("method", "retraining", "rate")

NAME = "{method}/{retraining}/rate{rate}/seed{seed}"
NETWORK_FOLDER = f"results/{{study}}/networks/{NAME}"


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of a network, which name its folder.

    The rate is text, as in paths, so that coordinates are equal if they name the same folder. In
    tables it is a number. `from_row` and `as_row` convert between the two, without loss: a rate
    has at most two decimals.

    Attributes
    ----------
    method
        `dense`, `untrained`, or a key of `pruning.methods` or of `imported` in the config.
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

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Coordinates":
        """The coordinates in a row of a table; its other columns are ignored."""
        return cls(row["method"], row["retraining"], format_rate(row["rate"]), row["seed"])

    def as_row(self) -> dict[str, Any]:
        """The coordinates as values of the columns `COORDINATES`."""
        return {**vars(self), "rate": float(self.rate)}

    @property
    def name(self) -> str:
        """The folder of the network below `networks/`."""
        return NAME.format(**vars(self))

    @property
    def is_dense(self) -> bool:
        """Whether this is the dense network itself, not a retrained control."""
        return (self.method, self.retraining) == (DENSE, NOT_RETRAINED)

    @property
    def dense(self) -> "Coordinates":
        """The dense network of the same seed."""
        return Coordinates(DENSE, NOT_RETRAINED, format_rate(0), self.seed)

    @property
    def control(self) -> "Coordinates":
        """The dense network of the same seed, retrained once as this network was."""
        return Coordinates(DENSE, self.retraining, format_rate(0), self.seed)

    @property
    def chain_control(self) -> "Coordinates":
        """The dense network of the same seed, retrained as often as a chain up to this rate.

        Nothing is pruned from it. It stands at the rate of the networks that it is the control of.
        """
        return Coordinates(DENSE, self.retraining, self.rate, self.seed)


def coordinates_of(networks: Iterable[Coordinates]) -> list[dict[str, Any]]:
    """Coordinates as dictionaries, for the params of a rule that reads a file of each network."""
    return [vars(network) for network in networks]


def from_params(networks: Iterable[Mapping[str, Any]]) -> list[Coordinates]:
    """The coordinates that `coordinates_of` made into dictionaries."""
    return [Coordinates(**values) for values in networks]


def format_rate(rate: float) -> str:
    """A rate as it is written in paths: with two decimals."""
    return f"{rate:.2f}"


def name_kind(method: str, retraining: str, rate: float) -> str:
    """The name of networks that differ in their seed only: the folder of their seeds."""
    return f"{method}/{retraining}/rate{format_rate(rate)}"
