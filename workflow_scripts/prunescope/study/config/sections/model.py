"""The dense network: its architecture, its weights, its controls."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from prunescope.networks import architecture as networks
from prunescope.networks.imported import known_weights
from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import Different, Name, OneOf

# For editors; `problems` knows more.
_WRITTEN = Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]*:."})
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Marks in the paths of pydantic's errors: which of the two a checkpoint was taken for.
TRAINED, DOWNLOADED = "(trained)", "(downloaded)"
_FORMS = ({"torchvision"}, {"url", "sha256"}, {"url", "sha256", "transform_input"})
_ALLOWED = (
    f"`{known_weights.TRAIN}`; `torchvision` alone; or `url` and `sha256`, with or without "
    "`transform_input`"
)


class Checkpoint(Section):
    """Weights to download: those of torchvision, or a file from elsewhere."""

    torchvision: Annotated[str, OneOf(choices.published_weights)] | None = key(
        "weights that torchvision publishes", default=None, left_out="stands alone"
    )
    url: str | None = key(
        "weights from elsewhere",
        default=None,
        pattern=r"^(https://|http://127\.0\.0\.1(:[0-9]+)?/)",
        values="an https address that ends in a file name (http only for this machine, 127.0.0.1)",
        left_out="optional",
    )
    sha256: str | None = key(
        "SHA-256 of that file",
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        values="64 hexadecimal digits",
        left_out="required with `url`",
    )
    transform_input: bool = key(
        "whether the network takes images normalised with ImageNet's mean and deviation and "
        "normalises them to -1..1 itself",
        default=False,
        left_out="optional with `url`, `false` if left out",
    )

    def unused(self) -> set[str]:
        if self.torchvision is not None:
            return {"url", "sha256", "transform_input"}
        return {"torchvision"}

    def problems(self) -> Iterator[Problem]:
        given = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        if set(given) not in _FORMS or None in given.values():
            yield Problem("", f"{given} cannot be used. Allowed: {_ALLOWED}")
        elif self.url is not None and not FILE_NAME.fullmatch(known_weights.file_name(self.url)):
            yield Problem(
                "url",
                f"the file at its end, {known_weights.file_name(self.url)!r}, needs a name of "
                "letters, digits, `.`, `_` and `-`",
            )


def _kind_of_checkpoint(value: Any) -> str:
    return DOWNLOADED if isinstance(value, dict | Checkpoint) else TRAINED


class Model(Section):
    """The network of the study before it is pruned."""

    def problems(self) -> Iterator[Problem]:
        if told := networks.problem(self.architecture):
            yield Problem("architecture", told)
            return
        source, name = networks.load(self.architecture)
        for option in self.options:
            if option in source.RESERVED:
                yield Problem(
                    f"options.{option}",
                    f"comes from {source.RESERVED[option]}; remove it here",
                )
        if self.auxiliary_heads and source.auxiliary(name) == ():
            yield Problem(
                "auxiliary_heads",
                f"true, but the architecture {self.architecture} has no auxiliary heads",
            )

    architecture: Annotated[str, _WRITTEN] = key(
        "the network: a classifier of torchvision or timm, or what a function in a Python file "
        "returns ([below](#the-network))",
        values="`torchvision:NAME`, `timm:NAME`, or `file:PATH.py:FUNCTION`",
    )
    options: dict[str, Any] = key(
        "keyword arguments of the network's constructor",
        default={},
        values="a mapping of names to values",
    )
    checkpoint: Annotated[
        Annotated[Literal["train"], Tag(TRAINED)] | Annotated[Checkpoint, Tag(DOWNLOADED)],
        Discriminator(_kind_of_checkpoint),
    ] = key(
        "`train`: the dense network is trained here. Otherwise its weights are downloaded "
        "([below](#downloaded-weights))",
        values=_ALLOWED,
    )
    recipe: str | None = key(
        "how the dense network is trained; not used with downloaded weights",
        values="a key of `recipes`, or null",
        note="`null` only if `checkpoint` is not `train`",
    )
    auxiliary_heads: bool = key(
        "whether the network has the auxiliary heads of its architecture. They take part in "
        "training only and are not measured"
    )
    untrained: bool = key(
        "whether a network that was never trained is measured too, as a control (`untrained/none`)"
    )
    retraining: Annotated[list[Name], *Different] = key(
        "kinds of retraining that the dense network gets as well: the controls. Of a kind that "
        "starts from `previous_rate`, a chain with a network at every rate",
        values="a list of different keys of `retraining` that have a recipe or a recalibration; "
        "may be empty",
    )
