"""How long jobs take, worked out by hand."""

import pytest

from prunescope.study.progress.time_left import (
    SECONDS_PER_JOB,
    TRUST,
    SecondsOfRules,
    TimeLeft,
    estimate,
)

SECONDS = {"train": 100.0, "score": 4.0}


def test_jobs_share_the_cores() -> None:
    jobs = [("train", 1, 0.0), ("train", 2, 0.0), ("score", 1, 0.0)]
    # One core of two, both, one of two.
    assert estimate(jobs, SECONDS.get, 2) == TimeLeft(50 + 100 + 2, 0)


def test_a_job_takes_no_more_cores_than_there_are() -> None:
    assert estimate([("train", 8, 0.0)], SECONDS.get, 2) == TimeLeft(100, 0)


def test_what_has_run_already_is_not_left() -> None:
    jobs = [("train", 1, 30.0), ("score", 1, 9.0)]
    assert estimate(jobs, SECONDS.get, 1) == TimeLeft(70, 0)


def test_on_a_cluster_times_are_added_up() -> None:
    assert estimate([("train", 4, 0.0)] * 3, SECONDS.get, None) == TimeLeft(300, 0)


def test_jobs_of_which_nothing_is_known_are_counted() -> None:
    assert estimate([("prune", 1, 0.0), ("score", 1, 0.0)], SECONDS.get, 1) == TimeLeft(4, 1)


def test_finished_jobs_count_more_than_what_is_expected() -> None:
    seconds = SecondsOfRules({"train": 100.0})
    assert seconds.of("train") == 100 + SECONDS_PER_JOB
    for taken in (10.0, 30.0):
        seconds.add("train", taken)
    assert seconds.of("train") == 20
    assert seconds.of("prune") is None


def test_a_slow_machine_is_slow_for_other_rules_too() -> None:
    seconds = SecondsOfRules({"train": 999.5, "score": 9.5})
    seconds.add("train", 3000.0)
    assert seconds.of("score") == pytest.approx(10 * (3000 + TRUST) / (1000 + TRUST))


def test_a_few_quick_jobs_tell_little_of_the_machine() -> None:
    seconds = SecondsOfRules({"train": 999.5, "score": 0.5})
    seconds.add("score", 3.0)
    assert seconds.of("train") == pytest.approx(1000 * 63 / 61)


def test_jobs_that_nobody_expected_say_nothing_of_the_machine() -> None:
    seconds = SecondsOfRules({"train": 99.5})
    seconds.add("prune", 5000.0)
    assert seconds.of("train") == 100
