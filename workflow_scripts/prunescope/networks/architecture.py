"""Choose a network by its name in the config, and build it.

`model.architecture` is written `SOURCE:NAME`. Each file in `networks/architectures/` is a source;
the rest of the text is for the source to read. Such a file must not import torch at its top: the
config is checked with it at every start of the workflow.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from prunescope.foundation import errors, plugins
from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES = "networks.architectures"
ARCHITECTURE_FILE = "results/datasets/{dataset}/architectures/{architecture}/architecture.json"
GRAPH_FILE = "results/datasets/{dataset}/architectures/{architecture}/graph.json"
GRAPH_TENSORS = "results/datasets/{dataset}/architectures/{architecture}/graph.safetensors"


class Source(Protocol):
    """The constants and the functions that a file in `networks/architectures/` must define.

    Attributes
    ----------
    WRITTEN
        How an architecture of this source is written in the config, such as `torchvision:NAME`.
    RESERVED
        Options that other keys of the config set, and the names of these keys.
    """

    WRITTEN: str
    RESERVED: Mapping[str, str]

    def problem(self, name: str) -> str:
        """What is wrong with a name, and the nearest ones; empty if it can be built. No torch."""
        ...

    def auxiliary(self, name: str) -> tuple[str, ...] | None:
        """The prefixes of all tensors of auxiliary heads; None if only the network can tell."""
        ...

    def files(self, name: str) -> tuple[str, ...]:
        """The files of the user's own that define the network: paths, for `code_digest`."""
        ...

    def near(self, name: str) -> list[str]:
        """The names of this source that are like a name, as they are written in the config."""
        ...

    def build(
        self, name: str, options: Mapping[str, Any], classes: int, auxiliary_heads: bool
    ) -> "nn.Module":
        """A freshly initialised module, on torch's current device, seeded by torch's generator."""
        ...


def load(architecture: str) -> tuple[Source, str]:
    """The source of an architecture, and the name that it is known by there.

    Raises
    ------
    InputError
        There is no such source, or its file lacks something.
    """
    source, _, name = architecture.partition(":")
    found: Source = plugins.load(ARCHITECTURES, source, Source)
    return found, name


def problem(architecture: str) -> str:
    """What is wrong with `model.architecture`; empty if it can be used. Needs no torch."""
    source, colon, name = architecture.partition(":")
    known = plugins.names(ARCHITECTURES)
    sources = {other: load(other)[0] for other in known}
    if source not in sources:
        meant = architecture if ".py:" in architecture else name or source
        near = [text for other in sources.values() for text in other.near(meant)]
        forms = ", ".join(f"`{other.WRITTEN}`" for other in sources.values())
        told = "is not known" if colon else "names no source"
        return f"{architecture!r} {told}. {errors.meant(near)}Allowed: {forms}."
    return sources[source].problem(name)


def nearest(name: str, known: Collection[str], source: str) -> list[str]:
    """The names of a source that are like `name`, with the source before them."""
    close = [name] if name in known else errors.nearest(name, known)
    return [f"{source}:{other}" for other in close]


def unknown_to(source: str, name: str, known: Mapping[str, Collection[str]], where: str) -> str:
    """As `unknown`, for one of several sources whose names are known.

    A source that has this very name comes before names of `source` that are like it.
    """
    elsewhere = [f"{other}:{name}" for other, names in known.items() if name in names]
    near = [*elsewhere, *nearest(name, known[source], source)]
    return unknown(f"{source}:{name}", near, where)


def unknown(architecture: str, near: list[str], where: str) -> str:
    """Say that an architecture is not known, which ones may be meant, and where all are listed."""
    return f"{architecture!r} is not known. {errors.meant(near)}{where}"


def folder_name(model: Mapping[str, Any]) -> str:
    """The name of an architecture in paths: readable, and different for any two that differ.

    `model` is the section of the config.
    """
    chosen = {name: model[name] for name in ("architecture", "options", "auxiliary_heads")}
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", chosen["architecture"].replace(".py:", ":"))
    return f"{readable[-100:].strip('-')}-{digest[:8]}"


def file_of(dataset: str, model: Mapping[str, Any], file: str = ARCHITECTURE_FILE) -> str:
    """The path of a file about an architecture, as a network of a dataset's classes.

    `dataset` is the dataset's name, `model` the section of the config. `file` is one of the paths
    above: the description, or the exported graph and its tensors.
    """
    return file.format(dataset=dataset, architecture=folder_name(model))


def build(description: Description) -> "nn.Module":
    """A freshly initialised module of an architecture, on torch's current device.

    Raises
    ------
    InputError
        The architecture is not known, or cannot be built with these options.
    """
    source, name = load(description.architecture)
    options = dict(description.options)
    if description.transform_input:
        options["transform_input"] = True
    return source.build(name, options, description.classes, description.auxiliary_heads)


def own_module(path: Path) -> ModuleType:
    """A Python file of the user's own as a module.

    Raises
    ------
    Exception
        What the file raises.
    """
    return plugins.load_file(path.resolve())


def refusal(told: str) -> InputError:
    """The error about an architecture that cannot be used; `told` is as `problem` returns it."""
    return InputError(f"model.architecture: {told}")


def no_heads(architecture: str) -> InputError:
    """Say that an architecture has no auxiliary heads."""
    return InputError(
        f"model.auxiliary_heads: true, but the architecture {architecture} has no auxiliary heads. "
        "Set it to false."
    )


def failed(architecture: str, options: Mapping[str, Any], error: Exception) -> InputError:
    """Say that the constructor of a library refuses its options."""
    why = f"{type(error).__name__}: {' '.join(str(error).split())}"
    given = ", ".join(f"{name}: {value!r}" for name, value in options.items())
    return InputError(
        f"model.options: {architecture} cannot be built with {{{given}}}: {why}. Options are "
        "keyword arguments of its constructor; the documentation of the library names them."
    )
