"""Scripts ask for nothing that their rule does not give."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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
