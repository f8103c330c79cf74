"""Packing: the bytes of np.save, in order, the same after any number of kills, in steady memory."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imagefolders import add_oddities, make_image_folder, picture
from PIL import Image

from prunescope.data import decoding, image_tables, packing
from prunescope.data.packing import PackingSettings
from prunescope.data.watching import stamps
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError

CODE = SCRIPTS
JOB = """
import json, sys
from pathlib import Path
from prunescope.data import packing
from prunescope.data.watching import stamps
from prunescope.foundation.errors import StoppedError
folder, target, files, chunk, resize = sys.argv[1:]
packing.CHUNK = int(chunk)
names = json.loads(Path(files).read_text())
try:
    packing.pack(
        names, stamps.of_files(Path(folder), names),
        packing.PackingSettings(folder, 32, int(resize), "skip"),
        target, target + ".unfinished", code="code", threads=2,
    )
except StoppedError as reason:
    print(reason)
    sys.exit(75)
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.fixture
def settings(tmp_path: Path) -> PackingSettings:
    make_image_folder(tmp_path / "images", ("ant", "bee"), train_per_class=30, val_per_class=1)
    return PackingSettings(str(tmp_path / "images"), 32, 40, "fail")


def files_of(settings: PackingSettings) -> list[str]:
    folder = Path(settings.folder)
    paths = sorted(path for path in folder.glob("train/*/*"))
    return [str(path.relative_to(folder)) for path in paths][::-1]


def expected(settings: PackingSettings, target: Path) -> bytes:
    """What np.save writes of the readable images."""
    folder = Path(settings.folder)
    pixels = [decoding.prepare(folder / file, 40, 32)[0] for file in files_of(settings)]
    np.save(target, np.stack([image for image in pixels if image is not None]))
    return target.read_bytes()


def pack(settings: PackingSettings, folder: Path, code: str = "code") -> list[list[str]]:
    files = files_of(settings)
    listed = stamps.of_files(Path(settings.folder), files)
    return packing.pack(
        files, listed, settings, folder / "images.npy", folder / "images.unfinished",
        code=code, threads=2,
    )  # fmt: skip


def test_the_file_is_that_of_numpy(settings: PackingSettings, tmp_path: Path) -> None:
    assert pack(settings, tmp_path) == []
    assert (tmp_path / "images.npy").read_bytes() == expected(settings, tmp_path / "oracle.npy")
    assert np.load(tmp_path / "images.npy", mmap_mode="r").shape == (60, 3, 32, 32)
    assert not list(tmp_path.glob("*unfinished*"))


def test_damaged_files_are_left_out_and_reported(settings: PackingSettings, tmp_path: Path) -> None:
    odd = add_oddities(Path(settings.folder) / "train/ant")
    report = pack(replace(settings, on_error="skip"), tmp_path)
    assert {kind: Path(file).name for file, kind, _, _ in report} == {
        kind: path.name for kind, path in odd.items()
    }
    skipped = {kind for _, kind, action, _ in report if action == image_tables.SKIPPED}
    assert skipped == {"corrupt", "truncated"}
    assert (tmp_path / "images.npy").read_bytes() == expected(settings, tmp_path / "oracle.npy")
    assert len(np.load(tmp_path / "images.npy")) == 60 + len(odd) - 2


def test_the_header_keeps_its_length_when_the_number_shrinks() -> None:
    lengths = {len(packing._header(10**digits, 224)) for digits in range(12)}
    assert lengths == {128}


def test_a_damaged_file_stops_the_job_which_goes_on_when_it_is_mended(
    settings: PackingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "CHUNK", 8)
    path = Path(settings.folder) / files_of(settings)[45]
    content = path.read_bytes()
    path.write_bytes(content[:500])
    with pytest.raises(InputError, match=rf"{path}: .*\(truncated\).*`datasets.<name>.on_error"):
        pack(settings, tmp_path)
    assert not (tmp_path / "images.npy").exists()
    path.write_bytes(content)
    read: list[Path] = []
    prepare = decoding.prepare

    def watched(path: Path, resize: int, size: int) -> tuple:
        read.append(path)
        return prepare(path, resize, size)

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "prepare", watched)
        pack(settings, tmp_path)
    assert len(read) == 60 - 40  # five chunks were done
    assert (tmp_path / "images.npy").read_bytes() == expected(settings, tmp_path / "oracle.npy")


