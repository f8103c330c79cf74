"""Say why a file cannot be asked for, if it is of a network that the study does not have.

The rules constrain each wildcard by itself, but not every method has every retraining and every
rate. Else a network that was not pruned could be made and filed under a rate.
"""

import re

from prunescope.study.study import Study

NETWORK = re.compile(
    r"results/(?P<study>[^/]+)/networks/"
    r"(?P<method>[^/]+)/(?P<retraining>[^/]+)/rate(?P<rate>[^/]+)/seed(?P<seed>[^/]+)/"
)
KEYS = "`pruning`, `imported`, `model.retraining`, `model.untrained` and `seeds`"


class Requests:
    """What may be asked for: files of the networks of a study, and all that is of no network."""

    def __init__(self, study: Study) -> None:
        self.study = study.name
        self.networks = [{**vars(network), "seed": str(network.seed)} for network in study.networks]
        made = {network: study.made_as(network) for network in study.networks}
        folder = f"results/{study.name}/networks/{{}}/"
        self.folders = {folder.format(network.name) for network in made.values()}
        self.other_names = {
            folder.format(network.name): folder.format(other.name)
            for network, other in made.items()
            if network != other
        }

    def refusal(self, path: str) -> str | None:
        """Why a file cannot be asked for; None if it can."""
        found = NETWORK.match(path)
        if found is None or found.group() in self.folders:
            return None
        if found.group() in self.other_names:
            return (
                f"{path}: this network is made as the first one of its chain, which is the same "
                f"as the one in {self.other_names[found.group()]}. Ask for that one."
            )
        asked = found.groupdict()
        if asked.pop("study") != self.study:
            return (
                f"{path}: the config is that of the study `{self.study}`. Name the config of the "
                "other study behind `--configfile`."
            )
        return f"{path}: {self._difference(asked)}. The networks follow from {KEYS} of the config."

    def _difference(self, asked: dict[str, str]) -> str:
        """The first part of a path that no network of the study has there."""
        fitting, beginning = self.networks, ""
        for name, value in asked.items():
            there = [network for network in fitting if network[name] == value]
            if not there:
                break
            fitting, beginning = there, f"{beginning}{value}/"
        allowed = dict.fromkeys(str(network[name]) for network in fitting)
        under = f" below `{beginning}`" if beginning else ""
        return (
            f"the study `{self.study}` has no network of the {name} `{value}`{under}, only of "
            f"{', '.join(allowed)}"
        )
