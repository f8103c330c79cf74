"""Tell where the files of a study are, and which files a job reads.

The templates are read by the rules: braces are wildcards of Snakemake.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from prunescope.data import source
from prunescope.interpret import similarities
from prunescope.networks import architecture, coordinates
from prunescope.networks.architecture import ARCHITECTURE_FILE, GRAPH_FILE, GRAPH_TENSORS
from prunescope.networks.coordinates import (
    NAME,
    NETWORK_FOLDER,
    NOT_RETRAINED,
    Coordinates,
    name_kind,
)
from prunescope.prune import pieces, schedule
from prunescope.prune.rates import lower_rates
from prunescope.study.kinds.any_study import AnyStudy
from prunescope.study.study import Study

NETWORK = NETWORK_FOLDER
NETWORK_LOG = f"results/logs/{{study}}/networks/{NAME}"
# The dense and the untrained network of the same study and seed.
_DENSE = f"{name_kind(coordinates.DENSE, NOT_RETRAINED, 0)}/seed{{seed}}"
_UNTRAINED = f"{name_kind(coordinates.UNTRAINED, NOT_RETRAINED, 0)}/seed{{seed}}"
DENSE_NETWORK = f"results/{{study}}/networks/{_DENSE}"
DENSE_LOG = f"results/logs/{{study}}/networks/{_DENSE}"
UNTRAINED_NETWORK = f"results/{{study}}/networks/{_UNTRAINED}"
UNTRAINED_LOG = f"results/logs/{{study}}/networks/{_UNTRAINED}"
DOWNLOADS = "downloads"
DATASETS = "results/datasets"
DATASET = "results/datasets/{dataset}"
ARCHITECTURE, GRAPH, GRAPH_CONSTANTS = ARCHITECTURE_FILE, GRAPH_FILE, GRAPH_TENSORS
TABLES = "results/{study}/tables"
GIVEN = "results/{study}/given"
CHART_FOLDER = "results/{study}/charts"
EXPLORER = "results/{study}/explorer"
PAGES = "results/{study}/pages"
EXPLORER_IN_REPORT = f"{PAGES}/explorer"
SUMMARY = "results/{study}/summary.md"


Wildcards = Any


def metric_name(settings: Mapping[str, Any]) -> str:
    """The name of a metric and its image size as in paths."""
    return f"{settings['metric'].replace(':', '-')}-{settings['image_size']}px"


class PathsOfResults:
    """The paths of what a study of any kind results in."""

    def __init__(self, study: AnyStudy) -> None:
        self._any_study = study

    @property
    def folders_to_verify(self) -> list[str]:
        """The folders that hold the results of the study, and nothing else."""
        datasets = [f"{DATASETS}/{name}" for name in self._any_study.used_datasets]
        return [f"results/{self._any_study.name}", *datasets]

    @property
    def logs_to_verify(self) -> list[str]:
        """The folders with the logs of the jobs that made these results."""
        datasets = [f"results/logs/datasets/{name}" for name in self._any_study.used_datasets]
        return [f"results/logs/{self._any_study.name}", *datasets]

    def every_network(self, name: str, networks: Iterable[Coordinates] | None = None) -> list[str]:
        """The file `name` of networks of the study, in order; of all networks by default.

        Of networks that are equal by construction, it is the same file. A study of given scores
        makes no network, so it has none of these files.
        """
        chosen = self._any_study.networks if networks is None else networks
        return [self._of_network(name, network) for network in chosen]

    def table_if_made(self, name: str) -> list[str]:
        """The path of a table of the study; none where the study has no such table."""
        study = self._any_study
        path = f"{TABLES}/{name}.parquet".format(study=study.name)
        return [path] if name in study.tables else []

    def _of_network(self, name: str, network: Coordinates) -> str:
        made = self._any_study.made_as(network)
        return f"{NETWORK}/{name}".format(study=self._any_study.name, **vars(made))


class Paths(PathsOfResults):
    """The paths of the files of a study that makes networks.

    Methods that take wildcards are input functions of rules.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.study = study

    # --- images ----------------------------------------------------------------------------------

    def split_file(self, split: str, name: str) -> str:
        """A file of a split of the study's dataset."""
        return f"{DATASETS}/{self.study.config['dataset']}/{split}/{name}"

    def train_images(self, wildcards: Wildcards) -> dict[str, str]:
        """What training reads: the packed split, or the list of image files, or its copies."""
        names = {"index": "index.parquet"}
        if not self.study.trains_on_files:
            names |= {"images": "images.npy", "labels": "labels.npy"}
        elif self.study.trains_on_copies:
            names |= {"copies": "copies.bin", "copy_table": "copies.parquet"}
        return {key: self.split_file("train", name) for key, name in names.items()}

    def reports_on_files(self, wildcards: Wildcards) -> list[str]:
        """The reports on damaged files of the validation and the probe split, if there are any."""
        splits = ("validation", "probe") if self.study.trains_on_files else ()
        return [self.split_file(split, "report.parquet") for split in splits]

    def source_of_sample(self, name: str) -> Any:
        """Make an input function: the file `name` of the split from which a sample is drawn."""

        def path(wildcards: Wildcards) -> str:
            # All probe sets are drawn from the train images.
            drawn_from = "test" if wildcards.split == "validation" else "train"
            return f"{DATASET}/{drawn_from}/{name}"

        return path

    def downloaded_files(self, wildcards: Wildcards) -> list[str]:
        """The files of a dataset's archive that a rule of the workflow fetches."""
        return self._downloaded(wildcards.dataset)

    def own_files(self, wildcards: Wildcards) -> list[str]:
        """The files of a dataset's archive that the user put into the folder in the config."""
        archive = self._source(wildcards.dataset)
        folder = self.study.config["datasets"][wildcards.dataset]["folder"]
        return [] if archive.DOWNLOADED else [f"{folder}/{name}" for name in archive.FILES]

    def _downloaded(self, dataset: str) -> list[str]:
        found = self._source(dataset)
        fetched = isinstance(found, source.Archive) and found.DOWNLOADED
        return [f"{DATASETS}/{dataset}/source/{name}" for name in found.FILES] if fetched else []

    def _source(self, dataset: str) -> Any:
        return source.load(self.study.config["datasets"][dataset]["source"])

    def files_to_fetch(self) -> list[str]:
        """All files that the study downloads. Machines without a network need them beforehand."""
        images = self._downloaded(self.study.config["dataset"])
        weights = [f"{DOWNLOADS}/{file}" for file in self.study.downloads]
        return [
            *images,
            *weights,
            *self.metric_weights(),
        ]

    # --- networks --------------------------------------------------------------------------------

    def architecture_file(self) -> str:
        """The description of the study's architecture, for the classes of its dataset."""
        return self._of_architecture(ARCHITECTURE_FILE)

    def graph_file(self) -> str:
        """The exported graph of the study's architecture."""
        return self._of_architecture(GRAPH_FILE)

    def graph_constants(self) -> str:
        """The tensors of that graph which belong to no network."""
        return self._of_architecture(GRAPH_TENSORS)

    def _of_architecture(self, file: str) -> str:
        return architecture.file_of(self.study.config["dataset"], self.study.config["model"], file)

    def checkpoint_file(self, wildcards: Wildcards = None) -> str:
        """The weights of the dense network: downloaded, or a file of the user's own."""
        assert self.study.checkpoint is not None
        return self.study.checkpoint.path

    def imported_file(self, wildcards: Wildcards) -> str:
        """The weights of a network that was pruned elsewhere."""
        return self.study.checkpoints[f"imported.{wildcards.method}"].path

    def network_to_prune(self, wildcards: Wildcards) -> str:
        """The network that a schedule starts from: the dense one, or that of a lower rate."""
        kind = self.study.config["retraining"][wildcards.retraining]
        lower = lower_rates(
            self.study.config, wildcards.method, wildcards.rate, wildcards.retraining
        )
        before = schedule.load(kind["start"]).start(lower)
        if before is None:
            return f"{DENSE_NETWORK}/network.safetensors".format(**wildcards)
        network = Coordinates(wildcards.method, wildcards.retraining, before, wildcards.seed)
        return self._of_network("network.safetensors", network)

    def images_to_measure(self, wildcards: Wildcards) -> dict[str, str]:
        """The train images, for a method whose criterion is measured on images."""
        on_images = self.study.needs(wildcards.method) in pieces.ON_IMAGES
        return self.train_images(wildcards) if on_images else {}

    def groups_to_prune(self, wildcards: Wildcards) -> list[str]:
        """What tells the groups of channels, for a method that prunes them."""
        return [self.architecture_file()] if wildcards.method in self.study.group_methods else []

    def network_to_retrain(self, wildcards: Wildcards) -> str:
        """The pruned network; for a control, the network before it: the dense one, or a chain's."""
        if wildcards.method == coordinates.DENSE:
            return self.network_to_prune(wildcards)
        return f"{NETWORK}/pruned.safetensors".format(**wildcards)

    @property
    def kept_steps(self) -> dict[str, str]:
        """The dense network after those steps of its training that networks are rewound to."""
        steps = self.study.kept_steps
        return {f"step{step}": f"{DENSE_NETWORK}/step{step}.safetensors" for step in steps}

    def rewound_to(self, wildcards: Wildcards) -> list[str]:
        """The network whose weights a kind of retraining starts with, if not the pruned one."""
        step = self.study.rewound_weights.get(wildcards.retraining)
        path = f"{DENSE_NETWORK}/step{step}.safetensors"
        return [] if step is None else [path.format(**wildcards)]

    # --- similarities ----------------------------------------------------------------------------

    def metric_weights(self) -> list[str]:
        """The files with weights that the study's own metric needs."""
        return [str(file.path) for file in self.study.metric.weights]

    def similarity_file(self, settings: Mapping[str, Any] | None = None) -> str:
        """The file from which scores by a metric, by default the study's own, are computed."""
        kind = "embeddings" if self.study.scores_from_embeddings else "similarity"
        name = metric_name(self.study.own_metric if settings is None else settings)
        return self.split_file("probe", f"{kind}_{name}.npy")

    def similarities_elsewhere(self, wildcards: Wildcards) -> list[str]:
        """The similarity files of the study's own metric in the probe sets of variants."""
        name = metric_name(self.study.own_metric)
        return [
            self.split_file(
                split,
                f"similarity_{name}.npy"
                if self.study.kind_elsewhere(split) == similarities.MATRIX
                else f"embeddings_{name}.npy",
            )
            for split in self.study.other_probes
        ]

    def exemplars_elsewhere(self, wildcards: Wildcards) -> list[str]:
        """The exemplars of a network in the probe sets of variants."""
        path = f"{NETWORK}/exemplars_{{split}}.parquet"
        return [path.format(**wildcards, split=split) for split in self.study.other_probes]

    def probe_to_search(self, name: str) -> Any:
        """Make an input function: the file `name` of the probe set of a variant."""

        def path(wildcards: Wildcards) -> str:
            return self.split_file(wildcards.probe, name)

        return path

    def similarities_of_variants(self, wildcards: Wildcards) -> list[str]:
        """The similarity files of the study's own metric, then those of the variants' metrics."""
        return [self.similarity_file(settings) for settings in self.study.metrics]

    def activations_of_variants(self, wildcards: Wildcards) -> list[str]:
        """The recorded activations of a network, one file for each pooling."""
        path = f"{NETWORK}/activations_{{pooling}}.npy"
        poolings = self.study.varied_poolings
        return [path.format(**wildcards, pooling=pooling) for pooling in poolings]
