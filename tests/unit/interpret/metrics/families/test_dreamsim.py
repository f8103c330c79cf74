"""DreamSim against its authors' package, on the same random weights in the same files.

The package itself is made to find everything where it would download it to: the archive
unpacked, and the repositories and checkpoints of torch.hub. The transformers are small, but for
the slow tests.
"""

import shutil
import socket
import urllib.error
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics import catalogue, comparison, embedding
from prunescope.interpret.metrics.families import dreamsim

NEEDED = "needs the optional environment: make perceptual"
upstream = pytest.importorskip("dreamsim.model", reason=NEEDED)
config = pytest.importorskip("dreamsim.config", reason=NEEDED)
vision = pytest.importorskip("dreamsim.feature_extraction.vision_transformer", reason=NEEDED)
peft = pytest.importorskip("peft", reason=NEEDED)

MODELS = list(dreamsim.ARCHIVES)
SIZES = [224, 40, 300]

# What the repositories hold, as far as it matters: DINO's class is the one that DreamSim copied.
# That of DINOv2 differs in its factors per channel; timm has the class as well, but interpolates
# the position embedding otherwise, so that this is done here as in DINOv2.
HUB = {
    "facebookresearch_dino_main": """
        import torch
        from dreamsim.feature_extraction import vision_transformer

        URL = "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth"

        def dino_vitb16():
            module = vision_transformer.vit_base(patch_size=16, num_classes=0)
            module.load_state_dict(torch.hub.load_state_dict_from_url(URL))
            return module
        """,
    "facebookresearch_dinov2_main": """
        import torch
        from timm.models.vision_transformer import VisionTransformer

        URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth"

        def dinov2_vitb14():
            state = torch.hub.load_state_dict_from_url(URL)
            del state["mask_token"]
            width = state["cls_token"].shape[-1]
            ratio = len(state["blocks.0.mlp.fc1.bias"]) / width
            module = VisionTransformer(
                224, 14, num_classes=0, embed_dim=width, num_heads=12, mlp_ratio=ratio,
                init_values=1.0,
            )
            token, places = state["pos_embed"][:, :1], state["pos_embed"][:, 1:]
            square = places.reshape(1, 37, 37, width).permute(0, 3, 1, 2)
            factor = (16 + 0.1) / 37
            smaller = torch.nn.functional.interpolate(
                square, scale_factor=(factor, factor), mode="bicubic"
            )
            places = smaller.permute(0, 2, 3, 1).reshape(1, 256, width)
            state["pos_embed"] = torch.cat([token, places], dim=1)
            module.load_state_dict(state)
            return module
        """,
}


def small_vit(patch_size: int = 16, **options: Any) -> torch.nn.Module:
    return vision.VisionTransformer(
        patch_size=patch_size,
        embed_dim=48,
        num_heads=12,
        mlp_ratio=2,
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        **options,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make upstream's transformers small; all of their twelve blocks are needed."""
    folder = "dreamsim.feature_extraction"
    for module in ("vision_transformer", "load_clip_as_dino", "load_open_clip_as_dino"):
        monkeypatch.setattr(f"{folder}.{module}.vit_base", small_vit)
    monkeypatch.setattr(f"{folder}.load_synclr_as_dino.vit_base", small_vit)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)


def random_state(module: torch.nn.Module, rng: torch.Generator) -> dict[str, torch.Tensor]:
    """Weights that let all parts of a network matter."""
    state = {}
    for name, tensor in module.state_dict().items():
        noise = torch.randn(tensor.shape, generator=rng)
        # Attention is uneven (more so, rounding errors grow), images count more than places.
        factor = 1.5 if "qkv" in name else 3 if "patch_embed" in name else 1
        scale = factor * tensor[0].numel() ** -0.5 if tensor.ndim in (2, 4) else 0.1
        state[name] = scale * noise + (name.endswith("weight") and tensor.ndim == 1)
    return state


@dataclass(frozen=True)
class Release:
    """The files of a model: for upstream in a cache folder, for the wrapper as published."""

    model: str
    cache: Path
    files: dict[str, Path]


