"""What the check of an ONNX file says of good files, of damaged ones, and of others."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from prunescope.compact.graph import onnx_models
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node
from prunescope.evaluate import network_tables
from prunescope.foundation import arrays
from prunescope.networks.description import Description

TOOL = Path(__file__).resolve().parents[3] / "workflow_scripts/tools/check_onnx.py"
MODEL = "results/small/networks/structured/one_shot/rate0.60/seed0/compact.onnx"
PREDICTIONS = MODEL.replace("compact.onnx", "predictions.parquet")
SPLIT = "results/datasets/clothes/validation"
CLASSES, SIDE, IMAGES = 3, 8, 12
LABELS = np.arange(IMAGES) % CLASSES


def write_model(path: str) -> None:
    """A network that gives each image the class of its brightest channel."""
    mean = {"kind": "mean", "over": (2, 3), "keep": False}
    graph = Graph(
        (
            Node("mean", "reduce", (INPUT,), mean, (1, 3)),
            Node("fc", "linear", ("mean",), {}, (1, CLASSES)),
        ),
        (1, 3, SIDE, SIDE),
    )
    tensors = {"fc.weight": np.eye(CLASSES, dtype=np.float32)}
    description = Description(
        "torchvision:googlenet",
        CLASSES,
        SIDE,
        (0.5,) * 3,
        (0.5,) * 3,
        options={"init_weights": False},
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(onnx_models.to_onnx(graph, tensors, description))


def write_split(folder: str, labels: np.ndarray = LABELS, side: int = SIDE) -> None:
    images = np.zeros((len(labels), 3, side, side), dtype=np.uint8)
    images[np.arange(len(labels)), np.arange(len(labels)) % 3] = 200
    arrays.save_array(images, f"{folder}/images.npy")
    arrays.save_array(labels, f"{folder}/labels.npy")


def write_predictions(path: str, labels: np.ndarray = LABELS) -> None:
    frame = pl.DataFrame(
        {
            "image": range(len(labels)), "label": labels, "loss": 0.0, "p_label": 1.0,
            "top5": [[label, 1] for label in labels],
        }
    )  # fmt: skip
    network_tables.PREDICTIONS.write(network_tables.PREDICTIONS.conform(frame), path)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compact network, its predictions and a split, as jobs leave them, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_model(MODEL)
    write_split(SPLIT)
    write_predictions(PREDICTIONS)
    return tmp_path


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [str(TOOL), *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOL), run_name="__main__")
        assert isinstance(ended.value.code, str)
        return ended.value.code

    return run


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [str(TOOL), *arguments])
        runpy.run_path(str(TOOL), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("ending", ["", "/", "/."])
def test_a_good_network(study: Path, told: Callable[..., str], ending: str) -> None:
    assert told(MODEL, SPLIT + ending) == (
        f"{MODEL}: 12 of 12 images right, top-1 1.0000; 12 answers as in predictions.parquet\n"
    )


def test_predictions_of_other_images_are_not_compared(
    study: Path, told: Callable[..., str]
) -> None:
    write_split("results/datasets/clothes/probe", LABELS[:9])
    message = told(MODEL, "results/datasets/clothes/probe")
    assert "9 of 9 images right" in message
    assert "predictions.parquet beside the model is of other images" in message
    Path(PREDICTIONS).unlink()
    assert told(MODEL, SPLIT).endswith("top-1 1.0000\n")


@pytest.mark.parametrize(
    ("labels", "side", "reason"),
    [
        (LABELS, 16, "its images are 3 x 16 x 16, the network takes 3 x 8 x 8. Name a split of"),
        (LABELS + 5, SIDE, "has a class 7, the network knows 0 to 2. Name a split of the dataset"),
        (LABELS[:0], SIDE, "holds no image"),
    ],
)
def test_a_split_that_does_not_fit_is_not_a_damaged_file(
    study: Path, refusal: Callable[..., str], labels: np.ndarray, side: int, reason: str
) -> None:
    write_split("results/datasets/other/validation", labels, side)
    message = refusal(MODEL, "results/datasets/other/validation")
    assert message.startswith(f"results/datasets/other/validation: {reason}")
    assert "ebuild" not in message


def test_what_cannot_be_opened_is_not_damaged(study: Path, refusal: Callable[..., str]) -> None:
    folder = str(Path(MODEL).parent)
    (study / "broken.onnx").symlink_to("nowhere.onnx")
    cases = {
        ("none.onnx", SPLIT): "none.onnx: No such file or directory. Put it there, or name another",
        ("broken.onnx", SPLIT): "broken.onnx: a link to nowhere.onnx, which is gone",
        (folder, SPLIT): f"{folder}: Is a directory",
        (MODEL, folder): f"{folder}/images.npy: No such file or directory",
        (MODEL, f"{SPLIT}/images.npy"): f"{SPLIT}/images.npy/images.npy: Not a directory",
    }
    for arguments, beginning in cases.items():
        message = refusal(*arguments)
        assert message.startswith(beginning)
        assert "ebuild" not in message


def test_a_model_of_others_is_said_to_be_one(study: Path, refusal: Callable[..., str]) -> None:
    model = onnx.load(MODEL)
    for foreign in ({}, {"author": "not JSON"}):
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, foreign)
        onnx.save(model, "foreign.onnx")
        message = refusal("foreign.onnx", SPLIT)
        assert message.startswith("foreign.onnx: is an ONNX model, but not a compact network")
        assert "ebuild" not in message


def test_a_runtime_that_cannot_run_a_whole_model(study: Path, refusal: Callable[..., str]) -> None:
    model = onnx.load(MODEL)
    model.graph.node[0].domain = "mine"
    model.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    onnx.save(model, MODEL)
    message = refusal(MODEL, SPLIT)
    assert message.startswith(f"{MODEL}: is whole, but onnxruntime cannot run it here: ")
    assert "ebuild" not in message


@pytest.mark.parametrize("path", [MODEL, PREDICTIONS, f"{SPLIT}/images.npy", f"{SPLIT}/labels.npy"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_damaged_file_is_made_anew_by_the_path_that_snakemake_knows(
    study: Path, refusal: Callable[..., str], path: str, absolute: bool
) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:-20])
    arguments = (study / MODEL, study / SPLIT) if absolute else (MODEL, SPLIT)
    message = refusal(*map(str, arguments))
    assert "not a whole" in message
    assert f"Rebuild it: `.venv/bin/snakemake --cores all --force {path}`" in message


def test_a_damaged_copy_is_copied_again(study: Path, refusal: Callable[..., str]) -> None:
    Path("copy.onnx").write_bytes(Path(MODEL).read_bytes()[:-20])
    message = refusal("copy.onnx", SPLIT)
    assert "copy.onnx: not a whole ONNX model" in message
    assert message.endswith("Copy it again from the project that made it")
