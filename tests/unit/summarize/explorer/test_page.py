"""The page of the explorer is safe to open anywhere."""

import re
from pathlib import Path

import explorers
import polars as pl
import pytest

from prunescope.summarize.explorer import page


def test_classes_without_an_image_have_no_name() -> None:
    index = pl.DataFrame({"label": [2, 0, 2], "class": ["two", "none", "two"]})
    assert page.classes(index) == ["none", "", "two"]


def test_units_out_of_order_are_refused() -> None:
    units = explorers.units()
    with pytest.raises(ValueError, match="layer by layer"):
        page.layers(units.reverse())


def test_the_digest_of_the_page_follows_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "STATIC", tmp_path)
    (tmp_path / "app.js").write_text("one")
    before = page.page_digest()
    (tmp_path / "app.js").touch()
    assert page.page_digest() == before
    (tmp_path / "app.js").write_text("two")
    assert page.page_digest() != before


def test_the_page_asks_nobody_and_runs_no_text() -> None:
    parts = {name: content.decode() for name, content in page.page_files().items()}
    assert set(parts) == {"index.html", "app.js", "style.css"}
    assert "default-src 'none'" in parts["index.html"]
    for text in parts.values():
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
        assert not re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
        )
