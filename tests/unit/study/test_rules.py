"""Scripts ask for nothing that their rule does not give; the cluster's profile knows every rule."""

import re
from pathlib import Path

import pytest
import yaml

from prunescope.study import paths
from prunescope.study.config.study_model import TAKEN

ROOT = Path(__file__).resolve().parents[3]
# What comes by way of `unpack(train_images)`.
UNPACKED = {"index", "images", "labels"}


def rules() -> dict[str, str]:
    """The text of every rule that runs a script, by rule."""
    texts = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    found = re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", texts, flags=re.M | re.S)
    return {name: body for name, body in found if "script:" in body}


RULES = rules()


def asked(script: str) -> dict[str, set[str]]:
    """The names that a script takes from each part of its job."""
    text = (ROOT / "workflow_scripts" / script).read_text()
    found: dict[str, set[str]] = {}
    for part, name in re.findall(r"smk\.(input|output|params|resources)\.(\w+)", text):
        found.setdefault(part, set()).add(name)
    found.get("params", set()).discard("items")
    return found


def given(body: str, part: str) -> set[str]:
    """The names that a rule gives in one of its parts."""
    section = re.search(rf"^    {part}:\n(.*?)(?=^    \w|\Z)", body, flags=re.M | re.S)
    text = section[1] if section else ""
    names = set(re.findall(r"^        (\w+)=", text, flags=re.M))
    return names | (UNPACKED if "unpack(" in text else set())


def test_no_study_may_have_the_name_of_another_folder_of_results() -> None:
    """Folders that rules, the profile and the benchmarks write, beside those of studies."""
    texts = [*sorted((ROOT / "rules").glob("*.smk")), PROFILE, ROOT / "benchmarks/common.py"]
    written = " ".join(path.read_text() for path in texts) + f" {paths.DATASETS}/"
    named = re.findall(r"results(?:/|\" / \")(?:logs/)?([a-z_]+)(?![a-z_.])", written)
    # `fashion_mnist` is the default study.
    assert {*named, "logs"} - {"fashion_mnist"} == TAKEN.keys()


def test_rules_are_found() -> None:
    assert {"train_dense", "score_mis", "pack_sample"} <= set(RULES)
    assert "decoding" in asked("train_dense.py")["params"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_gives_what_its_script_asks_for(rule: str) -> None:
    body = RULES[rule]
    path = re.search(r'"\.\./workflow_scripts/(\w+\.py)"', body)
    assert path is not None
    for part, names in asked(path[1]).items():
        assert names <= given(body, part), f"{rule}: {part} lacks {names - given(body, part)}"


PROFILE = ROOT / "profiles" / "slurm" / "profile.yaml"
# Steps of one network that take no longer are worth less than the queueing of a job of their own.
SHORT_MINUTES = 20
# Their jobs measure time: another one beside them on the node would spoil it.
ALONE = {"measure_costs"}


def local_rules() -> set[str]:
    return {name for name, body in RULES.items() if "    localrule: True\n" in body}


def profile() -> dict:
    return yaml.safe_load(PROFILE.read_text())


def asks_for_gpu(body: str) -> bool:
    return re.search(r"^        gpu=1,$", body, flags=re.M) is not None


def is_short_step_of_a_network(body: str) -> bool:
    limit = re.search(
        r"^        runtime=minutes\((?:\d+ if [\w.]+ else )?(\d+)\)", body, flags=re.M
    )
    of_network = "{NETWORK}/" in body.partition("    output:")[2].partition("    log:")[0]
    return of_network and limit is not None and int(limit[1]) <= SHORT_MINUTES


def test_rules_that_use_a_gpu_have_its_partition() -> None:
    with_gpu = {name for name, body in RULES.items() if asks_for_gpu(body)}
    assert {"train_dense", "find_exemplars"} <= with_gpu
    assert not [name for name, body in RULES.items() if "gpu=" in body and name not in with_gpu]
    given_one = profile()["set-resources"]
    assert given_one.keys() == with_gpu | ALONE
    for name in with_gpu:
        assert given_one[name].keys() == {"slurm_partition", "gpu_model"}, name
    for name in ALONE:
        assert given_one[name] == {"slurm_extra": "'--exclusive'"}


def test_short_steps_share_jobs() -> None:
    groups, components = profile()["groups"], profile()["group-components"]
    short = {
        name
        for name, body in RULES.items()
        if is_short_step_of_a_network(body) and not asks_for_gpu(body)
    }
    assert {"prune_network", "score_mis", "account_network"} <= short
    assert short - local_rules() - ALONE <= groups.keys(), "add them to groups of profiles/slurm"
    assert groups.keys() <= RULES.keys() - local_rules()
    assert not groups.keys() & (profile()["set-resources"].keys() | ALONE)
    assert components.keys() == set(groups.values()) - {"summary"}


def test_every_job_says_how_much_memory_and_time_it_needs() -> None:
    for name, body in RULES.items():
        assert re.search(r"^        mem_mb=\w+", body, flags=re.M), name
        assert re.search(r"^        runtime=\w+", body, flags=re.M), name


def test_every_setting_of_the_profile_has_its_reason() -> None:
    lines = PROFILE.read_text().splitlines()
    settings = [number for number, line in enumerate(lines) if re.match(r"[a-z]", line)]
    assert len(settings) == len(profile())
    for number in settings:
        assert lines[number - 1].startswith("# "), lines[number]
