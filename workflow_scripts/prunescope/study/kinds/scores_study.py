"""A study whose scores were made elsewhere: it makes no network and reads no image."""

from dataclasses import dataclass

from prunescope.networks.coordinates import Coordinates
from prunescope.study.kinds.any_study import AnyStudy, Settings

# The key of the config whose presence makes a study one of this kind.
UNIT_SCORES = "unit_scores"
# The source of scores that reads tables of the user.
TABLE = "table"
# What the published scores are of.
PUBLISHED_FACTS = {"dataset": "ImageNet", "metric": "DreamSim"}


@dataclass(frozen=True)
class ScoresStudy(AnyStudy):
    """A study of given scores."""

    @property
    def networks(self) -> list[Coordinates]:
        return []

    @property
    def varied_networks(self) -> list[Coordinates]:
        return []

    @property
    def ablated_networks(self) -> list[Coordinates]:
        return []

    @property
    def compacted_networks(self) -> list[Coordinates]:
        return []

    @property
    def used_datasets(self) -> list[str]:
        return []

    @property
    def unit_scores(self) -> Settings:
        """The section of the config that says where scores come from."""
        section: Settings = self.config[UNIT_SCORES]
        return section

    @property
    def reads_tables(self) -> bool:
        """Whether the scores come from tables of the user."""
        return bool(self.unit_scores["source"] == TABLE)

    @property
    def units_files(self) -> list[str]:
        """The table of units of the user, if there is one."""
        return self._files("units")

    @property
    def networks_files(self) -> list[str]:
        """The table of networks of the user, if there is one."""
        return self._files("networks")

    def _files(self, key: str) -> list[str]:
        path = self.unit_scores.get(key)
        return [path] if path else []

    @property
    def published(self) -> list[str]:
        # The names of these networks are not those of the table: its accuracies are read elsewhere.
        return super().published if self.reads_tables else []

    @property
    def tables(self) -> list[str]:
        own = [] if self.reads_tables else ["published_analysis"]
        return [*super().tables, *own]

    @property
    def facts(self) -> Settings:
        told = {key: self.unit_scores.get(key) for key in PUBLISHED_FACTS}
        return {
            **(told if self.reads_tables else PUBLISHED_FACTS),
            "images_per_side": None,
            "random_methods": [],
            "granularities": {},
            "pruned_elsewhere": [],
            "given": True,
        }
