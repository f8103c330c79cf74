"""Choices are files: a new one makes nothing stale, an edit of one just what uses it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workspaces import TINY, Workspace

from workflow.test_staleness import (
    COMPARED,
    CONFIG_EDITS,
    ESTIMATED,
    MEASURING,
    MODULES,
    Edit,
    measured,
)

pytestmark = pytest.mark.slow

REGISTRIES = {
    "criterion": "prune/criteria",
    "schedule": "prune/schedules",
    "source": "data/sources",
    "architecture": "networks/architectures",
    "family": "interpret/metrics/families",
}
# The methods of the tiny study rank by l1 alone: 6 networks are pruned.
PRUNED = {
    "prune_network": 6, "keep_pruned": 2, "retrain_network": 4,
    **measured(6, varied=3, compacted=2),
}  # fmt: skip
EMBEDDED = {"embed_probe": 1, "compare_probe": 1}
# All that is made of the images. The untrained network is made to look like the dense one.
OF_IMAGES = {
    "pack_dataset": 1, "sample_split": 2, "embed_probe": 2, "compare_probe": 2,
    "describe_architecture": 1, "export_graph": 1, "train_dense": 1,
    "initialise_network": 1, "prune_network": 6, "keep_pruned": 2, "retrain_network": 5,
    "count_images": 1, "score_trivial_units": 1, **MEASURING,
}  # fmt: skip
EDITS = {
    "the criterion of all methods": ("prune/criteria/l1.py", "np.abs(", "np.absolute(", PRUNED),
    "a criterion of no method": (
        "prune/criteria/l2.py", "np.square(weight", "np.square(+weight", {},
    ),
    "chance as a criterion": (
        "prune/criteria/random.py", "rng.random(", "rng.standard_normal(", {},
    ),
    # Rules ask a schedule for paths and fractions; how it finds them does not matter.
    "code of a schedule": ("prune/schedules/dense.py", "return rate", "return rate + 0", {}),
    "fractions of the schedule of a chain": (
        "prune/schedules/previous_rate.py", "return rate", "return rate / 2",
        {"prune_network": 2, "retrain_network": 2, **measured(2, varied=1, compacted=1)},
    ),
    "fractions of the schedule of the other networks": (
        "prune/schedules/dense.py", "return rate", "return rate / 2",
        {
            "prune_network": 4, "keep_pruned": 2, "retrain_network": 2,
            **measured(4, varied=2, compacted=1),
        },
    ),
    "the source of the images": (
        "data/sources/fashion_mnist.py", "labels.astype(np.int64)", "labels.astype('int64')",
        OF_IMAGES,
    ),
    "another source": (
        "data/sources/image_folder.py", "sorted(train)", "sorted(set(train))", {},
    ),
    "a source of no dataset": ("data/sources/imagenet.py", 'r"n[0-9]{8}"', 'r"n[0-9]{7}[0-9]"', {}),
    "the study's own metric": (
        "interpret/metrics/families/timm.py", "def load(", "UNUSED = 1\n\n\ndef load(",
        {**EMBEDDED, **COMPARED},
    ),
    "the metric of a variant": (
        "interpret/metrics/families/pixels.py", "keepdim=True", "keepdim=not False",
        {**EMBEDDED, "vary_scores": 6, **ESTIMATED},
    ),
    "a metric of no study": (
        "interpret/metrics/families/lpips.py", "def load(", "UNUSED = 1\n\n\ndef load(", {},
    ),
}  # fmt: skip


@pytest.fixture
def add() -> Iterator[Callable[[Path, str], None]]:
    """Write a new file for the length of a test."""
    added: list[Path] = []

    def write(path: Path, text: str) -> None:
        assert not path.exists()
        added.append(path)
        path.write_text(text, encoding="utf-8")

    yield write
    for path in added:
        path.unlink()


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_new_choice_makes_nothing_stale(
    finished: Workspace, add: Callable[[Path, str], None], kind: str
) -> None:
    """Even one that is a copy of what the study uses."""
    folder = finished.path(f"{MODULES}/{REGISTRIES[kind]}")
    first = min(path for path in folder.glob("[a-z]*.py"))
    add(folder / "added.py", first.read_text(encoding="utf-8"))
    assert finished.stale() == {}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_a_choice_reruns_what_uses_it(
    finished: Workspace, edit: Edit, name: str
) -> None:
    path, old, new, expected = EDITS[name]
    edit(finished.path(f"{MODULES}/{path}"), old, new)
    assert finished.stale() == expected


def test_an_edit_of_the_architecture_reruns_all_but_the_images(
    finished: Workspace, edit: Edit
) -> None:
    edit(
        finished.path(f"{MODULES}/networks/architectures/torchvision.py"),
        "weights=None",
        "weights=None or None",
    )
    _, _, expected = CONFIG_EDITS["auxiliary heads"]
    assert finished.stale() == expected


def test_a_method_with_another_criterion_is_stale_with_it_alone(
    finished: Workspace, edit: Edit
) -> None:
    """An edit of the criterion changes nothing more than the choice of it."""
    old, new, expected = CONFIG_EDITS["criterion of one method"]
    edit(finished.path(TINY), old, new)
    edit(finished.path(f"{MODULES}/prune/criteria/l2.py"), "np.square(weight", "np.square(+weight")
    assert finished.stale() == {**expected, "describe_config": 1}
