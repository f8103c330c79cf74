"""The names that the config can choose from. Each list comes from the code that defines it."""

from collections.abc import Collection

from prunescope.data import source
from prunescope.foundation import plugins
from prunescope.interpret import mis
from prunescope.interpret.metrics import catalogue
from prunescope.networks.libraries import known_networks
from prunescope.prune import patterns, pieces, schedule
from prunescope.train.images.augmentation import AUGMENTATIONS
from prunescope.train.recipes.learning_rates import LEARNING_RATES
from prunescope.train.recipes.optimizers import OPTIMIZERS
from prunescope.train.recipes.recipe import DECAYED, PRECISIONS, TRAINED_ON


def sources() -> Collection[str]:
    """Where images may come from."""
    return plugins.names(source.SOURCES)


def published_weights() -> Collection[str]:
    """Trained weights that torchvision publishes, of all architectures."""
    known = known_networks.torchvision_weights().values()
    return sorted({name for weights in known for name in weights})


def granularities() -> Collection[str]:
    """What can be removed as one piece."""
    return [*pieces.GRANULARITIES, patterns.N_OF_M, pieces.CHANNEL_GROUP]


def scopes() -> Collection[str]:
    """What can be ranked together."""
    return pieces.SCOPES


def criteria() -> Collection[str]:
    """How pieces can be ranked."""
    return plugins.names(pieces.CRITERIA)


def starts() -> Collection[str]:
    """The networks that pruning at a rate can start from."""
    return plugins.names(schedule.SCHEDULES)


def optimizers() -> Collection[str]:
    """The optimizers that train."""
    return list(OPTIMIZERS)


def decayed() -> Collection[str]:
    """The parameters that weight decay can act on."""
    return DECAYED


def trained_on() -> Collection[str]:
    """What pruned networks are trained on."""
    return TRAINED_ON


def schedules() -> Collection[str]:
    """The ways in which the learning rate changes."""
    return list(LEARNING_RATES)


def precisions() -> Collection[str]:
    """What training can compute in."""
    return list(PRECISIONS)


def augmentations() -> Collection[str]:
    """The changes to train images."""
    return list(AUGMENTATIONS)


def draws() -> Collection[str]:
    """How images can be dealt to tasks."""
    return list(mis.DRAWS)


def metrics() -> Collection[str]:
    """The metrics of similarity, `<family>:<model>`."""
    return catalogue.known()


def metrics_without_files() -> Collection[str]:
    """The metrics whose weights all come with packages."""
    return [name for name in catalogue.known() if not catalogue.find(name).weights]
