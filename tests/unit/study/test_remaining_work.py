"""What is left to do of a study, worked out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunescope.study import remaining_work
from prunescope.study.config import reading
from prunescope.study.remaining_work import Cost, Job

ROOT = Path(__file__).resolve().parents[3]
LOG = """\
2026-01-01 10:00:00,100 INFO find_exemplars {'study': 'toy', 'seed': '0'}
2026-01-01 10:00:04,000 INFO 1000 images
2026-01-01 10:03:00,900 INFO done: 306.0 s of CPU time, 900 MiB of memory at its peak
"""
FAILED = """\
2026-01-02 10:00:00,100 INFO find_exemplars {'study': 'toy', 'seed': '0'}
2026-01-02 10:00:09,000 ERROR failed
"""


def exemplars(threads: int = 2, gpus: int = 1) -> Job:
    return Job("find_exemplars", ("a/exemplars.parquet", "a/other.npy"), threads, gpus, 30)


def no_sizes(output: str) -> None:
    return None


def test_a_log_tells_the_rule_and_its_cost() -> None:
    assert remaining_work.read_log(LOG) == ("find_exemplars", Cost(180.8 / 3600, 306 / 3600))


def test_a_log_tells_of_the_last_run_alone() -> None:
    assert remaining_work.read_log(LOG + FAILED) is None
    assert remaining_work.read_log(FAILED + LOG) == remaining_work.read_log(LOG)
    assert remaining_work.read_log("") is None


def test_logs_are_found_below_folders(tmp_path: Path) -> None:
    for number, text in enumerate([LOG, FAILED, LOG]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "find_exemplars.log").write_text(text)
    one = [Cost(180.8 / 3600, 0.085)]
    assert remaining_work.read_logs([str(tmp_path)]) == {"find_exemplars": one * 2}
    parts = [str(tmp_path / name) for name in ("0", "2", "none")]
    assert remaining_work.read_logs(parts) == {"find_exemplars": one * 2}
    assert remaining_work.read_logs([]) == {}


def test_a_rule_costs_what_its_finished_jobs_took() -> None:
    costs = {"find_exemplars": [Cost(1.0, 2.0), Cost(2.0, 5.0), Cost(9.0, 6.0)]}
    (need,) = remaining_work.needs([exemplars()] * 4, costs, {}, {"a/exemplars.parquet": 7}.get)
    assert (need.rule, need.jobs, need.measured) == ("find_exemplars", 4, 3)
    assert need.cpu_hours == 4 * 5.0
    assert need.gpu_hours == 4 * 2.0
    assert (need.bytes, need.unsized) == (4 * 7, 4)


def test_without_a_finished_job_the_time_limit_counts() -> None:
    (need,) = remaining_work.needs([exemplars(threads=3)] * 2, {}, {}, no_sizes)
    assert need.measured == 0
    assert need.cpu_hours == 2 * 3 * 0.5
    assert need.gpu_hours == 2 * 0.5
    (need,) = remaining_work.needs([exemplars(gpus=0)], {}, {}, no_sizes)
    assert need.gpu_hours == 0


def test_what_jobs_took_elsewhere_counts_more_than_the_time_limit() -> None:
    elsewhere = {"find_exemplars": [Cost(0.1, 0.2)]}
    (need,) = remaining_work.needs([exemplars()] * 3, {}, elsewhere, no_sizes)
    assert (need.measured, need.elsewhere) == (0, True)
    assert need.cpu_hours == pytest.approx(3 * 0.2)
    text = remaining_work.render([need], 21)
    assert "default study, elsewhere" in text
    assert "time limit" not in text
    # What this study took itself counts most.
    here = {"find_exemplars": [Cost(1.0, 2.0)]}
    (need,) = remaining_work.needs([exemplars()] * 3, here, elsewhere, no_sizes)
    assert (need.measured, need.elsewhere, need.cpu_hours) == (1, False, 6.0)


def test_the_mean_of_finished_jobs_is_expected() -> None:
    costs = {"a": [Cost(1.0, 9.0), Cost(2.0, 9.0)], "b": [Cost(0.5, 0.1)]}
    assert remaining_work.mean_seconds(costs) == {"a": 5400, "b": 1800}


def test_without_a_finished_training_the_epochs_of_the_config_count() -> None:
    config = reading.read(ROOT / "config" / "paper.yaml").values
    recipe = config["recipes"][config["retraining"]["one_shot"]["recipe"]]
    minutes = remaining_work.expected_minutes("retrain_network", {"retraining": "one_shot"}, config)
    assert minutes == 21 * recipe["epochs"]
    assert (
        remaining_work.expected_minutes("find_exemplars", {"retraining": "one_shot"}, config)
        is None
    )
    assert (
        remaining_work.expected_minutes("retrain_network", {"retraining": "one_shot"}, tiny())
        is None
    )
    jobs = [replace(exemplars(threads=3), expected=90.0)] * 2
    (need,) = remaining_work.needs(jobs, {}, {}, no_sizes)
    assert (need.expected, need.gpu_hours, need.cpu_hours) == (True, 3.0, 9.0)
    text = remaining_work.render([need], 21)
    assert "epochs of the config" in text
    assert "21 minutes for each epoch" in text
    assert "time limits" not in text
    (need,) = remaining_work.needs(jobs, {"find_exemplars": [Cost(0.25, 0.5)]}, {}, no_sizes)
    assert (need.expected, need.gpu_hours) == (False, 0.5)


def test_the_plan_names_its_sources_and_adds_up() -> None:
    jobs = [exemplars(), exemplars(), Job("score_mis", ("mis.parquet",), 1, 0, 10)]
    costs = {"score_mis": [Cost(0.25, 0.25)]}
    needs = remaining_work.needs(jobs, costs, {}, {"mis.parquet": 2_500_000}.get)
    text = remaining_work.render(needs, 21)
    first, second, total = (line.split() for line in text.splitlines()[1:4])
    assert first[:4] == ["find_exemplars", "2", "2.00", "1.00"]
    assert first[-5:] == ["B", "time", "limit:", "at", "most"]
    assert second == ["score_mis", "1", "0.25", "0.00", "2", "MB", "1", "finished"]
    assert total == ["total", "3", "2.25", "1.00", "2", "MB"]
    assert "2 jobs are of rules of which none has finished" in text
    assert "without 4 files" in text


def test_a_finished_study_needs_nothing() -> None:
    assert remaining_work.render([], 21).startswith("Nothing to do")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (2.4e6, "2 MB"), (3e9, "3 GB"), (1.25e13, "12.5 TB")],
)  # fmt: skip
def test_sizes_are_readable(size: float, text: str) -> None:
    assert remaining_work.readable(size) == text


def tiny() -> dict[str, Any]:
    return reading.read(ROOT / "config" / "tiny.yaml").values


def test_sizes_are_those_of_files_of_the_same_name(tmp_path: Path) -> None:
    for folder, size in [("a", 10), ("b", 20), ("c", 90)]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mis.parquet").write_bytes(b"0" * size)
    size = remaining_work.file_sizes(tmp_path, tiny())
    assert size("elsewhere/mis.parquet") == 20
    assert size("elsewhere/measures.parquet") is None


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("x/network.safetensors", 4 * 6_624_904),
        ("datasets/d/probe/images.npy", 120 * 3 * 32 * 32),
        ("datasets/d/probe/similarity_m.npy", 4 * 120**2),
        ("datasets/d/train/images.npy", None),
        ("datasets/d/source/train-images-idx3-ubyte", None),
        ("x/activations_max.npy", 4 * 8280 * 80),
        ("x/exemplars.parquet", 2 * 20 * 8 * 8280),
        ("x/mis.parquet", None),
    ],
)
def test_large_files_follow_from_the_config(output: str, expected: int | None) -> None:
    assert remaining_work.expected_bytes(Path(output), tiny()) == expected
