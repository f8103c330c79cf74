"""Weights that were trained elsewhere: published ones, a file from an address, a local file."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from prunescope.networks.imported import known_weights
from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import InputPath, OneOf

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FORMS = (
    {"torchvision"},
    {"timm"},
    {"url", "sha256"},
    {"url", "sha256", "transform_input"},
    {"file"},
    {"file", "transform_input"},
)
FORMS = (
    "`torchvision` alone; `timm` alone; `url` and `sha256`, or `file`, with or without "
    "`transform_input`"
)


class Checkpoint(Section):
    """Weights that were trained elsewhere."""

    torchvision: Annotated[str, OneOf(choices.published_weights)] | None = key(
        "weights that torchvision publishes of the architecture",
        default=None,
        values="a name such as `IMAGENET1K_V1`",
        left_out="stands alone",
    )
    timm: str | None = key(
        "weights that timm publishes of the architecture, on the Hugging Face hub. No checksum of "
        "them is published: the first download records it in `config/<study>.lock`",
        default=None,
        values="a tag such as `a1_in1k`",
        left_out="stands alone",
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
    file: InputPath | None = key(
        "a file on this machine, seen from the folder of the workflow. Its content, not its date, "
        "decides what is stale",
        default=None,
        values="a path",
        left_out="optional",
    )
    transform_input: bool | None = key(
        "whether the network takes images normalised with ImageNet's mean and deviation and "
        "normalises them to -1..1 itself",
        default=None,
        values="`true` or `false`",
        left_out="optional with `url` and `file`, `false` if left out",
    )

    def unused(self) -> set[str]:
        return {name for name in Checkpoint.model_fields if getattr(self, name) is None}

    def weights(self) -> dict[str, Any]:
        """The keys that name the weights, as `known_weights` takes them."""
        given = ((name, getattr(self, name)) for name in Checkpoint.model_fields)
        return {name: value for name, value in given if value is not None}

    def problems(self) -> Iterator[Problem]:
        given = self.weights()
        if set(given) not in _FORMS:
            yield Problem("", f"{given} cannot be used. Allowed: {FORMS}")
        elif self.url is not None and not FILE_NAME.fullmatch(known_weights.file_name(self.url)):
            yield Problem(
                "url",
                f"the file at its end, {known_weights.file_name(self.url)!r}, needs a name of "
                "letters, digits, `.`, `_` and `-`",
            )
