"""How many images the steps of a study need, and which keys of its config ask for them.

The config is checked against the numbers of images that it asks for itself, and, as soon as the
images are there, against their true numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prunescope.prune import pieces
from prunescope.prune.measuring.sample import SampleSettings
from prunescope.summarize.image_counts import Need

Settings = Mapping[str, Any]


def of_scores(interpretability: Settings) -> Iterator[Need]:
    """What exemplars, activations and ablation need.

    Parameters
    ----------
    interpretability
        The section of the config.
    """
    per_side = interpretability["exemplars"]["per_side"]
    yield Need(
        "interpretability.exemplars.per_side",
        "probe",
        2 * per_side,
        f"{per_side} strongest and {per_side} weakest images need a probe set of {2 * per_side}",
    )
    for name, split in (("activations", "probe"), ("ablation", "validation")):
        images = interpretability[name]["images"]
        yield Need(f"interpretability.{name}.images", split, images, str(images))


def of_samples(name: str, dataset: Settings) -> Iterator[Need]:
    """What the samples of a dataset need of the splits that they are drawn from.

    Parameters
    ----------
    name
        The dataset.
    dataset
        Its section of the config.
    """
    for sample, split in (("validation", "validation"), ("probe", "train")):
        images = dataset[sample]["images"]
        yield Need(f"datasets.{name}.{sample}.images", split, images, str(images))


def of_variants(variants: Settings) -> Iterator[Need]:
    """What variants with a probe set of their own need.

    Parameters
    ----------
    variants
        The variants by name.
    """
    for name, variant in variants.items():
        if "probe" in variant:
            images = variant["probe"]["images"]
            yield Need(f"sensitivity.variants.{name}.probe.images", "train", images, str(images))


def of_training(recipes: Settings, used: Iterable[str]) -> Iterator[Need]:
    """What trainings need.

    Parameters
    ----------
    recipes
        The section of the config.
    used
        The recipes that the study trains by.
    """
    for name in dict.fromkeys(used):
        recipe = recipes[name]
        key = "images_per_epoch" if recipe["images_per_epoch"] else "batch"
        yield Need(f"recipes.{name}.{key}", "train", recipe[key], str(recipe[key]))


def of_recalibration(retraining: Settings, used: Iterable[str]) -> Iterator[Need]:
    """What recalibrations need.

    Parameters
    ----------
    retraining
        The section of the config.
    used
        The kinds of retraining that recalibrate.
    """
    for name in dict.fromkeys(used):
        images = retraining[name]["recalibration"]["images"]
        yield Need(f"retraining.{name}.recalibration.images", "train", images, str(images))


def of_pruning(methods: Settings) -> Iterator[Need]:
    """What criteria that are measured on images need.

    Parameters
    ----------
    methods
        The pruning methods by name.
    """
    for name, method in methods.items():
        if pieces.load_criterion(method["criterion"]).NEEDS in pieces.ON_IMAGES:
            images = {**vars(SampleSettings()), **(method.get("sample") or {})}["images"]
            yield Need(f"pruning.methods.{name}.sample.images", "train", images, str(images))
