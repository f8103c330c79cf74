"""Copies of train images: those that Pillow makes, in order, the same after a kill anywhere."""

import io
import json
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from imagefolders import add_oddities, make_image_folder
from PIL import Image

from prunescope.data import decoding
from prunescope.data.copies import writing
from prunescope.data.copies.writing import CopySettings
from prunescope.data.watching import stamps
from prunescope.foundation import whole_files
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError, SupersededError

SIDE, QUALITY = 50, 80
JOB = """
import json, os, signal, sys
from pathlib import Path
from prunescope.data.copies import writing
from prunescope.data.watching import stamps
folder, target, files, chunk, last = sys.argv[1:]
writing.CHUNK = int(chunk)
names = json.loads(Path(files).read_text())
write, count = writing._append, 0
def watched(file, parts):
    global count
    count += 1
    if count == int(last):
        file.write(b"".join(parts)[:30])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, parts)
writing._append = watched
table = writing.write(
    names, stamps.of_files(Path(folder), names), writing.CopySettings(folder, "skip", 50, 80),
    target, target + ".unfinished", code="code", threads=2,
)
table.write_json(target + ".json")
"""


@pytest.fixture
def settings(tmp_path: Path) -> CopySettings:
    make_image_folder(tmp_path / "images", ("ant", "bee"), train_per_class=10, val_per_class=1)
    return CopySettings(str(tmp_path / "images"), "fail", SIDE, QUALITY)


def files_of(settings: CopySettings) -> list[str]:
    """The train files, last first."""
    folder = Path(settings.folder)
    return [str(path.relative_to(folder)) for path in sorted(folder.glob("train/*/*"))[::-1]]


def write(settings: CopySettings, folder: Path, code: str = "code") -> pl.DataFrame:
    files = files_of(settings)
    listed = stamps.of_files(Path(settings.folder), files)
    return writing.write(
        files, listed, settings, folder / "copies.bin", folder / "copies.unfinished",
        code=code, threads=2,
    )  # fmt: skip


def pillows_copy(path: Path, side: int = SIDE, quality: int = QUALITY) -> bytes:
    """The copy of a file, with Pillow alone."""
    with Image.open(path) as opened:
        return pillows_copy_of(opened.convert("RGB"), side, quality)


def pillows_copy_of(image: Image.Image, side: int = SIDE, quality: int = QUALITY) -> bytes:
    """The copy of an upright image, with Pillow alone."""
    if min(image.size) > side:
        scale = side / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def test_the_copies_are_pillows_one_after_the_other(settings: CopySettings, tmp_path: Path) -> None:
    table = write(settings, tmp_path)
    paths = [Path(settings.folder) / name for name in files_of(settings)]
    expected = [pillows_copy(path) for path in paths]
    content = (tmp_path / "copies.bin").read_bytes()
    assert content == b"".join(expected)
    assert table["file"].to_list() == files_of(settings)
    for row, copy, path in zip(table.iter_rows(named=True), expected, paths, strict=True):
        assert content[row["start"] :][: row["bytes"]] == copy
        assert row["crc32"] == zlib.crc32(copy)
        with Image.open(path) as original, Image.open(io.BytesIO(copy)) as small:
            assert (row["width"], row["height"]) == original.size
            assert min(small.size) == SIDE
    assert table["damage"].null_count() == len(paths)
    assert not list(tmp_path.glob("*unfinished*"))


def test_images_are_made_smaller_but_never_larger(tmp_path: Path) -> None:
    def size(width: int, height: int) -> tuple[int, int]:
        return writing.shrink(Image.new("RGB", (width, height)), 50).size

    assert size(100, 200) == (50, 100)
    assert size(200, 101) == (99, 50)
    assert size(50, 60) == (50, 60)
    assert size(30, 400) == (30, 400)
    # libjpeg refuses longer ones.
    assert size(70_000, 10) == (65_500, 10)
    writing.shrink(Image.new("RGB", (70_000, 10)), 50).save(tmp_path / "long.jpg")


def test_odd_files_become_upright_rgb_and_damaged_ones_get_no_copy(
    settings: CopySettings, tmp_path: Path
) -> None:
    odd = add_oddities(Path(settings.folder) / "train/ant")
    table = write(replace(settings, on_error="skip"), tmp_path)
    content = (tmp_path / "copies.bin").read_bytes()
    rows = {Path(row["file"]): row for row in table.iter_rows(named=True)}
    for kind, path in odd.items():
        row = rows[path.relative_to(settings.folder)]
        copy = content[row["start"] :][: row["bytes"]]
        if kind in ("truncated", "corrupt"):
            assert f"({kind})" in row["damage"]
            assert (copy, row["width"], row["height"]) == (b"", 0, 0)
            continue
        upright = decoding.decode(path)[0]
        assert (row["width"], row["height"]) == upright.size
        assert copy == pillows_copy_of(upright)
        with Image.open(io.BytesIO(copy)) as small:
            assert small.mode == "RGB"
    assert len(table) == 20 + len(odd)
    assert table["damage"].null_count() == len(table) - 2


