"""DreamSim: vision transformers fine-tuned (LoRA) on human judgements of similarity.

The models and the preprocessing are those of the authors' package `dreamsim` ("upstream").

Source: Fu, Tamir, Sundaram, Chai, Zhang, Dekel, Isola, "DreamSim", NeurIPS 2023, arXiv
2306.09344.
"""

import contextlib
import io
import pickle
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics.metric import Embedder, Metric, Weights, device, load_tensors

if TYPE_CHECKING:
    import torch


RELEASES = "https://github.com/ssundaram21/dreamsim/releases/download"
SIDE = 224
# By model: the release, and the names under which upstream looks for the files in its archive.
ARCHIVES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ensemble": (
        "v0.2.0-checkpoints",
        (
            "dino_vitb16_pretrain.pth",
            "open_clip_vitb16_pretrain.pth.tar",
            "clip_vitb16_pretrain.pth.tar",
            "ensemble_lora",
        ),
    ),
    "dino_vitb16": ("v0.2.0-checkpoints", ("dino_vitb16_pretrain.pth", "dino_vitb16_single_lora")),
    "clip_vitb32": (
        "v0.2.0-checkpoints",
        ("clip_vitb32_pretrain.pth.tar", "clip_vitb32_single_lora"),
    ),
    "open_clip_vitb32": (
        "v0.2.0-checkpoints",
        ("open_clip_vitb32_pretrain.pth.tar", "open_clip_vitb32_single_lora"),
    ),
    "dinov2_vitb14": (
        "v0.2.1-checkpoints",
        ("dinov2_vitb14_pretrain.pth", "dinov2_vitb14_single_lora"),
    ),
    "synclr_vitb16": ("v0.2.1-checkpoints", ("synclr_vit_b_16.pth", "synclr_vitb16_single_lora")),
    "dino_vitb16_patch": (
        "v0.2.1-checkpoints",
        ("dino_vitb16_pretrain.pth", "dino_vitb16_patch_lora"),
    ),
    "dinov2_vitb14_patch": (
        "v0.2.1-checkpoints",
        ("dinov2_vitb14_pretrain.pth", "dinov2_vitb14_patch_lora"),
    ),
}
PATCH = "_patch"
# Upstream loads two of the transformers with torch.hub, which runs code from the head of a branch.
# Meta publishes no checksums. These checksums are recorded in several projects that use the files.
BACKBONES: Mapping[str, Weights] = {
    "dino_vitb16": Weights(
        "dreamsim",
        "dino_vitbase16_pretrain.pth",
        "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
        "bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
    ),
    "dinov2_vitb14": Weights(
        "dreamsim",
        "dinov2_vitb14_pretrain.pth",
        "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
        "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
    ),
}
LAYER_SCALED = {"ls1": "attn.proj", "ls2": "mlp.fc2"}


def archive(model: str) -> Weights:
    """The archive with the LoRA adapters of a model. Its authors publish no checksum."""
    name = f"dreamsim_{model}_checkpoint.zip"
    return Weights("dreamsim", name, f"{RELEASES}/{ARCHIVES[model][0]}/{name}")


def backbones(model: str) -> tuple[Weights, ...]:
    """The files of transformers that a model needs and its archive does not hold."""
    base = "dino_vitb16" if model == "ensemble" else model.removesuffix(PATCH)
    return (BACKBONES[base],) if base in BACKBONES else ()


def load(model: str, files: Mapping[str, Path], image_size: int) -> Embedder:
    """Build upstream's model, with upstream's preprocessing, from local files only.

    The embedding of a patch model is the class token followed by the mean of the patch tokens, as
    in upstream's `forward`.

    Raises
    ------
    InputError
        A file is damaged, incomplete, or contains code.
    """
    import torch
    from dreamsim import dreamsim
    from PIL import Image

    patches = model.endswith(PATCH)
    path = files[archive(model).name]
    # Upstream prints messages on the standard output.
    with (
        _unpacked(path, ARCHIVES[model][1]) as folder,
        _local_backbones(files),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            module, preprocess = dreamsim(
                device=device(),
                cache_dir=folder,
                dreamsim_type=model.removesuffix(PATCH),
                use_patch_model=patches,
            )
        except pickle.UnpicklingError as error:
            raise InputError(
                f"{path}: a file of weights in it holds more than tensors, which could run code "
                f"when it is read ({error}). Choose another model."
            ) from error

    def embedder(images: np.ndarray) -> "torch.Tensor":
        pictures = [Image.fromarray(image) for image in images.transpose(0, 2, 3, 1)]
        pixels = torch.cat([preprocess(picture) for picture in pictures]).to(device())
        vectors = module.embed(pixels).cpu()
        return torch.cat([vectors[:, 0], vectors[:, 1:].mean(1)], 1) if patches else vectors

    return embedder


@contextlib.contextmanager
def _unpacked(path: Path, members: tuple[str, ...]) -> Iterator[str]:
    """Unpack an archive into a temporary folder, so that only verified files are loaded."""
    with tempfile.TemporaryDirectory(prefix="dreamsim-") as folder:
        try:
            with zipfile.ZipFile(path) as file:
                file.extractall(folder)
        except (zipfile.BadZipFile, EOFError) as error:
            raise InputError(f"{path}: not a whole zip archive ({error}).") from error
        # Upstream would download missing files without verification.
        for member in members:
            if not (Path(folder) / member).exists():
                raise InputError(f"{path}: {member} is missing in it.")
        yield folder


@contextlib.contextmanager
def _local_backbones(files: Mapping[str, Path]) -> Iterator[None]:
    """In the block, replace `torch.hub.load` with a function that loads from `files`."""
    import torch

    hub: Any = torch.hub
    original, folder = hub.load, hub.get_dir()
    hub.load = partial(_backbone, files)
    try:
        yield
    finally:
        hub.load = original
        hub.set_dir(folder)


def _backbone(files: Mapping[str, Path], _repository: str, name: str) -> "torch.nn.Module":
    """A transformer of DINO or DINOv2, as the class that upstream uses for its other models.

    It replaces `torch.hub.load`.
    """
    from dreamsim.feature_extraction import vision_transformer

    path = files[BACKBONES[name].name]
    state = load_tensors(path)
    if name == "dinov2_vitb14":
        module = vision_transformer.vit_base(patch_size=14, img_size=[518])
        state = _without_layer_scale(state)
    else:
        module = vision_transformer.vit_base(patch_size=16)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path}: not the weights of {name} ({error}).") from error
    return module


def _without_layer_scale(state: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    """Multiply the layer scale of DINOv2 (a factor per channel) into the preceding layers.

    The result has DINO's architecture. The two architectures differ only in the layer scale and in
    the mask token, which is used in training only; the interpolation of the position embedding is
    the same.
    """
    plain = {name: tensor for name, tensor in state.items() if name != "mask_token"}
    for block in range(12):
        for scale, layer in LAYER_SCALED.items():
            factors = plain.pop(f"blocks.{block}.{scale}.gamma")
            for tensor in (f"blocks.{block}.{layer}.weight", f"blocks.{block}.{layer}.bias"):
                shape = (-1, *(1 for _ in plain[tensor].shape[1:]))
                plain[tensor] = plain[tensor] * factors.reshape(shape)
    return plain


METRICS: Mapping[str, Metric] = {
    model: Metric(
        partial(load, model),
        weights=(archive(model), *backbones(model)),
        packages=("dreamsim", "open-clip-torch", "peft", "transformers"),
        only_size=SIDE,
    )
    for model in ARCHIVES
}
