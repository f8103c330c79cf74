"""What the jobs of the default study took on another machine, for studies that are like it.

`resources/make_job_costs.py` writes the table, `resources/README.md` describes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.study.remaining_work import TRAININGS, Cost

PATH = Path(__file__).resolve().parents[4] / "resources" / "job_costs.json"


@dataclass(frozen=True)
class CostsElsewhere:
    """Costs of jobs, by rule.

    Attributes
    ----------
    machine
        The machine, and the day, in words.
    facts, recipes
        From `facts` and `recipes`, of the study that was run.
    rules
        The mean cost of a job of each rule.
    """

    machine: str
    facts: Mapping[str, Any]
    recipes: Mapping[str, Any]
    rules: Mapping[str, Cost]

    def of(self, config: Mapping[str, Any]) -> dict[str, list[Cost]]:
        """The costs that hold for a study; none if its network or its images are others.

        Trainings count only if all recipes are as long as they were there.
        """
        if facts(config) != self.facts:
            return {}
        same = recipes(config) == self.recipes
        return {rule: [cost] for rule, cost in self.rules.items() if same or rule not in TRAININGS}


def read(path: Path = PATH) -> CostsElsewhere:
    """Read the table that comes along."""
    held = json.loads(path.read_text(encoding="utf-8"))
    rules = {
        rule: Cost(cost["seconds"] / 3600, cost["cpu_seconds"] / 3600)
        for rule, cost in held["rules"].items()
    }
    return CostsElsewhere(held["machine"], held["facts"], held["recipes"], rules)


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the time of most jobs depends on: the network, and the number and size of the images."""
    if "model" not in config:
        return {}
    dataset = config["datasets"][config["dataset"]]
    return {
        "architecture": config["model"]["architecture"],
        "options": config["model"]["options"],
        "source": dataset["source"],
        "image_size": dataset["image_size"],
        "validation": dataset["validation"]["images"],
        "probe": dataset["probe"]["images"],
    }


def recipes(config: Mapping[str, Any]) -> dict[str, Any]:
    """How long the trainings are: epochs, steps and images of each recipe."""
    lengths = ("epochs", "steps", "images_per_epoch", "batch")
    return {
        name: {key: recipe.get(key) for key in lengths}
        for name, recipe in config.get("recipes", {}).items()
    }