def test_a_damaged_file_stops_the_job_which_goes_on_when_it_is_mended(
    settings: CopySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHUNK", 4)
    path = Path(settings.folder) / files_of(settings)[13]
    content = path.read_bytes()
    path.write_bytes(content[:500])
    with pytest.raises(InputError, match=rf"{path}: .*\(truncated\).*`datasets.<name>.on_error"):
        write(settings, tmp_path)
    assert not (tmp_path / "copies.bin").exists()
    path.write_bytes(content)
    read: list[Path] = []
    decode = decoding.decode

    def watched(path: Path) -> tuple:
        read.append(path)
        return decode(path)

    monkeypatch.setattr(decoding, "decode", watched)
    write(settings, tmp_path)
    assert len(read) == 20 - 12  # three chunks were done
    expected = b"".join(pillows_copy(Path(settings.folder) / name) for name in files_of(settings))
    assert (tmp_path / "copies.bin").read_bytes() == expected


@pytest.mark.parametrize("change", ["code", "on_error", "shorter_side", "quality", "date"])
def test_other_copies_are_begun_anew(
    settings: CopySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(writing, "CHUNK", 4)
    path = Path(settings.folder) / files_of(settings)[13]
    content = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(InputError):
        write(settings, tmp_path)
    path.write_bytes(content)
    # The result would be wrong if the old part were kept.
    unfinished = tmp_path / "copies.unfinished"
    unfinished.write_bytes(bytes(unfinished.stat().st_size))
    others = {"on_error": "skip", "shorter_side": 40, "quality": 70}
    changed = replace(settings, **{change: others[change]}) if change in others else settings
    if change == "date":
        os.utime(Path(settings.folder) / files_of(settings)[3], ns=(1, 1))
    write(changed, tmp_path, code="other" if change == "code" else "code")
    expected = [
        pillows_copy(Path(settings.folder) / name, changed.shorter_side, changed.quality)
        for name in files_of(settings)
    ]
    assert (tmp_path / "copies.bin").read_bytes() == b"".join(expected)


def run(settings: CopySettings, target: Path, files: Path, chunk: int, last: int) -> int:
    """Run a job that is killed at its write number `last`, after a part of it."""
    arguments = [settings.folder, str(target), str(files), str(chunk), str(last)]
    return subprocess.run(
        [sys.executable, "-c", JOB, *arguments], env={"PYTHONPATH": str(SCRIPTS)}
    ).returncode


def test_killed_at_every_write_the_bytes_are_the_same(
    settings: CopySettings, tmp_path: Path
) -> None:
    """A job writes copies, then their rows; each try gets one write further, then is killed."""
    add_oddities(Path(settings.folder) / "train/bee")
    names = files_of(settings)[:9]
    assert any("corrupt" in name for name in names)
    files = tmp_path / "files.json"
    files.write_text(json.dumps(names))
    whole, killed = tmp_path / "whole.bin", tmp_path / "killed.bin"
    assert run(settings, whole, files, 256, 0) == 0
    kills = 0
    # A chunk of one image is two writes: killed in the third, a job leaves one image more.
    for last in [1, 2, *[3] * 20]:
        status = run(settings, killed, files, 1, last)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        kills += 1
        assert not killed.exists()
    assert kills == 10
    assert killed.read_bytes() == whole.read_bytes()
    tables = [Path(f"{path}.json").read_text() for path in (killed, whole)]
    assert tables[0] == tables[1]
    assert not list(tmp_path.glob("*unfinished*"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "copies.unfinished").unlink(),
        lambda folder: (folder / "copies.unfinished").write_bytes(b"short"),
        lambda folder: (folder / "copies.unfinished.rows").unlink(),
        lambda folder: (folder / "copies.unfinished.rows").write_text("{"),
        lambda folder: (folder / "copies.unfinished.rows").open("ab").write(b"[1, 2]\nmore"),
        lambda folder: (folder / "copies.unfinished").open("ab").write(b"more than has rows"),
    ],
    ids=["no copies", "short copies", "no rows", "torn rows", "rows of another kind", "longer"],
)
def test_whatever_is_left_the_copies_are_whole(
    settings: CopySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage
) -> None:
    monkeypatch.setattr(writing, "CHUNK", 4)
    path = Path(settings.folder) / files_of(settings)[13]
    content = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(InputError):
        write(settings, tmp_path)
    path.write_bytes(content)
    damage(tmp_path)
    write(settings, tmp_path)
    expected = b"".join(pillows_copy(Path(settings.folder) / name) for name in files_of(settings))
    assert (tmp_path / "copies.bin").read_bytes() == expected


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("content", [b"damaged, and of another size", None])
def test_an_original_that_changed_since_it_was_listed_stops_the_job(
    settings: CopySettings, tmp_path: Path, on_error: str, content: bytes | None
) -> None:
    files = files_of(settings)
    listed = stamps.of_files(Path(settings.folder), files)
    path = Path(settings.folder) / files[7]
    if content is None:
        os.utime(path, ns=(10**18, 10**18))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path}: changed since it was listed .*Run again"):
        writing.write(
            files, listed, replace(settings, on_error=on_error), tmp_path / "copies.bin",
            tmp_path / "copies.unfinished", code="code", threads=2,
        )  # fmt: skip
    assert not (tmp_path / "copies.bin").exists()


def test_no_copy_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train/ant").mkdir(parents=True)
    (tmp_path / "train/ant/a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="none of the 1 images can be read"):
        write(CopySettings(str(tmp_path), "skip", SIDE, QUALITY), tmp_path)
    assert not (tmp_path / "copies.bin").exists()


def test_a_job_whose_lease_was_taken_stops(
    settings: CopySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = writing._copied

    def taken_over(*arguments: object) -> list:
        made = copy(*arguments)
        with whole_files.atomic(tmp_path / "copies.unfinished.lease") as temporary:
            temporary.write_text("another")
        return made

    monkeypatch.setattr(writing, "_copied", taken_over)
    with pytest.raises(SupersededError, match="another job copies these images"):
        write(settings, tmp_path)
    assert not (tmp_path / "copies.bin").exists()
