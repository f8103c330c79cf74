"""The image classifiers of timm (PyTorch Image Models), by the names that timm lists.

`model.options` are keyword arguments of `timm.create_model`, such as `img_size` of a transformer.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prunescope.networks import architecture
from prunescope.networks.libraries import known_networks

if TYPE_CHECKING:
    from torch import nn

WRITTEN = "timm:NAME"
RESERVED = {
    "model_name": "model.architecture",
    "num_classes": "the classes of the dataset",
    "pretrained": "model.checkpoint",
    "pretrained_cfg": "model.checkpoint",
    "pretrained_cfg_overlay": "model.checkpoint",
    "checkpoint_path": "model.checkpoint",
    "cache_dir": "model.checkpoint",
}
ALL_NAMES = "`timm.list_models()` lists all names."


def problem(name: str) -> str:
    """What is wrong with a name; empty if timm knows it."""
    known = known_networks.timm_networks()
    if name in known:
        return ""
    plain, _, tag = name.partition(".")
    if tag and plain in known:
        return (
            f"'timm:{name}' names weights too. Write `timm:{plain}`, and the tag of the weights in "
            f"model.checkpoint, `{{timm: {tag}}}`"
        )
    return architecture.unknown_to("timm", name, known_networks.names(), ALL_NAMES)


def near(name: str) -> list[str]:
    """The names that are like a name."""
    return architecture.nearest(name, known_networks.timm_networks(), "timm")


def auxiliary(_name: str) -> tuple[str, ...]:
    """None: networks of timm are built without auxiliary heads."""
    return ()


def files(_name: str) -> tuple[str, ...]:
    """None: the lock file pins the version of the library."""
    return ()


def build(
    name: str, options: Mapping[str, Any], classes: int, auxiliary_heads: bool
) -> "nn.Module":
    """A freshly initialised module.

    Raises
    ------
    InputError
        timm has no such network, its constructor refuses the options, or auxiliary heads are asked
        for.
    """
    # Imported here because it imports torch.
    import timm

    if told := problem(name):
        raise architecture.refusal(told)
    if auxiliary_heads:
        raise architecture.no_heads(f"timm:{name}")
    try:
        return timm.create_model(name, pretrained=False, num_classes=classes, **options)
    except Exception as error:
        raise architecture.failed(f"timm:{name}", options, error) from error
