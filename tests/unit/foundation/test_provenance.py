"""Every artifact says where it comes from."""

import json
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

import pytest

from prunescope.foundation import provenance


def in_job(description: dict, function: Callable) -> object:
    def job() -> object:
        provenance.set_current(description)
        return function()

    return copy_context().run(job)


def test_outside_of_a_job_there_is_no_provenance() -> None:
    assert copy_context().run(provenance.current) == {}
    assert copy_context().run(provenance.dumps) == "{}"


def test_the_provenance_of_a_job_is_json_in_one_order() -> None:
    text = in_job({"rule": "prune", "params": {"b": 1, "a": 2}}, provenance.dumps)
    assert text == in_job({"params": {"a": 2, "b": 1}, "rule": "prune"}, provenance.dumps)
    assert json.loads(text) == {"rule": "prune", "params": {"a": 2, "b": 1}}


def test_a_record_says_what_ran_and_not_where_or_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy

    record = provenance.record("prune", {"seed": "1"}, {"rate": 0.2})
    assert record["rule"] == "prune"
    assert record["wildcards"] == {"seed": "1"}
    assert record["params"] == {"rate": 0.2}
    assert record["versions"]["numpy"] == numpy.__version__
    monkeypatch.chdir(tmp_path)
    assert json.dumps(provenance.record("prune", {"seed": "1"}, {"rate": 0.2})) == json.dumps(
        record
    )


def test_a_job_may_add_to_its_provenance() -> None:
    def work() -> dict:
        provenance.add("retrain_on", "masked")
        return provenance.current()

    assert in_job({"rule": "prune"}, work) == {"rule": "prune", "retrain_on": "masked"}
    assert in_job({}, work) == {}, "outside of a job there is nothing to add to"