def write_backbone(folder: Path, base: str, rng: torch.Generator) -> None:
    """A checkpoint of DINO or DINOv2 where torch.hub keeps it."""
    if base == "dino_vitb16":
        state = random_state(vision.vit_base(patch_size=16), rng)
        head = random_state(vision.DINOHead(48, 64, hidden_dim=32, bottleneck_dim=16), rng)
        names = [f"mlp.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")]
        student = {f"module.head.{name}": head[name] for name in names}
        student["module.head.last_layer.weight"] = torch.zeros(64, 16)
        torch.save({"student": student}, folder / "dino_vitb16_pretrain.pth")
    else:
        state = random_state(vision.vit_base(patch_size=14, img_size=[518]), rng)
        width = state["cls_token"].shape[-1]
        state["mask_token"] = torch.zeros(1, width)
        for block in range(12):
            for scale in ("ls1", "ls2"):
                factors = torch.rand(width, generator=rng) + 0.5
                state[f"blocks.{block}.{scale}.gamma"] = factors
        (folder / "dinov2_vitb14_pretrain.pth").touch()
    name = dreamsim.BACKBONES[base].name
    (folder / "checkpoints").mkdir(exist_ok=True)
    torch.save(state, folder / "checkpoints" / name)


def write_clip(folder: Path, base: str, rng: torch.Generator) -> None:
    module = vision.vit_base(patch_size=int(base[-2:]))
    width = module.embed_dim
    module.pos_drop = torch.nn.LayerNorm(width)
    state = random_state(module, rng)
    state["proj"] = torch.randn(width, 2 * width // 3, generator=rng) / width**0.5
    torch.save({"state_dict": state}, folder / f"{base}_pretrain.pth.tar")


def write_synclr(folder: Path, rng: torch.Generator) -> None:
    state = random_state(vision.vit_base(patch_size=16), rng)
    model = {f"module.visual.{name}": tensor for name, tensor in state.items()}
    torch.save({"model": model}, folder / "synclr_vit_b_16.pth")


def write_adapters(folder: Path, model: str, rng: torch.Generator) -> None:
    """LoRA adapters as upstream's training writes them: the adapted model, saved by peft."""
    settings = config.dreamsim_args["model_config"][model]
    module = upstream.PerceptualModel(**settings, device="cpu", load_dir=str(folder))
    lora = peft.LoraConfig(r=4, lora_alpha=2, lora_dropout=0.3, bias="none", target_modules=["qkv"])
    adapted = peft.get_peft_model(module, lora)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=rng) / parameter.shape[1] ** 0.5
    tag = model if model == "ensemble" or "patch" in model else f"{model}_single"
    # Adapters of that time are in torch's own format.
    adapted.save_pretrained(str(folder / f"{tag}_lora"), safe_serialization=model == "ensemble")


def publish(model: str, folder: Path) -> Release:
    """Write the files of a release, with random weights."""
    rng = torch.Generator().manual_seed(0)
    cache = folder / "cache"
    for name, code in HUB.items():
        (cache / name).mkdir(parents=True)
        (cache / name / "hubconf.py").write_text(dedent(code))
    for base in config.dreamsim_args["model_config"][model]["model_type"].split(","):
        if base in dreamsim.BACKBONES:
            write_backbone(cache, base, rng)
        elif "clip" in base:
            write_clip(cache, base, rng)
        else:
            write_synclr(cache, rng)
    write_adapters(cache, model, rng)
    _, members = dreamsim.ARCHIVES[model]
    archive = folder / dreamsim.archive(model).name
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(cache.rglob("*")):
            if path.relative_to(cache).parts[0] in members:
                file.write(path, path.relative_to(cache))
    downloaded = {
        weights.name: cache / "checkpoints" / weights.name for weights in dreamsim.backbones(model)
    }
    return Release(model, cache, {archive.name: archive, **downloaded})


