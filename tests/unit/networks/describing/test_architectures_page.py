"""docs/architectures.md says what describing finds out today."""

import re
from pathlib import Path

import pytest
from files import load_module

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
maker = load_module(ROOT / "docs" / "make_architectures.py")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", "torchvision:resnet18"])
def test_rows_are_up_to_date(name: str) -> None:
    row, _ = maker.describe_row(name)
    assert row in PAGE, "run docs/make_architectures.py"


def test_no_other_architecture_has_a_row() -> None:
    named = re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE)
    assert set(named) <= set(maker.NAMES)
    assert len(named) == len(set(named))
