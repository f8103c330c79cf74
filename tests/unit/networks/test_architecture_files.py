"""Descriptions of architectures on disk."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prunescope.foundation import provenance
from prunescope.foundation.errors import InputError
from prunescope.networks import architecture_files
from prunescope.networks.architecture_files import Architecture, Carried, Group, Member
from prunescope.networks.description import Layer

STEM = Layer("stem", "conv2d", (8, 3, 3, 3), (4, 4), "norm", unreached=((0, 0), (2, 1)), groups=1)
HEAD = Layer("head", "linear", (2, 8), (5, 1), unit_axis=-1, runs=2, block="head")
EXAMPLE = Architecture(
    layers=(STEM, HEAD),
    coupled=(
        Group(
            (Member("stem", "out", 0), Member("head", "in", 0)),
            8,
            "layer_norm",
            (Carried("token", "cat", 2, 0),),
        ),
    ),
    removable={"stem": "layer_norm", "head": "output"},
    parameters=240,
    macs=3464,
    batch_norms=1,
    unmeasured_parameters={"attention.in_proj_weight": "computed as a function"},
    parameter_macs={"attention.in_proj_weight": 240},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"

    architecture_files.save(EXAMPLE, path)

    assert architecture_files.load(path) == EXAMPLE


def test_the_file_says_how_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "architecture.json"
    monkeypatch.setattr(provenance, "current", lambda: {"rule": "describe_architecture"})

    architecture_files.save(EXAMPLE, path)

    assert json.loads(path.read_text())["provenance"] == {"rule": "describe_architecture"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"architecture": {"layers": []}}', '{"a'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "architecture.json"
    path.write_text(content)

    with pytest.raises(InputError, match=r"architecture\.json: not a whole description"):
        architecture_files.load(path)


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys; import prunescope.networks.architecture_files; print('torch' in sys.modules)"
    )
    scripts = Path(__file__).resolve().parents[3] / "workflow_scripts"

    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    ).stdout

    assert printed.strip() == "False"
