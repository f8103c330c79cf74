"""A file of one's own network: what it imports is watched, faults in it are told.

That every step takes such a network is seen in `test_first_study`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import Workspace, temporary_project

from prunescope.networks import architecture, architecture_files

pytestmark = pytest.mark.slow

CONFIG = "config/own.yaml"
BESIDE = "nets/parts/blocks.py"
SCORES = "results/own/networks/structured/none/rate0.60/seed0/mis.parquet"
STUDY: dict[str, Any] = {
    "study": "own",
    "extends": "tiny.yaml",
    "model": {
        "architecture": "file:nets/own.py:small",
        "options": {"init_weights": None, "width": 6},
    },
    "pruning": {"exclude": ["first", "classifier"]},
}
DESCRIBED = architecture.file_of(
    "fashion_mnist_tiny",
    {
        "architecture": STUDY["model"]["architecture"],
        "options": {"width": 6},
        "auxiliary_heads": False,
    },
)
OWN = '''"""A small residual network."""

from torch import nn

from parts.blocks import Block


def small(num_classes, width=8):
    """One block."""
    return Net(num_classes, width)


class Net(nn.Module):
    """A stem, a block and a classifier."""

    def __init__(self, num_classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.block = Block(width)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, images):
        maps = nn.functional.relu(self.bn1(self.conv1(images)))
        return self.fc(self.block(maps).mean((2, 3)))
'''
BLOCKS = '''"""Blocks."""

from torch import nn


class Block(nn.Module):
    """A residual block."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps):
        return maps + nn.functional.relu(self.conv(maps))
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project in which the network was described."""
    with temporary_project(tmp_path_factory, "own") as workspace:
        workspace.path("nets/parts").mkdir(parents=True)
        workspace.path("nets/own.py").write_text(OWN)
        workspace.path(BESIDE).write_text(BLOCKS)
        workspace.path(CONFIG).write_text(yaml.safe_dump(STUDY))
        done = workspace.snakemake("--", DESCRIBED, config=CONFIG)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield workspace


def test_the_architecture_is_described_with_its_options(made: Workspace) -> None:
    described = architecture_files.load(made.path(DESCRIBED))
    assert [layer.name for layer in described.layers] == ["conv1", "block.conv", "fc"]
    assert described.parameters == 6 * 27 + 2 * 6 + 6 * 6 * 9 + 6 + 10 * 6 + 10


def test_edits_of_what_it_imports_rerun_what_uses_it(
    made: Workspace, edit: Callable[[Path, str, str], None]
) -> None:
    assert made.stale(CONFIG, DESCRIBED) == {}
    edit(made.path(BESIDE), '"""A residual block."""', '"""A block."""  # and a note')
    edit(made.path("nets/own.py"), "def small", "# The only one.\ndef small")
    assert made.stale(CONFIG, DESCRIBED) == {}
    edit(made.path(BESIDE), "functional.relu", "functional.gelu")
    assert made.stale(CONFIG, DESCRIBED) == {"describe_architecture": 1}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # Found when the config is read.
        ("def forward(self, maps):", "def forward(self, maps:", "blocks.py: cannot be read as"),
        ("from torch import nn", "from .none import nn", "there is no module parts.none"),
        # Found by the first job.
        ("nn.Conv2d(width", "nm.Conv2d(width", "nets/parts/blocks.py, line 11, in __init__: Name"),
        ("return maps +", "return maps[..., :-1] +", "does not take images of 32 x 32 pixels"),
    ],
)
def test_a_fault_is_one_error_with_its_line(
    made: Workspace, edit: Callable[[Path, str, str], None], old: str, new: str, told: str
) -> None:
    edit(made.path(BESIDE), old, new)
    done = made.snakemake("--", DESCRIBED, config=CONFIG)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
    assert "Traceback (most recent call last)" not in done.stdout + done.stderr


def test_a_network_without_batch_norms_is_not_recalibrated(made: Workspace) -> None:
    file = "nets/bare.py"
    made.path(file).write_text(
        "from torch import nn\n\n\ndef bare(num_classes):\n"
        "    body = nn.Conv2d(3, 4, 32), nn.Flatten()\n"
        "    return nn.Sequential(*body, nn.Linear(4, num_classes))\n"
    )
    study = STUDY | {
        "model": {"architecture": f"file:{file}:bare", "options": {"init_weights": None}},
        "retraining": {
            "anew": {
                "start": "dense",
                "mask": "enforced",
                "recipe": None,
                "recalibration": {"images": 64, "batch": 32},
            }
        },
    }
    study["pruning"] = {
        "exclude": ["classifier"],
        "methods": {"structured": {"retraining": ["none", "anew"]}},
    }
    made.path("config/bare.yaml").write_text(yaml.safe_dump(study))
    # The first job that builds the network, before any training.
    done = made.snakemake("--", SCORES, config="config/bare.yaml")
    assert done.returncode != 0
    assert "retraining.anew.recalibration: the network has no batch norm whose" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
