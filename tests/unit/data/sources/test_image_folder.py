"""Folders of images are listed as torchvision lists them."""

from pathlib import Path

from imagefolders import SMALL, make_image_folder, rows
from torchvision.datasets import ImageFolder

from prunescope.data.sources import image_folder


def test_files_and_labels_are_torchvisions(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path, ("cat", "Bee", "ant"), 3, 2, SMALL)
    for index, split in zip(image_folder.index(folder, {}), ("train", "val"), strict=True):
        oracle = ImageFolder(str(folder / split))
        expected = [(str(Path(path).relative_to(folder)), label) for path, label in oracle.samples]
        assert rows(index) == expected
        assert index["class"].to_list() == [oracle.classes[label] for label in index["label"]]
        assert index["image"].to_list() == list(range(len(expected)))
        assert set(index["source_split"]) == {split}
