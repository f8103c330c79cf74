"""The facts that findings are drawn from: the tables of a study, and what its config says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from prunescope.networks.coordinates import DENSE, KIND, NOT_RETRAINED
from prunescope.summarize import selection, study_tables
from prunescope.summarize.estimates.runs import margin, over_runs
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED
from prunescope.summarize.study_tables import Row

# The significance level of all tests, after Holm's correction.
ALPHA = 0.05


@dataclass(frozen=True)
class Facts:
    """The facts of a study.

    Attributes
    ----------
    networks, statistics
        As `study_tables.NETWORKS` and `study_tables.STATISTICS`.
    images
        As `image_counts.COUNTS`.
    history
        As `study_tables.HISTORIES`.
    trivial
        As `trivial_units.TRIVIAL_UNITS`.
    dataset
        Name of the dataset.
    metric
        The similarity metric.
    margin
        The largest change of the score that is too small to matter.
    images_per_side
        How many of a unit's strongest images, and of its weakest images, its score takes; None
        where nobody tells.
    random_methods
        The pruning methods that choose at random.
    pruned_elsewhere
        The networks, by their names, that were pruned before they came into the study.
    given
        Whether the scores were made elsewhere, so that there are no images.
    granularities
        What each pruning method removes as one piece, where the config tells it.
    equal_accuracy, unmatched
        As `matched_tables` declares them.
    """

    networks: pl.DataFrame
    statistics: pl.DataFrame
    images: pl.DataFrame
    history: pl.DataFrame
    trivial: pl.DataFrame
    dataset: str
    metric: str
    margin: float
    images_per_side: int | None
    random_methods: tuple[str, ...] = ()
    pruned_elsewhere: tuple[str, ...] = ()
    given: bool = False
    granularities: Mapping[str, str] = field(default_factory=dict)
    equal_accuracy: pl.DataFrame = field(default_factory=EQUAL_ACCURACY.empty)
    unmatched: pl.DataFrame = field(default_factory=UNMATCHED.empty)

    @classmethod
    def of_study(
        cls,
        networks: pl.DataFrame,
        statistics: pl.DataFrame,
        images: pl.DataFrame,
        history: pl.DataFrame,
        trivial: pl.DataFrame,
        settings: Mapping[str, Any],
    ) -> "Facts":
        """The facts of a study, from its tables and from what the workflow knows of its config.

        Parameters
        ----------
        networks, statistics, images, history, trivial
            The tables of the study.
        settings
            All other attributes by name, but the margin, which is in the statistics.
        """
        # A config has lists.
        named = {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
        (limit,) = statistics.filter(quantity=margin.MARGIN)["estimate"]
        rest = {**settings, **named, "margin": limit}
        return cls(networks, statistics, images, history, trivial, **rest)

    @property
    def classes(self) -> int | None:
        """The number of classes. Guessing has an accuracy of one over this number.

        None where the images are not known.
        """
        return self.images.filter(split="train").height or None

    @property
    def has_accuracy(self) -> bool:
        """Whether the accuracy of any network is known."""
        return self.networks["top1"].null_count() < self.networks.height

    @property
    def has_dense(self) -> bool:
        """Whether networks are compared with dense ones; else with those of the lowest rate."""
        return not selection.dense(self.networks).is_empty()

    @property
    def probe_images(self) -> int:
        """The number of images among which exemplars were looked for."""
        return int(self.images.filter(split="probe")["images"].sum())

    @property
    def smallest_probe_class(self) -> int:
        """The number of probe images of the class that has the fewest, but has some."""
        images = self.images.filter(pl.col("images") > 0, split="probe")["images"]
        return min(images.to_list(), default=0)

    @property
    def replaced(self) -> float:
        """The largest fraction of images that stood in for damaged ones in an epoch."""
        fractions = self.history["replaced_images"] / self.history["train_images"]
        return max(fractions.drop_nulls(), default=0.0)

    @cached_property
    def pruned(self) -> pl.DataFrame:
        """The pruned networks, each once."""
        return selection.distinct(selection.pruned(self.networks))

    @cached_property
    def retrained(self) -> pl.DataFrame:
        """The pruned networks that were trained after pruning, each once."""
        return selection.trained(self.pruned)

    @property
    def runs(self) -> int:
        """The number of runs: seeds of which each has a dense network of its own."""
        return self.networks["seed"].n_unique()

    @property
    def kinds_with_partner(self) -> list[str]:
        """The kinds of retraining whose networks have the partner of a verdict."""
        if not self.has_dense:
            return selection.present(self.networks["retraining"])
        return [NOT_RETRAINED, *self.control_retrainings]

    @property
    def control_retrainings(self) -> list[str]:
        """The kinds of retraining that were applied to the dense network as a control."""
        controls = self.networks.filter(pl.col("retraining") != NOT_RETRAINED, method=DENSE)
        return selection.present(controls["retraining"])

    def unpruned(self, quantity: str, method: str, retraining: str = NOT_RETRAINED) -> Row | None:
        """The estimate of a quantity for a network that is not pruned; None if there is none.

        The mean over seeds if there are several, else the estimate of the one seed.

        Parameters
        ----------
        quantity
            As in the table of statistics.
        method
            `DENSE` or `UNTRAINED`.
        retraining
            Its kind of retraining.
        """
        rows = self.statistics.filter(
            pl.col("variant").is_null(),
            quantity=quantity,
            pruning=method,
            retraining=retraining,
            rate=0.0,
        ).sort("seed", nulls_last=False, maintain_order=True)
        return rows.row(0, named=True) if rows.height else None

    def unit_of_margin(self, quantity: str) -> float | None:
        """One of the units of the margin, `margin.TRAINING` or `SPREAD`; None if it is unknown."""
        found = self.statistics.filter(quantity=quantity)["estimate"]
        return float(found[0]) if len(found) else None

    def relation(self, quantity: str) -> Row | None:
        """A relation over the retrained pruned networks; None if there is none.

        Where all pruned networks were retrained, the table has it under `ALL_PRUNED` only.
        """
        for group in (study_tables.ALL_RETRAINED, study_tables.ALL_PRUNED):
            rows = self.statistics.filter(
                quantity=quantity, comparison=f"{group}, {over_runs.OVER_RUNS}"
            )
            if rows.height:
                return rows.row(0, named=True)
        return None


def kind_means(networks: pl.DataFrame, column: str) -> pl.DataFrame:
    """Means of a column over seeds: one row for each method, retraining and rate."""
    scored = networks.filter(pl.col(column).is_finite().fill_null(False))
    return scored.group_by(KIND, maintain_order=True).agg(pl.col(column).mean())
