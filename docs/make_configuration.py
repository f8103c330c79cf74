"""Write what is said of the config in two places: the tables of docs/configuration.md, the schema.

Run `make docs` after a change of `prunescope.study.config`; a test compares both with the models.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prunescope.study.config import editor_schema, schema
from prunescope.study.config.writing import in_one_line

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "rules" / "schemas" / "config.schema.json"

# The keys of each table begin with one of these.
TABLES = {
    "study": ("study", "seeds", "published", "event_files", "dataset"),
    "datasets": ("datasets.",),
    "model": ("model.",),
    "imported": ("imported.",),
    "pruning": ("pruning.",),
    "retraining": ("retraining.",),
    "recipes": ("recipes.",),
    "interpretability": ("interpretability.",),
    "compact": ("compact.",),
    "sensitivity": ("sensitivity.",),
    "unit scores": ("unit_scores.",),
    "statistics and charts": ("statistics.", "charts."),
}
METHOD = ("granularity", "scope", "criterion", "layers", "biases", "retraining")
KIND = ("start", "mask", "recipe")
BETWEEN = r"(<!-- made by docs/make_configuration\.py: ([a-z ]+) -->\n).*?(<!-- end -->\n)"


def render_schema() -> str:
    """The schema for editors."""
    return json.dumps(editor_schema.make(), indent=2, ensure_ascii=False) + "\n"


def render_page(page: str) -> str:
    """The page with its tables made anew, and everything else as it is."""
    study = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    tables = {name: _keys(prefixes, study) for name, prefixes in TABLES.items()}
    tables["methods"] = _entries("Method", METHOD, study["pruning"]["methods"])
    tables["kinds"] = _entries("Kind", KIND, study["retraining"])
    return re.sub(
        BETWEEN, lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[3]}", page, flags=re.S
    )


def _keys(prefixes: tuple[str, ...], study: Mapping[str, Any]) -> str:
    """The table of those keys that begin with one of some prefixes."""
    columns = {"Default": {"datasets.<name>": f"datasets.{study['dataset']}"}}
    if prefixes == TABLES["recipes"]:
        columns = {f"`{name}`": {"recipes.<name>": f"recipes.{name}"} for name in study["recipes"]}
    rows = []
    for key, described, optional in schema.leaves():
        if key.startswith(prefixes) if "." in prefixes[0] else key in prefixes:
            values = [_value(study, key, names) for names in columns.values()]
            allowed = _type(described, optional)
            rows.append([f"`{key}`", allowed, *values, described["description"]])
    return _table(["Key", "Type and allowed values", *columns, "Meaning"], rows)


def _type(described: Mapping[str, Any], optional: bool) -> str:
    words = [schema.allowed(described), described.get("x-note", "")]
    if optional or "x-left-out" in described:
        words.append(described.get("x-left-out") or _left_out(described["default"]))
    return "; ".join(filter(None, words))


def _left_out(default: Any) -> str:
    return f"optional, `{in_one_line(default)}` if left out"


def _value(study: Any, key: str, names: Mapping[str, str]) -> str:
    """What the default study says of a key; nothing if it says nothing, or says it many times."""
    for pattern, name in names.items():
        key = key.replace(pattern, name)
    for part in key.split("."):
        if not isinstance(study, Mapping) or part not in study:
            return ""
        study = study[part]
    return f"`{study if isinstance(study, str) else in_one_line(study)}`"


def _entries(heading: str, keys: tuple[str, ...], entries: Mapping[str, Any]) -> str:
    """A table of entries that users name, one a row."""
    rows = [[f"`{name}`", *(_plain(entry[key]) for key in keys)] for name, entry in entries.items()]
    return _table([heading, *(key.capitalize() for key in keys)], rows)


def _plain(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(f"`{in_one_line(entry)}`" for entry in values)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["|" + "".join(f" {cell} |" if cell else " |" for cell in row) for row in [head, *rows]]
    lines.insert(1, "|---" * len(head) + "|")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    SCHEMA.write_text(render_schema(), encoding="utf-8")
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
