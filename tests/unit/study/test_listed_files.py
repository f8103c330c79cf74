"""What a study knows of the files that it lists: their state, or what was listed of them."""

from pathlib import Path

import pytest
from imagefolders import make_image_folder, make_imagenet

from prunescope.data import image_tables
from prunescope.data.sources import imagenet
from prunescope.foundation import provenance
from prunescope.study import listed_files


@pytest.fixture(autouse=True)
def _new_process() -> None:
    forget()


def forget() -> None:
    """Within a process, a digest is computed once."""
    listed_files._of_stamps.cache_clear()
    listed_files._of_content.cache_clear()


def write_index(path: Path, listed: object) -> None:
    before = provenance.current()
    provenance.set_current({"params": {listed_files.PARAM: listed}})
    image_tables.INDEX.write(image_tables.INDEX.empty(), path)
    provenance.set_current(before)


@pytest.mark.parametrize("gone", ["images", "images/val", "labels.csv"])
def test_where_files_are_gone_what_was_listed_stands(tmp_path: Path, gone: str) -> None:
    folder, index = make_image_folder(tmp_path / "images"), tmp_path / "index.parquet"
    labels = tmp_path / "labels.csv"
    labels.write_text("file,synset\n")
    found = listed_files.digests(folder, [labels], index)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    assert listed_files.digests(folder, [labels], index) is None
    write_index(index, found)
    assert listed_files.digests(folder, [labels], index) == found
    index.write_bytes(b"damaged")
    assert listed_files.digests(folder, [labels], index) is None


@pytest.mark.parametrize("form", ["devkit", "devkit/data", "csv"])
def test_the_content_of_labels_counts_in_every_form(tmp_path: Path, form: str) -> None:
    folder = make_imagenet(tmp_path / "images", 3, 2, 2, flat_validation=True)
    truth = folder / "devkit/data/ILSVRC2012_validation_ground_truth.txt"
    labels, changed = folder / form, [truth, truth.with_name("meta.mat")]
    if form == "csv":
        labels, changed = folder / "validation_labels.csv", [folder / "validation_labels.csv"]
    others = imagenet.other_files({"validation_labels": str(labels)})
    assert [*others] == changed
    before = listed_files.digests(folder, others, tmp_path / "none")
    for path in changed:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"x")
        forget()
        assert listed_files.digests(folder, others, tmp_path / "none") != before
        path.write_bytes(content)


def test_sorted_images_need_no_other_file() -> None:
    assert imagenet.other_files({}) == imagenet.other_files({"validation_labels": None}) == ()
