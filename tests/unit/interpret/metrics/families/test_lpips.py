"""LPIPS against its authors' package, on the same random weights in the same files."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics import catalogue, comparison, embedding
from prunescope.interpret.metrics.families import lpips as lpips_module

lpips = pytest.importorskip("lpips", reason="needs the optional environment: make perceptual")

TRUNKS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def pictures(side: int = 64, count: int = 3) -> PackedImages:
    images = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    images[1] = np.clip(images[0] * 0.9 + 12, 0, 255)
    return PackedImages(images, np.zeros(count, dtype=np.int64))


@pytest.fixture(autouse=True)
def small_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out most of the classifiers: LPIPS does not use them, and they fill the disk."""

    class Small(torch.nn.Linear):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__(min(inputs, 8), min(outputs, 8))

    monkeypatch.setattr(torch.nn, "Linear", Small)


@pytest.fixture
def weights(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Random weights in the file in which torchvision publishes the trained ones."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, TRUNKS[request.param])(weights=None)
    name, _ = lpips_module.TRUNKS[request.param]
    path = tmp_path / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    return path


EVERY_TRUNK = pytest.mark.parametrize(
    ("net", "weights"), [(net, net) for net in TRUNKS], indirect=["weights"]
)
ALEX = pytest.mark.parametrize("weights", ["alex"], indirect=True)


def upstream_of(net: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """The package's own metric; torchvision finds the weights where it would download them to."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(weights.parents[1]))
    return lpips.LPIPS(net=net, verbose=False)


def matrix_of(net: str, weights: Path, images: PackedImages, side: int) -> np.ndarray:
    metric = f"lpips:{net}"
    parts = list(embedding.embed(images, metric, side, {weights.name: weights}))
    return comparison.compare(np.concatenate(parts), distance=catalogue.find(metric).distance)


@EVERY_TRUNK
def test_similarity_is_one_minus_the_distance_of_the_package(
    net: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures()
    upstream = upstream_of(net, weights, monkeypatch)
    pixels = torch.from_numpy(images.images).float() / 255
    with torch.inference_mode():
        distances = upstream(pixels[[0, 0, 1]], pixels[[1, 2, 2]], normalize=True).flatten()
    matrix = matrix_of(net, weights, images, side=64)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(1 - matrix[np.triu_indices(3, 1)], distances, atol=1e-5)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    assert matrix[0, 1] > matrix[0, 2] + 1e-3, "images must be told apart"


@ALEX
def test_the_sum_over_blocks_of_features_is_the_sum(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = matrix_of("alex", weights, pictures(), side=64)
    monkeypatch.setattr(comparison, "FEATURES", 1000)
    np.testing.assert_allclose(matrix_of("alex", weights, pictures(), side=64), whole, atol=1e-6)


@ALEX
def test_images_are_seen_at_the_size_of_the_config(weights: Path) -> None:
    images = pictures(side=40)
    (vectors,) = embedding.embed(images, "lpips:alex", 40, {weights.name: weights})
    (larger,) = embedding.embed(images, "lpips:alex", 80, {weights.name: weights})
    assert larger.shape[1] > 2 * vectors.shape[1]


def test_the_roots_of_the_carried_weights_exist() -> None:
    for net in TRUNKS:
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        assert all((linear.model[-1].weight >= 0).all() for linear in network.lins)


@ALEX
def test_a_truncated_file_is_named(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-5000])
    with pytest.raises(InputError, match=rf"{weights.name}: not a whole file of weights"):
        matrix_of("alex", weights, pictures(), side=64)


@ALEX
def test_weights_of_another_network_are_refused(weights: Path) -> None:
    with pytest.raises(InputError, match=rf"{weights.name}: .*features\.\d+.*is missing"):
        matrix_of("squeeze", weights, pictures(), side=64)
