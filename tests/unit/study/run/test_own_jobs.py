"""Jobs of this workflow are told from those of a workflow that uses it as a module."""

from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from prunescope.study.run import snakemake_hooks
from prunescope.study.run.own_jobs import rule_of


def job(script: str | None, rule: str = "theirs_score_mis") -> Any:
    return SimpleNamespace(rule=SimpleNamespace(name=rule, script=script))


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("../workflow_scripts/score_mis.py", "score_mis"),
        ("/clone/rules/../workflow_scripts/score_mis.py", "score_mis"),
        ("../workflow_scripts/theirs.py", None),
        ("../scripts/score_mis.py", None),
        (None, None),
    ],
)
def test_the_script_tells_the_rule_whatever_its_name(script: str | None, rule: str | None) -> None:
    assert rule_of(job(script)) == rule


def test_what_is_missing_stops_a_renamed_rule_and_no_other() -> None:
    missing = {"there is no DreamSim": ["embed_probe"]}
    snakemake_hooks.stop_if_missing([job("../scripts/embed.py", "embed_probe")], missing)
    with pytest.raises(WorkflowError, match="there is no DreamSim"):
        snakemake_hooks.stop_if_missing([job("../workflow_scripts/embed_probe.py")], missing)


def module(prefix: str | None) -> Any:
    paths = SimpleNamespace(prefix=prefix, modifies_prefixes=False)
    modifier = SimpleNamespace(
        namespace="pruning", is_main_snakefile=lambda: False, path_modifier=paths
    )
    return SimpleNamespace(modifier=modifier)


def test_a_module_with_a_prefix_is_refused() -> None:
    with pytest.raises(WorkflowError, match="module `pruning` has a `prefix`"):
        snakemake_hooks.read_config_of_module(module("there/"), {"extends": "tiny.yaml"})


def test_a_module_without_a_config_is_refused() -> None:
    workflow = module(None)
    assert snakemake_hooks.is_module(workflow)
    with pytest.raises(WorkflowError, match="module `pruning` has no config"):
        snakemake_hooks.read_config_of_module(workflow, {})
    config = {"extends": "tiny.yaml", "seeds": "one"}
    with pytest.raises(WorkflowError, match=r"the config of module pruning: .*\n.*`seeds`"):
        snakemake_hooks.read_config_of_module(workflow, config)
    assert config == {"extends": "tiny.yaml", "seeds": "one"}
    config["seeds"] = [1]
    snakemake_hooks.read_config_of_module(workflow, config)
    assert (config["seeds"], config["study"]) == ([1], "tiny")
