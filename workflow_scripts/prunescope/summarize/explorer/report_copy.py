"""Tell what the copy of the explorer holds that goes into a report: less, so that it can be sent.

All runs of a study with the images of all tasks would be most of a report, and too large for a
letter. The copy holds one run, and the images of tasks of the two networks that the page opens at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.networks.coordinates import Coordinates
from prunescope.summarize.explorer.network_data import TASKS


@dataclass(frozen=True)
class ReportCopy:
    """What the copy holds.

    Attributes
    ----------
    networks
        The networks whose data it holds.
    with_tasks
        Those of them whose images of tasks it holds, too.
    """

    networks: frozenset[Coordinates]
    with_tasks: frozenset[Coordinates]

    @classmethod
    def plan(
        cls, networks: Sequence[Coordinates], opened: Mapping[str, Any] | None
    ) -> "ReportCopy":
        """Choose the run that the page opens at.

        Parameters
        ----------
        networks
            The networks of the study, in order.
        opened
            What `opening.find` gives. Without it, the run of the first dense network is chosen.
        """
        first = next(network for network in networks if network.is_dense)
        shown = next((n for n in networks if opened and n.name == opened["network"]), first)
        return cls(
            frozenset(network for network in networks if network.seed == shown.seed),
            frozenset({shown, shown.dense}),
        )

    def holds(self, network: Coordinates, part: str) -> bool:
        """Whether it holds a part of a network's data, as `network_data.data_files` names it."""
        return network in (self.with_tasks if part == TASKS else self.networks)

    def facts(self, overview: Sequence[Mapping[str, Any]], whole: str) -> dict[str, Any]:
        """What the page is told instead of the facts of the whole explorer.

        Parameters
        ----------
        overview
            What `page.overview` gives for all networks of the study.
        whole
            The path of the page of the whole explorer, for the reader to look for.

        Returns
        -------
        dict
            `networks`, as `overview`, of those that the copy holds; `copy`, which tells what it is
            a copy of: `whole`, `networks` (how many there are) and `tasks` (the names of the
            networks with images of tasks).
        """
        held = {network.name for network in self.networks}
        return {
            "networks": [row for row in overview if row["name"] in held],
            "copy": {
                "whole": whole,
                "networks": len(overview),
                "tasks": sorted(network.name for network in self.with_tasks),
            },
        }
