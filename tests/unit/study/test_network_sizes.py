"""How large networks are said to be before they are made, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
from good_config import changed, good

from prunescope.networks import architecture, architecture_files
from prunescope.networks.description import Layer
from prunescope.study import network_sizes, remaining_work
from prunescope.study.config.checking import check
from prunescope.study.resources import UNKNOWN_MINUTES, JobResources
from prunescope.study.study import Study


def config(**model: Any) -> dict[str, Any]:
    changes = {f"model.{key}": value for key, value in model.items()}
    return check(changed(changes)).model_dump()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_googlenet_is_known_before_it_is_described() -> None:
    size = network_sizes.of_study(config())
    assert size == network_sizes.NetworkSize(6_624_904, 8_280, 21)
    with_heads = network_sizes.of_study(config(auxiliary_heads=True))
    assert with_heads == network_sizes.NetworkSize(13_004_888, 8_280, 21)


def test_other_networks_of_torchvision_take_time_as_they_compute() -> None:
    size = network_sizes.of_study(config(architecture="torchvision:resnet50"))
    assert size is not None
    assert size.parameters == 25_557_032  # as torchvision documents it
    # 4.089 and 1.498 are the GFLOPS of torchvision's documentation.
    assert size.epoch_minutes == pytest.approx(21 * 4.089 / 1.498)


def test_networks_from_elsewhere_are_unknown_until_they_are_described() -> None:
    unknown = config(architecture="timm:resnet18")
    assert network_sizes.of_study(unknown) is None
    assert remaining_work.expected_bytes(Path("a/network.safetensors"), unknown) is None
    layers = (
        Layer("conv", "conv2d", (4, 3, 3, 3), (8, 8)),
        Layer("again", "linear", (5, 4), (1, 1), runs=3),
        Layer("inside", "linear", (6, 4), (1, 1), not_measured="used by a function"),
        Layer("aux", "linear", (7, 4), (0, 0), auxiliary=True),
    )
    path = architecture.file_of(unknown["dataset"], unknown["model"])
    found = architecture_files.Architecture(layers, parameters=1_000, macs=749_000_000)
    architecture_files.save(found, path)
    size = network_sizes.of_study(unknown)
    assert size == network_sizes.NetworkSize(1_000, 4 + 3 * 5, pytest.approx(10.5))
    assert remaining_work.expected_bytes(Path("a/network.safetensors"), unknown) == 4_000


def test_a_study_of_given_scores_has_no_networks() -> None:
    assert network_sizes.of_study({"study": "given"}) is None


def test_the_plan_says_where_its_minutes_come_from() -> None:
    job = remaining_work.Job("train_dense", (), 1, 1, 30, expected=60.0)
    needs = remaining_work.needs([job], {}, {}, lambda _: None)
    assert "are 21 minutes for each epoch of their recipe, as on one RTX" in remaining_work.render(
        needs, 21
    )
    told = remaining_work.render(needs, 57.3)
    assert "are 57 minutes for each epoch of their recipe, 21 of GoogLeNet on one RTX" in told


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("torchvision:googlenet", 21),
        ("timm:resnet18", UNKNOWN_MINUTES),
    ],
)
def test_a_training_asks_for_time_by_the_size_of_its_network(name: str, minutes: int) -> None:
    study = Study({**good(), "model": config(architecture=name)["model"]})
    asked = JobResources(study).training_minutes(None, attempt=2)
    assert asked == 2 * (60 + int(1.2 * minutes))


def test_a_description_of_an_earlier_version_is_made_anew_before_it_is_read() -> None:
    chosen = config()
    path = Path(architecture.file_of(chosen["dataset"], chosen["model"]))
    path.parent.mkdir(parents=True)
    path.write_text('{"architecture": {"layers": []}, "provenance": {}}')
    assert network_sizes.of_study(chosen) == network_sizes.NetworkSize(6_624_904, 8_280, 21)
