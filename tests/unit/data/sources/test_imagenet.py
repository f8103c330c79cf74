"""Images by synset, and labels of flat validation images."""

from pathlib import Path

import pytest
from imagefolders import (
    SMALL,
    make_image_folder,
    make_imagenet,
    rows,
    synset_names,
    write_devkit,
    write_lines,
)

from prunescope.data.sources import image_folder, imagenet
from prunescope.foundation.errors import InputError

CSV = "validation_labels.csv"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    return make_imagenet(tmp_path, 4, 2, 3, SMALL, flat_validation=True)


def test_imagenet_by_synset_is_an_image_folder(tmp_path: Path) -> None:
    make_imagenet(tmp_path, 3, 2, 2, SMALL)
    train, test = imagenet.index(tmp_path, {})
    assert rows(train) == rows(image_folder.index(tmp_path, {})[0])
    assert rows(test) == rows(image_folder.index(tmp_path, {})[1])
    assert test["class"].unique().sort().to_list() == synset_names(3)


def test_folders_that_are_no_synsets_are_refused(tmp_path: Path) -> None:
    make_image_folder(tmp_path, ("n01440764", "tench"), 1, 1, SMALL)
    with pytest.raises(InputError, match=r"tench is no synset .*source: image_folder"):
        imagenet.index(tmp_path, {})


@pytest.mark.parametrize("split", ["train", "val"])
def test_synsets_of_one_split_only_are_named(tmp_path: Path, split: str) -> None:
    make_imagenet(tmp_path, 3, 2, 2, SMALL)
    other = tmp_path / split / "n09999999"
    (tmp_path / split / synset_names(1)[0]).rename(other)
    with pytest.raises(InputError, match=rf"only in {split}/: n09999999"):
        imagenet.index(tmp_path, {})


@pytest.mark.parametrize(
    "labels",
    [
        CSV,
        "LOC_val_solution.csv",
        "devkit",
        "devkit/data",
        "devkit/data/ILSVRC2012_validation_ground_truth.txt",
    ],
)
def test_flat_images_get_the_labels_they_were_made_with(tmp_path: Path, labels: str) -> None:
    by_synset = make_imagenet(tmp_path / "a", 4, 2, 3, SMALL)
    flat = make_imagenet(tmp_path / "b", 4, 2, 3, SMALL, flat_validation=True)
    # The same seed makes the same images: the content tells the class.
    contents = {path.read_bytes(): path.parent.name for path in by_synset.glob("val/*/*")}
    _, test = imagenet.index(flat, {"validation_labels": str(flat / labels)})
    assert len(test) == len(contents) == 12
    names = synset_names(4)
    for file, label, name in zip(test["file"], test["label"], test["class"], strict=True):
        assert name == contents[(flat / file).read_bytes()] == names[label]


def test_devkit_ids_are_not_the_order_of_synsets(tmp_path: Path) -> None:
    ids = {"n00000001": 3, "n00000002": 1, "n00000003": 2}
    write_devkit(tmp_path, ids, [1, 1, 3, 2])
    assert list(imagenet.read_validation_labels(tmp_path).items()) == [
        ("ILSVRC2012_val_00000001", "n00000002"),
        ("ILSVRC2012_val_00000002", "n00000002"),
        ("ILSVRC2012_val_00000003", "n00000001"),
        ("ILSVRC2012_val_00000004", "n00000003"),
    ]


def test_flat_images_need_labels(flat: Path) -> None:
    with pytest.raises(InputError, match=r"holds images, not folders.*validation_labels"):
        imagenet.index(flat, {})


def test_labels_for_sorted_images_are_refused(tmp_path: Path) -> None:
    make_imagenet(tmp_path, 2, 1, 1, SMALL)
    with pytest.raises(InputError, match=r"validation_labels: some\.csv.*Set it to null"):
        imagenet.index(tmp_path, {"validation_labels": "some.csv"})


def test_an_empty_validation_folder_is_named(flat: Path) -> None:
    (flat / "val").rename(flat / "old")
    (flat / "val").mkdir()
    with pytest.raises(InputError, match=r"/val: no images, neither"):
        imagenet.index(flat, {"validation_labels": str(flat / CSV)})


def test_an_image_without_a_label_is_named(flat: Path) -> None:
    lines = (flat / CSV).read_text().splitlines()
    write_lines(flat / CSV, *lines[:5], *lines[6:])
    with pytest.raises(InputError, match=r"no label for 1 of the 12 images .*00000005\.JPEG"):
        imagenet.index(flat, {"validation_labels": str(flat / CSV)})


def test_a_label_of_an_unknown_class_is_named(flat: Path) -> None:
    text = (flat / CSV).read_text()
    (flat / CSV).write_text(text.replace(synset_names(1)[0], "n09999999"))
    with pytest.raises(InputError, match=r"synset n09999999 has no folder in .*train"):
        imagenet.index(flat, {"validation_labels": str(flat / CSV)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line is ''"),
        (b"name,class\na,b\n", "the first line is 'name,class'.*'file,synset'.*'ImageId"),
        (b"file,synset\na.JPEG,tench\n", "line 2: 'tench' is no synset"),
        (b"file,synset\na.JPEG\n", "line 2: None is no synset"),
        (b"file,synset\na,n00000001\na,n00000002\n", "line 3: two labels for a"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_damaged_csv_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"labels.csv: {message}"):
        imagenet.read_validation_labels(path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,synset\na.JPEG,n00000001\n", encoding="utf-8-sig")
    assert imagenet.read_validation_labels(tmp_path / "a.csv") == {"a": "n00000001"}


def test_labels_that_are_nowhere_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a CSV file nor the folder"):
        imagenet.read_validation_labels(tmp_path / "none.csv")


@pytest.mark.parametrize("line", ["7", "x", ""])
def test_a_damaged_ground_truth_is_named(tmp_path: Path, line: str) -> None:
    write_devkit(tmp_path, {"n00000001": 1}, [1])
    truth = tmp_path / "data" / imagenet.GROUND_TRUTH
    write_lines(truth, 1, line)
    if line:
        with pytest.raises(InputError, match=r"ground_truth\.txt: must hold one id"):
            imagenet.read_validation_labels(tmp_path)
    else:  # an empty line at the end
        assert len(imagenet.read_validation_labels(tmp_path)) == 1


@pytest.mark.parametrize("content", [b"", b"no matrix at all, but a text of some length" * 9])
def test_a_damaged_meta_is_named(tmp_path: Path, content: bytes) -> None:
    write_devkit(tmp_path, {"n00000001": 1}, [1])
    (tmp_path / "data/meta.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"meta\.mat: not the meta\.mat of ILSVRC2012"):
        imagenet.read_validation_labels(tmp_path)
