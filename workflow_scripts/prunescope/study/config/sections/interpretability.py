"""How the units of a network are looked at and scored."""

from collections.abc import Iterator
from typing import Annotated, Literal

from prunescope.interpret.metrics import catalogue
from prunescope.interpret.mis import ScoreSettings
from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import OneOf, Sample, Seed, Sha256, Side, unknown


class Exemplars(Section):
    """The strongest and weakest images of each unit."""

    per_side: int = key("strongest and weakest images kept of each unit", ge=2)
    ties: Literal["random", "dataset_order"] = key("what decides between equal activations")
    seed: Seed = key("seed of the random order of ties")
    precision: Literal["float32", "float16"] = key(
        "what activations are rounded to before they are ranked and recorded: `float16` makes "
        "ties, as in a study that stores them in half precision",
        default="float32",
    )
    tokens: Literal["all", "class", "patches"] = key(
        "the tokens that a unit's activation is the mean of, where a layer answers to a row of "
        "tokens: `class` is the first one, for networks that put a class token there, `patches` "
        "are the others; maps and tokens in windows have no class token, and all of their "
        "positions are averaged",
        default="all",
    )


class Activations(Sample):
    """Probe images whose activations are kept."""

    images: int = key(
        "probe images, a class-balanced part, whose activations are kept for measures and variants "
        "(4 bytes for each unit and image, in every network's folder)",
        ge=1,
        note="at most the probe images",
    )
    seed: Seed = key("seed of that part")


class Similarity(Section):
    """The metric that compares images."""

    metric: Annotated[str, OneOf(choices.metrics)] = key(
        "the similarity metric, `<family>:<model>` ([similarity.md](similarity.md))"
    )
    image_size: Side = key(
        "side in pixels at which the metric sees the images", note="224 for `dreamsim`"
    )
    largest_matrix_mb: float = key(
        "a matrix of the similarities of all pairs of probe images (4 bytes each) may have so many "
        "MB; a larger one is not made, and scores come from the embeddings "
        "([similarity.md](similarity.md#too-many-images-for-one-matrix)). 4000 is reached at "
        "31,622 images",
        ge=0,
    )
    sha256: dict[str, Sha256] = key(
        "SHA-256 of the archive, for which none is published; it goes before the one that the "
        "first download records in `config/<study>.lock`",
        default_factory=dict,
        left_out="optional; `<name>` is the archive of a `dreamsim` model",
    )

    def problems(self) -> Iterator[Problem]:
        yield from size_problems(self.metric, self.image_size)
        # A checksum that is already known cannot be overridden.
        files = catalogue.find(self.metric).weights
        open_files = [file.name for file in files if file.sha256 is None]
        for name in self.sha256:
            if name not in open_files:
                yield Problem("sha256", unknown(name, open_files))


def size_problems(metric: str, image_size: int) -> Iterator[Problem]:
    """Some metrics are defined for images of one size."""
    only = catalogue.find(metric).only_size
    if only not in (None, image_size):
        yield Problem(
            "image_size", f"{image_size}, but {metric} is defined for images of {only} pixels only"
        )


class Mis(Section):
    """The Machine Interpretability Score. Its keys are the fields of `mis.ScoreSettings`."""

    explanations: int = key("K, the images of each kind that a task shows", ge=1)
    tasks: int = key("N, the tasks of each unit", ge=1)
    tau: float = key("temperature of the soft score", gt=0)
    draw: Annotated[str, OneOf(choices.draws)] = key("how images are dealt to tasks")
    seed: Seed = key("seed of that draw")
    query: int = key(
        "which of its K + 1 images a task asks about: 0 the most extreme, K the least",
        default=0,
        ge=0,
        values="a whole number from 0 to `explanations`",
    )
    pool: int | None = key(
        "how many of the most extreme images on each side tasks are drawn from",
        default=None,
        ge=2,
        values="a whole number above `explanations`",
        left_out="for `quantile` only, which needs it",
    )

    def settings(self) -> ScoreSettings:
        """The same for the code that scores."""
        return ScoreSettings(**self.model_dump())

    def problems(self) -> Iterator[Problem]:
        yield from score_problems(self.settings())


def score_problems(score: ScoreSettings) -> Iterator[Problem]:
    """What does not fit together in the settings of a score."""
    if score.query > score.explanations:
        yield Problem(
            "query",
            f"{score.query}, but the images of a task are numbered from 0 to `explanations`, "
            f"{score.explanations}",
        )
    if (score.draw == "quantile") != (score.pool is not None):
        yield Problem(
            "pool", f"is for the draw `quantile`, which needs it; the draw is {score.draw}"
        )
    if score.pool is not None and score.pool <= score.explanations:
        yield Problem(
            "pool",
            f"{score.pool} images cannot make a task of `explanations` + 1 = "
            f"{score.explanations + 1}",
        )


def images_needed(score: ScoreSettings) -> str:
    """The strongest and the weakest images that a score needs, and why."""
    if score.pool:
        return f"pool {score.pool} images are needed on each side"
    return (
        f"tasks {score.tasks} x (explanations {score.explanations} + 1) = "
        f"{score.images_per_side} images are needed on each side"
    )


class Ablation(Section):
    """What the network loses without a unit."""

    units: int = key("units of the dense network that are silenced, one at a time", ge=4)
    images: int = key(
        "validation images on which the loss is measured",
        ge=1,
        note="at most the validation images",
    )
    seed: Seed = key("seed that draws both")


class Interpretability(Section):
    """Exemplars, activations, similarity, scores, ablation."""

    exemplars: Exemplars = key("strongest and weakest images of each unit")
    activations: Activations = key("activations that are kept")
    similarity: Similarity = key("the metric that compares images")
    mis: Mis = key("the score")
    ablation: Ablation = key("what the network loses without a unit")

    def problems(self) -> Iterator[Problem]:
        score, per_side = self.mis.settings(), self.exemplars.per_side
        if score.images_per_side > per_side:
            yield Problem(
                "mis",
                f"{images_needed(score)}, but `interpretability.exemplars.per_side` is {per_side}",
            )
