"""Write the tables of the networks that torchvision and timm know, and of their published weights.

The config is checked against these tables, so that its checks need neither library, which are slow
to import. Run it after an upgrade of one of them: `make network-tables`. A test compares the tables
with the libraries.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prunescope.networks import modules

FOLDER = Path(__file__).resolve().parent
# The names of torchvision's files end in the first digits of their SHA-256.
HASH = re.compile(r"-([0-9a-f]{8,})\.")
# The networks that may have auxiliary heads.
WITH_HEADS = ("googlenet", "inception_v3")
TORCHVISION_NETWORKS = (
    "name", "parameters", "auxiliary_parameters", "auxiliary", "units", "gmacs",
)  # fmt: skip
TORCHVISION_WEIGHTS = (
    "network", "weights", "url", "sha256_prefix", "mean", "std", "crop_size", "resize_size",
    "interpolation", "transform_input",
)  # fmt: skip
TIMM_NETWORKS = ("name",)
TIMM_WEIGHTS = (
    "network", "tag", "hub", "classes", "mean", "std", "crop_size", "crop_fraction",
    "interpolation",
)  # fmt: skip


def torchvision_networks() -> Iterator[Sequence[Any]]:
    """Each classifier: its numbers with ImageNet's classes."""
    import torch
    from torchvision import models

    for name in models.list_models(module=models):
        build = models.get_model_builder(name)
        options = {"aux_logits": True, "init_weights": False} if name in WITH_HEADS else {}
        with modules.without_values():
            module = build(weights=None, **options)
        children = [child for child, _ in module.named_children()]
        auxiliary = [f"{child}." for child in children if child.lower().startswith("aux")]
        named = dict(module.named_parameters())
        extra = sum(
            tensor.numel() for key, tensor in named.items() if key.startswith(tuple(auxiliary))
        )
        yield (
            name,
            sum(tensor.numel() for tensor in named.values()) - extra,
            extra,
            " ".join(auxiliary),
            sum(
                child.weight.shape[0]
                for key, child in module.named_modules()
                if isinstance(child, torch.nn.Conv2d | torch.nn.Linear)
                and not key.startswith(tuple(auxiliary))
            ),
            models.get_model_weights(name).DEFAULT.meta["_ops"],
        )


def torchvision_weights() -> Iterator[Sequence[Any]]:
    """Each file of weights: its address, and the images that it was trained for."""
    from torchvision import models

    for name in models.list_models(module=models):
        for weights in models.get_model_weights(name):
            seen = weights.transforms()
            yield (
                name,
                weights.name,
                weights.url,
                HASH.findall(weights.url)[0],
                _spaced(seen.mean),
                _spaced(seen.std),
                seen.crop_size[0],
                seen.resize_size[0],
                seen.interpolation.value,
                # torchvision sets it without a word where it builds these two with weights.
                name in WITH_HEADS,
            )


def timm_networks() -> Iterator[Sequence[Any]]:
    """The name of each network."""
    import timm

    for name in timm.list_models():
        yield (name,)


def timm_weights() -> Iterator[Sequence[Any]]:
    """Each file of weights: its place on the hub, and the images that it was trained for."""
    import timm

    for full in timm.list_pretrained():
        config = timm.get_pretrained_cfg(full)
        if config is None:
            continue
        yield (
            *full.partition(".")[::2],
            config.hf_hub_id or "",
            config.num_classes,
            _spaced(config.mean),
            _spaced(config.std),
            config.input_size[1],
            config.crop_pct,
            config.interpolation,
        )


def _spaced(numbers: Iterable[float]) -> str:
    return " ".join(map(str, numbers))


TABLES = {
    "torchvision_networks": (TORCHVISION_NETWORKS, torchvision_networks),
    "torchvision_weights": (TORCHVISION_WEIGHTS, torchvision_weights),
    "timm_networks": (TIMM_NETWORKS, timm_networks),
    "timm_weights": (TIMM_WEIGHTS, timm_weights),
}


def render(name: str) -> str:
    """The content of a table."""
    columns, rows = TABLES[name]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows())
    return text.getvalue()


if __name__ == "__main__":
    for table in TABLES:
        (FOLDER / f"{table}.csv").write_text(render(table), encoding="utf-8")