@pytest.fixture
def interrupted(settings: PackingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a job was stopped after 40 of 60 files."""
    monkeypatch.setattr(packing, "CHUNK", 8)
    path = Path(settings.folder) / files_of(settings)[45]
    content = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(InputError):
        pack(settings, tmp_path)
    path.write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    "change", ["code", "on_error", "image_size", "resize", "files", "content", "date"]
)
def test_other_work_starts_anew(settings: PackingSettings, interrupted: Path, change: str) -> None:
    # Blank the images of the old part, so that the result would be wrong if they were kept.
    unfinished = interrupted / "images.unfinished"
    content = unfinished.read_bytes()
    unfinished.write_bytes(content[:128] + bytes(len(content) - 128))
    other = {"on_error": "skip", "image_size": 28, "resize": 44}
    changed = replace(settings, **{change: other[change]}) if change in other else settings
    if change == "files":
        (Path(settings.folder) / "train/ant/ant_00000.jpg").unlink()
    # One of the files that were read already is another one now.
    first = Path(settings.folder) / files_of(settings)[3]
    if change == "content":
        Image.new("RGB", (64, 64), "red").save(first)
    if change == "date":
        os.utime(first, ns=(1, 1))
    pack(changed, interrupted, code="other" if change == "code" else "code")
    pixels = [
        decoding.prepare(Path(settings.folder) / file, changed.resize, changed.image_size)[0]
        for file in files_of(settings)
    ]
    np.testing.assert_array_equal(np.load(interrupted / "images.npy"), np.stack(pixels))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "images.unfinished").unlink(),
        lambda folder: (folder / "images.unfinished").write_bytes(b"short"),
        lambda folder: (folder / "images.unfinished.json").write_text("{"),
        lambda folder: (folder / "images.unfinished.json").write_text("[]"),
        lambda folder: (folder / "images.unfinished.json").write_text('{"other": 1}'),
        lambda folder: (folder / "images.unfinished").open("ab").write(b"more than is recorded"),
    ],
    ids=["no array", "short array", "torn record", "no record", "other record", "longer array"],
)
def test_whatever_is_left_the_result_is_whole(
    settings: PackingSettings, interrupted: Path, damage
) -> None:
    damage(interrupted)
    pack(settings, interrupted)
    result = (interrupted / "images.npy").read_bytes()
    assert result == expected(settings, interrupted / "oracle.npy")


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("content", [b"damaged, and of another size", None])
def test_a_file_that_changed_since_it_was_listed_stops_the_job(
    settings: PackingSettings, tmp_path: Path, on_error: str, content: bytes | None
) -> None:
    files = files_of(settings)
    listed = stamps.of_files(Path(settings.folder), files)
    path = Path(settings.folder) / files[7]
    if content is None:
        os.utime(path, ns=(10**18, 10**18))
    else:
        path.write_bytes(content)
    target = tmp_path / "images.npy"
    with pytest.raises(InputError, match=rf"{path}: changed since it was listed .*Run again"):
        packing.pack(
            files, listed, replace(settings, on_error=on_error), target,
            tmp_path / "images.unfinished", code="code", threads=2,
        )  # fmt: skip
    assert not target.exists()


def test_nothing_readable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    settings = PackingSettings(str(tmp_path), 32, 40, "skip")
    with pytest.raises(InputError, match="none of the 1 images can be read"):
        packing.pack(
            ["a.jpg"], stamps.of_files(tmp_path, ["a.jpg"]), settings, tmp_path / "a.npy",
            tmp_path / "b", code="", threads=1,
        )  # fmt: skip
    assert not (tmp_path / "a.npy").exists()


def start(
    settings: PackingSettings,
    target: Path,
    files: Path,
    chunk: int = 4,
    resize: int = 40,
    room: int = resource.RLIM_INFINITY,
) -> subprocess.Popen:
    """Start a job; it may write files of `room` bytes."""
    arguments = [settings.folder, str(target), str(files), str(chunk), str(resize)]
    return subprocess.Popen(
        [sys.executable, "-c", JOB, *arguments],
        env={"PYTHONPATH": str(CODE)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )


@pytest.mark.slow
def test_killed_at_random_moments_the_bytes_are_the_same(
    settings: PackingSettings, tmp_path: Path
) -> None:
    add_oddities(Path(settings.folder) / "train/ant")
    # Hundreds of images from the same few files, so that there is time to kill.
    files = files_of(settings) * 12
    (tmp_path / "files.json").write_text(json.dumps(files))
    whole, target = tmp_path / "whole.npy", tmp_path / "killed.npy"
    job = start(settings, whole, tmp_path / "files.json")
    assert job.wait() == 0
    record = tmp_path / "killed.npy.unfinished.json"
    dice, killed_at = random.Random(0), []
    for _ in range(6):
        before = record.read_text() if record.exists() else ""
        job = start(settings, target, tmp_path / "files.json")
        while job.poll() is None and (record.read_text() if record.exists() else "") == before:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.1))
        job.send_signal(signal.SIGKILL)
        job.wait()
        if target.exists():
            break
        killed_at.append(json.loads(record.read_text())["read"])
    assert len(killed_at) >= 4
    assert killed_at == sorted(set(killed_at))  # each went on after the one before
    if not target.exists():
        assert start(settings, target, tmp_path / "files.json").wait() == 0
    assert target.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("killed.npy.*"))


@pytest.mark.slow
@pytest.mark.parametrize("resize", [40, 44], ids=["same settings", "other settings"])
def test_a_job_that_was_taken_for_dead_stops_and_spoils_nothing(
    settings: PackingSettings, tmp_path: Path, resize: int
) -> None:
    """It is halted in the middle, another one starts, and then it goes on."""
    files, target, whole = (tmp_path / name for name in ("files.json", "a.npy", "whole.npy"))
    files.write_text(json.dumps(files_of(settings) * 12))
    assert start(settings, whole, files, resize=resize).wait() == 0
    record = tmp_path / "a.npy.unfinished.json"
    for moment in (0.0, 0.05):
        late = start(settings, target, files)
        while not record.exists():
            time.sleep(0.002)
        time.sleep(moment)
        late.send_signal(signal.SIGSTOP)
        assert not target.exists(), "too late: nothing was tested"
        job = start(settings, target, files, resize=resize)
        held = (tmp_path / "a.npy.unfinished.lease").read_text()
        while (tmp_path / "a.npy.unfinished.lease").read_text() == held:
            time.sleep(0.002)
        late.send_signal(signal.SIGCONT)
        said, _ = late.communicate()
        assert late.returncode == os.EX_TEMPFAIL
        assert "another job packs these images" in said
        assert job.wait() == 0
        assert target.read_bytes() == whole.read_bytes()
        assert not list(tmp_path.glob("a.npy.*"))
        target.unlink()


def test_a_disk_that_fills_up_leaves_no_half_result(
    settings: PackingSettings, tmp_path: Path
) -> None:
    files, target, whole = (tmp_path / name for name in ("files.json", "a.npy", "whole.npy"))
    files.write_text(json.dumps(files_of(settings)))
    assert start(settings, whole, files).wait() == 0
    room = whole.stat().st_size // 2
    limited = start(settings, target, files, room=room)
    assert limited.wait() == 1
    assert not target.exists()
    assert start(settings, target, files).wait() == 0
    assert target.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(picture(0, 3, (48, 48), rng)).save(tmp_path / f"{number}.jpg")
    peaks = []
    for times in (20, 200):
        listed = tmp_path / f"{times}.json"
        listed.write_text(json.dumps([f"{number % 20}.jpg" for number in range(20 * times)]))
        job = start(
            PackingSettings(str(tmp_path), 32, 40, "skip"), tmp_path / f"{times}.npy", listed, 32
        )
        output, _ = job.communicate()
        assert job.returncode == 0
        peaks.append(int(output))
    sizes = [(tmp_path / f"{times}.npy").stat().st_size for times in (20, 200)]
    assert sizes[1] > 9 * sizes[0]
    assert peaks[1] < 1.1 * peaks[0]
