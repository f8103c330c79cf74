"""The names that the config can choose from, each list from where the things themselves are."""

from collections.abc import Collection

from prunescope import datasets, mis, pruning, recipes, similarity, study, weights


def sources() -> Collection[str]:
    """Where images may come from."""
    return [*study.SOURCE_IMAGES, *study.IMAGE_SOURCES]


def architectures() -> Collection[str]:
    """The networks that can be studied."""
    return list(study.LAYER_NAMES)


def layers(architecture: str) -> Collection[str]:
    """The layers of a network that can be pruned, by module name."""
    return study.LAYER_NAMES[architecture]


def torchvision_weights() -> Collection[str]:
    """Trained weights that torchvision publishes."""
    return list(weights.TORCHVISION)


def granularities() -> Collection[str]:
    """What can be removed as one piece."""
    return list(pruning.GRANULARITIES)


def scopes() -> Collection[str]:
    """What can be ranked together."""
    return pruning.SCOPES


def criteria() -> Collection[str]:
    """How pieces can be ranked."""
    return list(pruning.CRITERIA)


def optimizers() -> Collection[str]:
    """The optimizers that train."""
    return list(recipes.OPTIMIZERS)


def schedules() -> Collection[str]:
    """The ways in which the learning rate changes."""
    return list(recipes.SCHEDULES)


def precisions() -> Collection[str]:
    """What training can compute in."""
    return list(recipes.PRECISIONS)


def augmentations() -> Collection[str]:
    """The changes to train images."""
    return list(datasets.AUGMENTATIONS)


def draws() -> Collection[str]:
    """How images can be dealt to tasks."""
    return list(mis.DRAWS)


def metrics() -> Collection[str]:
    """The metrics of similarity, `<family>:<model>`."""
    return similarity.known()


def metrics_without_files() -> Collection[str]:
    """Those metrics that need no weights beside those of packages."""
    return [name for name in similarity.known() if not similarity.find(name).weights]