def pictures(side: int, count: int = 3) -> PackedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    images[0, 0] = images[1, 1] = images[2:, :, : side // 2] = 250
    return PackedImages(images, np.zeros(count, dtype=np.int64))


def as_upstream(
    release: Release, images: PackedImages
) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """Upstream's model, and what its preprocessing makes of the images."""
    module, preprocess = upstream.dreamsim(
        device="cpu",
        cache_dir=str(release.cache),
        dreamsim_type=release.model.removesuffix("_patch"),
        use_patch_model=release.model.endswith("_patch"),
    )
    return module, [
        preprocess(Image.fromarray(image.transpose(1, 2, 0))) for image in images.images
    ]


def assert_parity(release: Release, side: int, count: int = 3) -> None:
    images = pictures(side, count)
    module, pixels = as_upstream(release, images)
    with torch.inference_mode():
        distances = [float(module(pixels[0], other)) for other in pixels[1:]]
        vectors = torch.cat([module.embed(picture) for picture in pixels])
    metric = f"dreamsim:{release.model}"
    (embeddings,) = embedding.embed(images, metric, 224, release.files)
    matrix = comparison.compare(embeddings, distance=catalogue.find(metric).distance)
    np.testing.assert_allclose(1 - matrix[0, 1:], distances, atol=1e-5)
    assert np.all(matrix[0, 1:] < 0.99), "images must be told apart"
    if not release.model.endswith("_patch"):
        np.testing.assert_allclose(embeddings, vectors, atol=1e-5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("model", MODELS)
def test_similarity_is_one_minus_the_distance_of_the_package(model: str, tmp_path: Path) -> None:
    assert_parity(publish(model, tmp_path), side=48)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ensemble", "dinov2_vitb14"])
def test_parity_at_full_size(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every layer is read from the files; what it is initialised with need not be drawn.
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda layer: None)
    try:
        assert_parity(publish(model, tmp_path), side=48, count=2)
    finally:
        shutil.rmtree(tmp_path)


@pytest.fixture
def release(small: None, tmp_path: Path) -> Release:
    return publish("clip_vitb32", tmp_path)


@pytest.mark.parametrize("side", SIZES)
def test_images_are_preprocessed_as_upstream_does(release: Release, side: int) -> None:
    assert_parity(release, side)


def test_a_single_image_is_a_row_like_the_others(release: Release) -> None:
    images = pictures(48)
    (together,) = embedding.embed(images, "dreamsim:clip_vitb32", 224, release.files)
    one = PackedImages(images.images[:1], images.labels[:1])
    (alone,) = embedding.embed(one, "dreamsim:clip_vitb32", 224, release.files)
    np.testing.assert_allclose(alone, together[:1], atol=1e-5)


def test_torch_hub_is_left_as_it_was(small: None, tmp_path: Path) -> None:
    load, folder = torch.hub.load, torch.hub.get_dir()
    published = publish("dino_vitb16", tmp_path)
    torch.hub.set_dir(folder)
    list(embedding.embed(pictures(48), "dreamsim:dino_vitb16", 224, published.files))
    assert torch.hub.load is load
    assert torch.hub.get_dir() == folder


def test_models_and_addresses_are_those_of_the_package() -> None:
    assert set(MODELS) == set(config.dreamsim_weights)
    for model, address in config.dreamsim_weights.items():
        assert dreamsim.archive(model).url == address
    assert config.dreamsim_args["img_size"] == dreamsim.SIDE


def rewrite(release: Release, change: Callable[[Path], None]) -> None:
    """Change the files of the archive."""
    (archive,) = release.files.values()
    folder = archive.parent / "changed"
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    change(folder)
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))


def refusal(release: Release) -> str:
    with pytest.raises(InputError) as refused:
        list(embedding.embed(pictures(48), f"dreamsim:{release.model}", 224, release.files))
    return str(refused.value)


def test_a_truncated_archive_is_named(release: Release) -> None:
    (archive,) = release.files.values()
    archive.write_bytes(archive.read_bytes()[:1000])
    assert "dreamsim_clip_vitb32_checkpoint.zip: not a whole zip archive" in refusal(release)


def test_an_archive_without_a_checkpoint_is_not_completed_by_a_download(release: Release) -> None:
    rewrite(release, lambda folder: (folder / "clip_vitb32_pretrain.pth.tar").unlink())
    message = refusal(release)
    assert "checkpoint.zip: clip_vitb32_pretrain.pth.tar is missing in it" in message


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('code ran')",)


def test_a_checkpoint_that_would_run_code_is_refused(release: Release) -> None:
    def set_trap(folder: Path) -> None:
        torch.save({"state_dict": Trap()}, folder / "clip_vitb32_pretrain.pth.tar")

    rewrite(release, set_trap)
    assert "holds more than tensors" in refusal(release)


def test_weights_of_another_transformer_are_refused(small: None, tmp_path: Path) -> None:
    published = publish("dino_vitb16", tmp_path)
    torch.save({"cls_token": torch.zeros(1, 1, 8)}, published.files["dino_vitbase16_pretrain.pth"])
    assert "dino_vitbase16_pretrain.pth: not the weights of dino_vitb16" in refusal(published)
