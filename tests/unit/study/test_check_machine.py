"""What a machine has and lacks for a study, of machines that are made up and of this one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from files import load_module
from imagefolders import make_image_folder

from prunescope.study.config import reading
from prunescope.study.readiness import FILE_READERS, METRIC_READERS, TRAININGS, WATCHED
from prunescope.study.remaining_work import Job

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / "workflow_scripts" / "tools"
LOCK = """\
numpy==2.1.0 \\
    --hash=sha256:00
torch==2.14.1 \\
    --hash=sha256:00
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:00
"""
STATES = {(False, False): "ok", (True, False): "lacks", (True, True): "stops"}


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> object:
    """The tool, which imports its neighbour as a script does."""
    monkeypatch.syspath_prepend(str(TOOLS))
    return load_module(TOOLS / "check_machine.py")


def state(check) -> str:
    return STATES[check.lacks, check.stops]


def job(rule: str = "score_mis", gpus: int = 0, mem_mb: int = 0) -> Job:
    return Job(rule, ("a",), 1, gpus, 30, mem_mb=mem_mb)


@pytest.mark.parametrize(
    ("installed", "expected", "text"),
    [
        ({"numpy": "2.1.0", "torch": "2.14.1+cu130"}, "ok", "2 packages"),
        ({"numpy": "2.0.0", "torch": "2.14.1"}, "lacks", "numpy 2.0.0 instead of 2.1.0"),
        ({"numpy": "2.0.0"}, "stops", "torch: not installed. `rm .venv/.ready && make setup`"),
    ],
)
def test_packages_are_those_of_the_lock_file(
    doctor, installed: dict[str, str], expected: str, text: str
) -> None:
    check = doctor.check_packages(LOCK, installed.get)
    assert state(check) == expected
    assert text in check.text


def test_images_stop_a_study_only_if_a_step_that_is_left_reads_them(doctor) -> None:
    copied, original = FILE_READERS, (*FILE_READERS, *TRAININGS)
    for readers, rule, expected in (
        (copied, "index_images", "stops"),
        (copied, "train_dense", "lacks"),
        (original, "train_dense", "stops"),
        (original, "score_mis", "lacks"),
    ):
        reasons = {"the images are not there": readers}
        images, metric = doctor.check_readiness(reasons, [job(rule)])
        assert (images.name, state(images)) == ("images", expected)
        assert (metric.name, state(metric)) == ("metric", "ok")
    _, metric = doctor.check_readiness({"no dreamsim": METRIC_READERS}, [job("embed_probe")])
    assert (metric.text, state(metric)) == ("no dreamsim", "stops")


def test_a_missing_tensorboard_stops_a_study_that_trains(doctor) -> None:
    reasons = {"make watch": WATCHED}
    for rule, expected in (("retrain_network", "stops"), ("score_mis", "lacks")):
        *_, watching = doctor.check_readiness(reasons, [job(rule)])
        assert (watching.name, watching.text, state(watching)) == (
            "TensorBoard", "make watch", expected
        )  # fmt: skip


def test_a_file_of_ones_own_must_be_there_and_others_are_fetched(doctor, tmp_path: Path) -> None:
    own, other = tmp_path / "own.pth", tmp_path / "other.pth"
    files = {
        "model.checkpoint": (str(own), None),
        "imported.a": (str(other), "https://x/other.pth"),
    }
    check = doctor.check_files(files)
    assert state(check) == "stops"
    assert f"{own} (`model.checkpoint`)" in check.text
    assert str(other) not in check.text
    own.touch()
    check = doctor.check_files(files)
    assert (state(check), "imported.a: downloaded" in check.text) == ("ok", True)
    other.touch()
    assert "download" not in doctor.check_files(files).text


def test_memory_is_that_of_the_largest_step(doctor) -> None:
    jobs = [job(mem_mb=2000), job("embed_probe", mem_mb=8000)]
    assert state(doctor.check_memory(jobs, 8_000_000_000)) == "ok"
    check = doctor.check_memory(jobs, 7_999_000_000)
    assert state(check) == "lacks"
    assert "embed_probe asks for 8 GB" in check.text
    assert state(doctor.check_memory([], 1)) == "ok"


def test_the_disk_must_hold_what_is_left(doctor) -> None:
    assert state(doctor.check_disk(5 * 10**9, 0, 5 * 10**9)) == "ok"
    check = doctor.check_disk(5 * 10**9, 12, 5 * 10**9 - 1)
    assert state(check) == "stops"
    assert "needs 5 GB and 12 files of unknown size" in check.text


def test_a_gpu_is_looked_for_only_if_a_step_would_use_one(doctor) -> None:
    def never() -> list[str]:
        raise AssertionError("torch was asked")

    assert state(doctor.check_gpu([job()], never)) == "ok"
    check = doctor.check_gpu([job(gpus=1)] * 3 + [job()], list)
    assert state(check) == "lacks"
    assert "3 steps" in check.text
    assert doctor.check_gpu([job(gpus=1)], lambda: ["H200"]).text == "H200"


def test_a_cluster_needs_its_command_and_its_profile(doctor) -> None:
    without = doctor.check_slurm(None, "slurm_partition: FILL_IN\n")
    assert "not used: no `sbatch`" in without.text
    assert state(without) == "ok"
    unfilled = "default-resources:\n  slurm_partition: FILL_IN\n"
    assert "still says FILL_IN" in doctor.check_slurm("/bin/sbatch", unfilled).text
    filled = "# Fill in what says FILL_IN\n" + unfilled.replace("FILL_IN", "gpu")
    assert state(doctor.check_slurm("/bin/sbatch", filled)) == "ok"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("unit_scores: {source: published, folder: given}", ["unit_scores.folder"]),
        ("unit_scores: {source: published, folder: null}", []),
        (
            "unit_scores: {source: table, units: u.csv, networks: n.csv, dataset: a, metric: b}",
            ["unit_scores.units", "unit_scores.networks"],
        ),
    ],
)
def test_files_of_given_scores_are_found(
    doctor, lines: str, expected: list[str], tmp_path: Path
) -> None:
    rest = (
        "study: scores\nstatistics: {resamples: 10, margin: 0.02, seed: 0}\n"
        "charts: {width: 400, height: 300, png_scale: 1}\n"
    )
    config = tmp_path / "scores.yaml"
    config.write_text(rest + lines)
    assert list(doctor.files_of(reading.read(config).values)) == expected


def test_files_of_both_networks_of_a_pair_are_found(doctor, tmp_path: Path) -> None:
    config = tmp_path / "pair.yaml"
    config.write_text(
        f"extends: {ROOT}/config/bases/measured.yaml\nstudy: pair\ndataset: fashion_mnist\n"
        'model: {architecture: "torchvision:googlenet", checkpoint: {file: dense.pth}}\n'
        "imported: {theirs: {file: pruned.pth, rate: 0.50}}\n"
    )
    assert doctor.files_of(reading.read(config).values) == {
        "model.checkpoint": ("dense.pth", None),
        "imported.theirs": ("pruned.pth", None),
    }


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOLS / "check_machine.py", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts")},
    )  # fmt: skip


def test_a_config_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("study: bad\nextends: none.yaml\n")
    done = run(tmp_path, "--configfile", "bad.yaml")
    assert done.returncode == 1
    assert done.stderr.startswith("doctor: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_this_machine_is_looked_at_before_anything_runs(tmp_path: Path) -> None:
    tiny = f"extends: {ROOT}/config/tiny.yaml\nstudy: here\n"
    (tmp_path / "good.yaml").write_text(tiny)
    done = run(tmp_path, "--configfile", "good.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "The study can run here."
    assert [line.split()[0] for line in lines] == [
        "packages", "files", "images", "metric", "cores", "memory", "disk", "GPU", "SLURM",
    ]  # fmt: skip
    assert all(line.split()[1] in ("ok", "lacks") for line in lines)
    assert not (tmp_path / "results").exists()


MISSING = {
    "files": "model: {checkpoint: {file: mine.pth}, recipe: null}\nrecipes: {from_scratch: null}\n",
    "images": """
