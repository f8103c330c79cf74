"""The dense network: its architecture, its weights, its controls."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from prunescope.networks import architecture as networks
from prunescope.networks.imported import known_weights
from prunescope.study.config.checkpoints.checkpoint import FORMS, Checkpoint
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import Different, Name

# For editors; `problems` knows more.
_WRITTEN = Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]*:."})
# Marks in the paths of pydantic's errors: which of the two a checkpoint was taken for.
TRAINED, DOWNLOADED = "(trained)", "(downloaded)"
_ALLOWED = f"`{known_weights.TRAIN}`; or weights from elsewhere: {FORMS}"


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
        "`train`: the dense network is trained here. Otherwise its weights come from elsewhere "
        "([below](#weights-from-elsewhere))",
        values=_ALLOWED,
    )
    recipe: str | None = key(
        "how the dense network is trained; not used with weights from elsewhere",
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
