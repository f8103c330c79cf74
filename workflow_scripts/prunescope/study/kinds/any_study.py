"""What a study is, whether it makes networks or is given their scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.networks.coordinates import Coordinates

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class AnyStudy(ABC):
    """A study.

    Attributes
    ----------
    config
        Its checked config.
    """

    config: Settings

    @property
    def name(self) -> str:
        """The name of the study, and of its folder in `results/`."""
        return str(self.config["study"])

    # --- networks whose files the workflow makes -------------------------------------------------

    @property
    @abstractmethod
    def networks(self) -> list[Coordinates]:
        """All networks that are made."""

    @property
    @abstractmethod
    def varied_networks(self) -> list[Coordinates]:
        """The networks that are scored in every variant."""

    @property
    @abstractmethod
    def ablated_networks(self) -> list[Coordinates]:
        """The networks whose units are silenced one at a time."""

    @property
    @abstractmethod
    def compacted_networks(self) -> list[Coordinates]:
        """The networks that are made compact and timed."""

    def made_as(self, network: Coordinates) -> Coordinates:
        """The network whose files a network has: its own, unless a study says otherwise."""
        return network

    # --- what the study is summarised in ---------------------------------------------------------

    @property
    @abstractmethod
    def used_datasets(self) -> list[str]:
        """The datasets whose images are read, by their keys in the config."""

    @property
    def has_networks(self) -> bool:
        """Whether networks are made here, from images."""
        return bool(self.networks)

    @property
    def has_explorer(self) -> bool:
        """Whether there is a page that shows the images of every unit."""
        return bool(self.used_datasets)

    @property
    def published(self) -> list[str]:
        """The table of published numbers to compare with, if there is one."""
        path = self.config.get("published")
        return [path] if path else []

    @property
    def tables(self) -> list[str]:
        """The names of the study's tables, in `results/<study>/tables/`."""
        return [
            *("images", "networks", "units", "layers", "classes", "disagreements"),
            *("history", "statistics", "trivial_units", "equal_accuracy", "unmatched"),
            *(["published"] if self.published else []),
            *(["sizes", "costs"] if self.compacted_networks else []),
        ]

    @property
    def estimation(self) -> Settings:
        """How estimates are made: fields of `estimates.inputs.EstimationSettings`."""
        settings = self.config["statistics"].items()
        return {key: value for key, value in settings if key != "accuracy_drops"}

    @property
    @abstractmethod
    def facts(self) -> Settings:
        """What the sentences on a study need to know of its config."""
