"""A study: the networks that its config asks for, and all facts that follow from the config."""

from dataclasses import dataclass
from functools import cached_property

from prunescope.data import source
from prunescope.interpret import score_variants, similarities
from prunescope.interpret.metrics import catalogue
from prunescope.interpret.metrics.metric import Metric
from prunescope.interpret.mis import ScoreSettings
from prunescope.networks import architecture
from prunescope.networks.coordinates import (
    DENSE,
    NOT_RETRAINED,
    UNTRAINED,
    Coordinates,
    format_rate,
)
from prunescope.networks.imported import known_weights
from prunescope.networks.imported.known_weights import Checkpoint
from prunescope.prune import pieces, schedule
from prunescope.prune.pieces import CHANNEL_GROUP
from prunescope.prune.rates import levels, lower_rates, rates_of, rates_of_chain
from prunescope.study import image_needs
from prunescope.study.kinds.any_study import AnyStudy, Settings

# The granularities whose pieces are whole units.
WHOLE_UNITS = ("filter", CHANNEL_GROUP)


@dataclass(frozen=True)
class Study(AnyStudy):
    """A study that makes networks and scores their units."""

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs."""
        found: list[int] = self.config["seeds"]
        return found

    @property
    def lock(self) -> str:
        """The file beside the config with checksums of downloads whose authors publish none."""
        return f"config/{self.name}.lock"

    # --- networks --------------------------------------------------------------------------------

    @cached_property
    def networks(self) -> list[Coordinates]:
        """The dense network, its retrained controls, the untrained one, and all pruned ones.

        Those that were pruned elsewhere come last.
        """
        seeds = self.config["seeds"]
        dense = [
            Coordinates(DENSE, retraining, rate, seed)
            for retraining in [NOT_RETRAINED, *self.config["model"]["retraining"]]
            for rate in self._rates_of_control(retraining)
            for seed in seeds
        ]
        pruned = [
            Coordinates(name, retraining, rate, seed)
            for name, method in self.config["pruning"]["methods"].items()
            for retraining in method["retraining"]
            for rate in rates_of(self.config, name)
            for seed in seeds
        ]
        imported = [
            Coordinates(name, retraining, rate, seed)
            for name, network in self.pruned_elsewhere.items()
            for retraining in network["retraining"]
            for rate in rates_of(self.config, name)
            for seed in seeds
        ]
        untrained = [
            Coordinates(UNTRAINED, NOT_RETRAINED, format_rate(0), seed)
            for seed in seeds
            if self.config["model"]["untrained"]
        ]
        return dense + untrained + pruned + imported

    def _rates_of_control(self, retraining: str) -> list[str]:
        """Where the dense networks of a kind of retraining stand: for a chain, at every rate."""
        start = self.config["retraining"][retraining]["start"]
        if schedule.load(start).FROM_DENSE:
            return [format_rate(0)]
        return rates_of_chain(self.config, retraining)

    def made_as(self, network: Coordinates) -> Coordinates:
        """The network whose files a network has: its own, or those of an equal one.

        The first level of a chain is pruned and retrained like the network of that rate that starts
        from the dense one. Where a method has both, they are made once, under the name of the
        latter.
        """
        if lower_rates(self.config, network.method, network.rate, network.retraining):
            return network
        kind = self.config["retraining"][network.retraining]
        own = schedule.load(kind["start"])
        rate = float(network.rate)
        rates = [float(one) for one in levels(self.config, network.method, network.retraining)]
        for name in self._retraining_of(network.method):
            other = self.config["retraining"][name]
            equal = {**other, "start": kind["start"]} == kind and (
                self.mask_of(network.method, name)
                == self.mask_of(network.method, network.retraining)
            )
            start = schedule.load(other["start"])
            pruned_alike = network.method == DENSE or (
                start.fraction(rate, rates) == own.fraction(rate, rates)
            )
            if equal and start.FROM_DENSE and pruned_alike:
                at = format_rate(0) if network.method == DENSE else network.rate
                return Coordinates(network.method, name, at, network.seed)
        return network

    def _retraining_of(self, method: str) -> list[str]:
        """The kinds of retraining of a method; those of the controls, for the dense network."""
        if method in (DENSE, UNTRAINED):
            return [NOT_RETRAINED, *self.config["model"]["retraining"]]
        pruned = {**self.config["pruning"]["methods"], **self.pruned_elsewhere}
        kinds: list[str] = pruned[method]["retraining"]
        return kinds

    @property
    def varied_networks(self) -> list[Coordinates]:
        """The networks that are scored in every variant: those at some rates, and the unpruned."""
        return self._part_of("sensitivity", 0)

    @property
    def compacted_networks(self) -> list[Coordinates]:
        """The networks that are made compact and timed.

        Those at some rates that were retrained, and all that were pruned elsewhere.
        """
        made_here = [
            network
            for network in self._part_of("compact")
            if network.method in self.methods and network.retraining != NOT_RETRAINED
        ]
        seeds = self.config["compact"].get("seeds") or self.seeds
        imported = [n for n in self.networks if n.method in self.imported and n.seed in seeds]
        return made_here + imported

    def _part_of(self, section: str, *more_rates: float) -> list[Coordinates]:
        """The networks at the rates and of the seeds that a section names."""
        chosen = self.config[section]
        rates = [format_rate(rate) for rate in (*more_rates, *chosen["rates"])]
        seeds = chosen.get("seeds") or self.config["seeds"]
        return [n for n in self.networks if n.rate in rates and n.seed in seeds]

    @property
    def ablated_networks(self) -> list[Coordinates]:
        """The networks whose units are silenced one at a time: the dense ones."""
        return self.dense_networks

    @property
    def trained_networks(self) -> list[Coordinates]:
        """The networks that are trained or retrained here, and so have a history."""
        return [
            network
            for network in self.networks
            if network.retraining in self.kinds_trained
            or (network.is_dense and self.checkpoint is None)
        ]

    # --- pruning and retraining ------------------------------------------------------------------

    @property
    def architecture(self) -> tuple[str, ...]:
        """What the network is built with, as `code_digest` names it: the source, and own files."""
        chosen = self.config["model"]["architecture"]
        source, name = architecture.load(chosen)
        return (f"{architecture.ARCHITECTURES}.{chosen.partition(':')[0]}", *source.files(name))

    @property
    def architecture_name(self) -> str:
        """The name of the architecture in paths."""
        return architecture.folder_name(self.config["model"])

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The weights of the dense network from elsewhere; None where it is trained here."""
        return known_weights.from_config(self.config["model"])

    @cached_property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """All weights from elsewhere, by the keys of the config that name them."""
        architecture = self.config["model"]["architecture"]
        dense = {"model.checkpoint": self.checkpoint} if self.checkpoint else {}
        return dense | {
            f"imported.{name}": known_weights.named(architecture, section)
            for name, section in self.pruned_elsewhere.items()
        }

    @property
    def downloads(self) -> dict[str, str]:
        """The names of the files of weights that are downloaded, and the keys that name them."""
        found = self.checkpoints.items()
        return {weights.file: key for key, weights in found if weights.url is not None}

    @property
    def methods(self) -> list[str]:
        """The names of the pruning methods."""
        return list(self.config["pruning"]["methods"])

    def needs(self, method: str) -> str:
        """What the criterion of a pruning method needs: `Criterion.NEEDS`."""
        criterion = self.config["pruning"]["methods"][method]["criterion"]
        return pieces.load_criterion(criterion).NEEDS

    @property
    def methods_measured(self) -> list[str]:
        """The pruning methods whose criterion is measured by running the network."""
        return [name for name in self.methods if self.needs(name) in pieces.MEASURED]

    @property
    def methods_by_weights(self) -> list[str]:
        """The pruning methods whose criterion needs no more than the network's tensors."""
        return [name for name in self.methods if name not in self.methods_measured]

    @property
    def group_methods(self) -> dict[str, list[str]]:
        """The methods that prune groups of channels: the kinds of layers that each prunes."""
        methods = self.config["pruning"]["methods"]
        return {
            name: settings["layers"]
            for name, settings in methods.items()
            if settings["granularity"] == CHANNEL_GROUP
        }

    @property
    def dense_networks(self) -> list[Coordinates]:
        """The dense networks, one of each seed, without the retrained controls."""
        return [network for network in self.networks if network.is_dense]

    @property
    def unit_pruned_networks(self) -> list[Coordinates]:
        """The networks of methods that remove whole units."""
        methods = self.config["pruning"]["methods"]
        whole = [name for name in methods if methods[name]["granularity"] in WHOLE_UNITS]
        return [network for network in self.networks if network.method in whole]

    @property
    def competing_methods(self) -> list[str]:
        """The methods whose budget leaves open how much each layer loses."""
        methods = self.config["pruning"]["methods"]
        return [name for name, settings in methods.items() if settings["scope"] == "global"]

    @property
    def tables(self) -> list[str]:
        """The names of the study's tables, in `results/<study>/tables/`."""
        return [
            *super().tables,
            *(["channel_groups"] if self.group_methods else []),
            *(["units_pruned"] if self.unit_pruned_networks else []),
        ]

    @property
    def imported(self) -> list[str]:
        """The names of the networks that were pruned elsewhere."""
        return list(self.pruned_elsewhere)

    @property
    def pruned_elsewhere(self) -> Settings:
        """The sections of the networks that were pruned elsewhere, by their names."""
        sections: Settings = self.config.get("imported", {})
        return sections

    @property
    def kinds_trained(self) -> list[str]:
        """The kinds of retraining that train."""
        return [name for name, kind in self.config["retraining"].items() if kind["recipe"]]

    @property
    def kinds_gradual(self) -> list[str]:
        """The kinds of retraining that prune while they train."""
        kinds = self.config["retraining"].items()
        return [name for name, kind in kinds if kind.get("gradual") is not None]

    @property
    def kinds_regrowing(self) -> list[str]:
        """The kinds of retraining that drop weights and grow others."""
        kinds = self.config["retraining"].items()
        return [name for name, kind in kinds if kind.get("regrow") is not None]

    @property
    def kinds_recalibrated(self) -> list[str]:
        """The kinds of retraining that measure batch-norm statistics anew, and train nothing."""
        kinds = self.config["retraining"].items()
        return [name for name, kind in kinds if kind.get("recalibration") is not None]

    @property
    def recalibrations(self) -> list[str]:
        """The kinds of `kinds_recalibrated` that any network gets."""
        used = {network.retraining for network in self.networks}
        return [name for name in self.kinds_recalibrated if name in used]

    @property
    def kinds_kept(self) -> list[str]:
        """The kinds of retraining that leave a pruned network as it is."""
        changing = [*self.kinds_trained, *self.kinds_recalibrated]
        return [name for name in self.config["retraining"] if name not in changing]

    @property
    def rewound_weights(self) -> dict[str, int]:
        """The kinds of retraining that start with weights of the dense training, and its steps."""
        kinds = self.config["retraining"].items()
        rewound = {name: kind["rewind"] for name, kind in kinds if kind.get("rewind") is not None}
        return {name: to["step"] for name, to in rewound.items() if to["what"] == "weights"}

    @property
    def kept_steps(self) -> list[int]:
        """The steps of the dense training after which its network is kept: those of any network."""
        used = {network.retraining for network in self.networks}
        return sorted({step for name, step in self.rewound_weights.items() if name in used})

    def mask_of(self, method: str, retraining: str) -> str:
        """Whether retraining holds a network's masks: as its method says, else the retraining."""
        own = self.config["pruning"]["methods"].get(method, {}).get("mask")
        return str(own or self.config["retraining"][retraining]["mask"])

    def recipe_of(self, retraining: str | None) -> Settings:
        """The recipe of a kind of retraining; without one, that of the dense network."""
        kind = self.config["retraining"].get(retraining, {})
        recipe: Settings = self.config["recipes"][
            kind.get("recipe") or self.config["model"]["recipe"]
        ]
        return recipe

    # --- images ----------------------------------------------------------------------------------

    @property
    def image_needs(self) -> list[Settings]:
        """How many images of its splits the study needs: fields of `image_counts.Need`."""
        model, kinds = self.config["model"], self.config["retraining"]
        used = {network.retraining for network in self.networks}
        recipes = [kinds[name]["recipe"] for name in self.kinds_trained if name in used]
        if self.checkpoint is None:
            recipes.append(model["recipe"])
        needs = (
            *image_needs.of_scores(self.config["interpretability"]),
            *image_needs.of_training(self.config["recipes"], recipes),
            *image_needs.of_recalibration(kinds, self.recalibrations),
            *image_needs.of_pruning(self.config["pruning"]["methods"]),
            *image_needs.of_variants(self.config["sensitivity"]["variants"]),
        )
        return [vars(need) for need in needs]

    @property
    def used_datasets(self) -> list[str]:
        """The dataset of the study."""
        return [self.config["dataset"]]

    @property
    def dataset(self) -> Settings:
        """The section of the dataset that the study uses."""
        section: Settings = self.config["datasets"][self.config["dataset"]]
        return section

    def source_settings(self, name: str) -> Settings:
        """The keys of a dataset that only its source has."""
        dataset = self.config["datasets"][name]
        own = source.load(dataset["source"]).OPTIONAL
        return {key: dataset[key] for key in own if key in dataset}

    def datasets_from(self, name: str) -> list[str]:
        """The datasets of the config that come from one source."""
        return [key for key, kind in self.config["datasets"].items() if kind["source"] == name]

    @property
    def fetched_datasets(self) -> list[str]:
        """The datasets whose files have addresses from which they are fetched one by one."""
        sources = {
            key: source.load(self.config["datasets"][key]["source"]) for key in self.packed_datasets
        }
        return [
            key
            for key, found in sources.items()
            if isinstance(found, source.Archive) and found.ADDRESSES
        ]

    @property
    def packed_datasets(self) -> list[str]:
        """The datasets whose splits are drawn from packed images."""
        return [
            key
            for key, kind in self.config["datasets"].items()
            if isinstance(source.load(kind["source"]), source.Archive)
        ]

    @property
    def image_datasets(self) -> list[str]:
        """The datasets whose splits are decoded from image files."""
        return [key for key in self.config["datasets"] if key not in self.packed_datasets]

    @property
    def trains_on_files(self) -> bool:
        """Whether image files are decoded while a network trains."""
        return self.config["dataset"] in self.image_datasets

    @property
    def copied_datasets(self) -> list[str]:
        """The datasets whose train images are copied in a smaller size."""
        return [key for key, kind in self.config["datasets"].items() if "train_store" in kind]

    @property
    def trains_on_copies(self) -> bool:
        """Whether training decodes small copies of image files."""
        return self.config["dataset"] in self.copied_datasets

    @property
    def decoding(self) -> Settings | None:
        """How training decodes the dataset's image files; None if its images are packed."""
        if not self.trains_on_files:
            return None
        of_originals = () if self.trains_on_copies else ("folder", "on_error")
        return {key: self.dataset[key] for key in ("image_size", "resize", *of_originals)}

    @property
    def preprocessing(self) -> Settings:
        """How images of the dataset are made into the input of a network."""
        return {key: self.dataset[key] for key in ("image_size", "mean", "std")}

    # --- metrics and scores ----------------------------------------------------------------------

    @cached_property
    def metric(self) -> Metric:
        """The study's own metric."""
        return catalogue.find(self.config["interpretability"]["similarity"]["metric"])

    @property
    def own_metric(self) -> Settings:
        """The settings of the study's own metric, as a job gets them."""
        similarity = self.config["interpretability"]["similarity"]
        return {key: value for key, value in similarity.items() if key != "largest_matrix_mb"}

    @property
    def varied_metrics(self) -> dict[str, Settings]:
        """Settings of the metrics that only variants of the score compare by."""
        variants = self.config["sensitivity"]["variants"].values()
        return {
            score_variants.metric_of(variant): variant["similarity"]
            for variant in variants
            if "similarity" in variant
        }

    @property
    def metrics(self) -> list[Settings]:
        """The settings of the study's own metric, then of those of variants."""
        return [self.own_metric, *self.varied_metrics.values()]

    @cached_property
    def other_probes(self) -> dict[str, tuple[str, Settings]]:
        """The probe sets of variants, by their splits: the first variant, and how it draws."""
        found: dict[str, tuple[str, Settings]] = {}
        for name, variant in self.config["sensitivity"]["variants"].items():
            if split := score_variants.probe_of(variant):
                found.setdefault(split, (name, variant["probe"]))
        return found

    @property
    def probes(self) -> list[str]:
        """The splits with probe sets: that of the study, then those of variants."""
        return ["probe", *self.other_probes]

    @property
    def varied_poolings(self) -> list[str]:
        """The poolings that variants of the score need: the study's own comes first."""
        variants = self.config["sensitivity"]["variants"].values()
        needed = ["mean", *(variant.get("pooling", "mean") for variant in variants)]
        return list(dict.fromkeys(needed))

    @cached_property
    def kinds_of_input(self) -> list[str]:
        """What scores are computed from, by each of `metrics`.

        The matrix of similarities; where it would exceed `largest_matrix_mb`, the embeddings.
        """
        images = self.dataset["probe"]["images"]
        return [self._kind_of_input(settings["metric"], images) for settings in self.metrics]

    def kind_elsewhere(self, split: str) -> str:
        """What scores of the study's own metric are computed from in a probe set of a variant."""
        images = self.other_probes[split][1]["images"]
        return self._kind_of_input(self.own_metric["metric"], images)

    def _kind_of_input(self, metric: str, images: int) -> str:
        largest = self.config["interpretability"]["similarity"]["largest_matrix_mb"]
        if 4 * images**2 <= largest * 1e6:
            return similarities.MATRIX
        distance = catalogue.find(metric).distance
        return similarities.DISTANCES if distance else similarities.PRODUCTS

    @property
    def scores_from_embeddings(self) -> bool:
        """Whether scores are computed from embeddings, because the matrix would be too large."""
        return similarities.MATRIX not in self.kinds_of_input

    # --- what the study is summarised in ---------------------------------------------------------

    @property
    def facts(self) -> Settings:
        """What the sentences on a study need to know of its config."""
        return {
            "dataset": self.config["dataset"],
            "metric": self.config["interpretability"]["similarity"]["metric"],
            "images_per_side": ScoreSettings(
                **self.config["interpretability"]["mis"]
            ).images_per_side,
            "random_methods": [
                name
                for name, method in self.config["pruning"]["methods"].items()
                if method["criterion"] == pieces.RANDOM
            ],
            "granularities": {
                name: method["granularity"]
                for name, method in self.config["pruning"]["methods"].items()
            },
            "pruned_elsewhere": self.imported,
            "given": False,
        }
