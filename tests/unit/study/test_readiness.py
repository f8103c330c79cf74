"""What is not there is named before anything runs."""

from pathlib import Path

import pytest
from good_config import FOLDER, changed, good

from prunescope.study import readiness


def test_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert readiness.missing_files(good()) is None
    labels = {"source": "imagenet", "validation_labels": "kit"}
    config = changed({"datasets.clothes": {**FOLDER, **labels}})

    def said() -> str:
        message = readiness.missing_files(config)
        assert message is not None
        assert "docs/imagenet.md" in message
        return message

    assert "data/clothes (`datasets.clothes.folder`)" in said()
    assert f"seen from {tmp_path}" in said()
    (tmp_path / "data/clothes/train").mkdir(parents=True)
    assert "not there: data/clothes/val (`datasets.clothes.folder`), kit (`" in said()
    (tmp_path / "data/clothes/val").mkdir()
    assert "not there: kit (`datasets.clothes.validation_labels`) not found" in said()
    (tmp_path / "kit").mkdir()
    assert readiness.missing_files(config) is None
