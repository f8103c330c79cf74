"""Compute the params of jobs that are not plain keys of the config: the param functions of rules.

A changed param makes a job stale, so these functions return exactly what the job uses.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prunescope.data import source
from prunescope.interpret.metrics import catalogue
from prunescope.networks.coordinates import DENSE
from prunescope.networks.imported.known_weights import WEIGHTS
from prunescope.prune import schedule
from prunescope.prune.measuring.sample import SampleSettings
from prunescope.prune.pieces import CRITERIA, ON_IMAGES
from prunescope.prune.rates import effective_rate, lower_rates, rates_of
from prunescope.prune.steps import ITERATIONS
from prunescope.study import listed_files
from prunescope.study.paths import DATASETS, metric_name
from prunescope.study.study import Study
from prunescope.summarize.charts.all_charts import GROUPS
from prunescope.summarize.words import human

Wildcards = Any


class JobParams:
    """The param functions that depend on the config of a study: methods that take wildcards."""

    def __init__(self, study: Study) -> None:
        self.study = study

    # --- plug-ins that a job's script loads by name, as `code_digest` takes them -----------------

    def criterion(self, wildcards: Wildcards) -> str:
        """The module of the method's criterion."""
        method = self.study.config["pruning"]["methods"][wildcards.method]
        return f"{CRITERIA}.{method['criterion']}"

    def sample(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """How a split is drawn: the number of images and the seed."""
        elsewhere = self.study.other_probes.get(wildcards.split)
        if elsewhere is not None:
            return elsewhere[1]
        drawn: Mapping[str, Any] = self.study.config["datasets"][wildcards.dataset][wildcards.split]
        return drawn

    def key_of_sample(self, wildcards: Wildcards) -> str:
        """The key of the config that gives the number of images of a split, for messages."""
        elsewhere = self.study.other_probes.get(wildcards.split)
        if elsewhere is not None:
            return f"sensitivity.variants.{elsewhere[0]}.probe.images"
        return f"datasets.{wildcards.dataset}.{wildcards.split}.images"

    def image_size(self, wildcards: Wildcards) -> int:
        """The side of a dataset's images in pixels."""
        size: int = self.study.config["datasets"][wildcards.dataset]["image_size"]
        return size

    def source(self, wildcards: Wildcards) -> str:
        """The module of the dataset's source."""
        return f"{source.SOURCES}.{self.study.config['datasets'][wildcards.dataset]['source']}"

    def checksum(self, wildcards: Wildcards) -> str:
        """The SHA-256 of a file of a dataset's archive."""
        archive = source.load(self.study.config["datasets"][wildcards.dataset]["source"])
        assert isinstance(archive, source.Archive)
        return str(archive.FILES[wildcards.file])

    def source_settings(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """The keys of a dataset that only its source has."""
        return self.study.source_settings(wildcards.dataset)

    def listed_files(self, wildcards: Wildcards) -> Any:
        """Digests of the image files of a dataset, and of the files with their labels."""
        dataset = self.study.config["datasets"][wildcards.dataset]
        images = source.load(dataset["source"])
        assert isinstance(images, source.Folder)
        return listed_files.digests(
            Path(dataset["folder"]),
            images.other_files(self.source_settings(wildcards)),
            Path(f"{DATASETS}/{wildcards.dataset}/train/index.parquet"),
        )

    def family(self, wildcards: Wildcards) -> str:
        """The module of the family that the metric belongs to."""
        family = self.metric(wildcards)["metric"].partition(":")[0]
        return f"{catalogue.FAMILIES}.{family}"

    # --- values ----------------------------------------------------------------------------------

    def rate_to_prune(self, wildcards: Wildcards) -> float:
        """The fraction of the pieces that is gone after pruning at a rate."""
        config = self.study.config
        start = config["retraining"][wildcards.retraining]["start"]
        rate, *rates = (
            effective_rate(config, wildcards.method, other)
            for other in (wildcards.rate, *rates_of(config, wildcards.method))
        )
        return schedule.load(start).fraction(rate, rates)

    def sample_to_measure(self, wildcards: Wildcards) -> Mapping[str, Any] | None:
        """The train images that a criterion is measured on; None if it needs none."""
        if self.study.needs(wildcards.method) not in ON_IMAGES:
            return None
        method = self.study.config["pruning"]["methods"][wildcards.method]
        return {**vars(SampleSettings()), **method.get("sample", {})}

    def iterations(self, wildcards: Wildcards) -> int:
        """In how many steps a criterion that is measured prunes."""
        method = self.study.config["pruning"]["methods"][wildcards.method]
        default = ITERATIONS.get(self.study.needs(wildcards.method), 1)
        return int(method.get("iterations", default))

    def recipe(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """The recipe of a kind of retraining, with `first_step` if steps are left out."""
        kind = self.study.config["retraining"][wildcards.retraining]
        recipe: Mapping[str, Any] = self.study.config["recipes"][kind["recipe"]]
        rewind = kind.get("rewind")
        return recipe if rewind is None else {**recipe, "first_step": rewind["step"]}

    def level(self, wildcards: Wildcards) -> int:
        """How many networks of its chain were retrained before a network; 0 without a chain."""
        config = self.study.config
        lower = lower_rates(config, wildcards.method, wildcards.rate, wildcards.retraining)
        start = schedule.load(config["retraining"][wildcards.retraining]["start"]).start(lower)
        return 0 if start is None else len(lower)

    def mask(self, wildcards: Wildcards) -> str:
        """Whether retraining holds a network's masks."""
        return self.study.mask_of(wildcards.method, wildcards.retraining)

    def unreached(self, wildcards: Wildcards) -> str | None:
        """Whether the history of retraining counts weights that no image reaches.

        None for the dense network: it has no masks, and so no sparsity.
        """
        if wildcards.method == DENSE:
            return None
        return str(self.study.config["pruning"]["unreached"])

    def download(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """The architecture and the section that names a file of weights, and its key."""
        key = self.study.downloads[wildcards.file]
        section, _, name = key.partition(".")
        return {"key": key, **self._weights(self.study.config[section][name])}

    def weights(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """What names the weights of a network, and what decides whether it is stale.

        Of a file of the user's own the content decides, not the date.
        """
        key = "model.checkpoint"
        if wildcards.get("method") is not None:
            key = f"imported.{wildcards.method}"
        section, _, name = key.partition(".")
        weights = self.study.checkpoints[key]
        given = self._weights(self.study.config[section][name])
        if weights.url is not None:
            return given
        return {**given, "sha256": listed_files.digest_of(Path(weights.path))}

    def _weights(self, section: Mapping[str, Any]) -> Mapping[str, Any]:
        named = {name: section[name] for name in WEIGHTS if name in section}
        return {"architecture": self.study.config["model"]["architecture"], "checkpoint": named}

    def metric(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """The settings of the metric in the path."""
        by_name = {metric_name(settings): settings for settings in self.study.metrics}
        return by_name[wildcards.metric]

    def distance(self, wildcards: Wildcards) -> bool:
        """Whether the metric in the path is a distance, not a similarity."""
        return catalogue.find(self.metric(wildcards)["metric"]).distance


def chart_category(wildcards: Wildcards) -> str:
    """The category of the report that a chart belongs to."""
    return next(name for name, names in GROUPS.items() if wildcards.chart in names)


def chart_labels(format: str) -> Callable[[Wildcards], dict[str, str]]:
    """Make a labels function: the name of a chart in words, and the format."""

    def labels(wildcards: Wildcards) -> dict[str, str]:
        return {"chart": human(wildcards.chart), "format": format}

    return labels