dataset: mine
datasets:
  fashion_mnist_tiny: null
  mine: {source: image_folder, folder: nowhere, on_error: fail, resize: 32, image_size: 32,
         mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2],
         validation: {images: 100, seed: 0}, probe: {images: 120, seed: 0}}
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("removed", [0, 25])
def test_a_folder_of_images_is_counted(tmp_path: Path, removed: int) -> None:
    make_image_folder(tmp_path / "there", train_per_class=70, val_per_class=40)
    for split in ("train", "val"):
        for path in sorted((tmp_path / "there" / split / "bee").iterdir())[:removed]:
            path.unlink()
    config = f"extends: {ROOT}/config/tiny.yaml\nstudy: here\n{MISSING['images']}"
    (tmp_path / "mine.yaml").write_text(config.replace("nowhere", "there"))
    done = run(tmp_path, "--configfile", "mine.yaml")
    assert done.returncode == (1 if removed else 0)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("counts")]
    if removed:
        assert "images_per_epoch: 192, but the train split of mine has 185." in line
        assert "validation.images: 100, but the validation split of mine has 95." in line
        assert "probe" not in line
    else:
        assert "210 images in train and 120 images in validation: as many as" in line


@pytest.mark.slow
@pytest.mark.parametrize("lacks", MISSING)
def test_what_a_study_cannot_run_without_is_named(tmp_path: Path, lacks: str) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text(f"extends: {ROOT}/config/tiny.yaml\nstudy: here\n{MISSING[lacks]}")
    done = run(tmp_path, "--configfile", "bad.yaml")
    assert done.returncode == 1
    assert done.stderr == f"The study cannot run here: it lacks {lacks}.\n"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(lacks)]
    assert line.split()[1] == "lacks"
