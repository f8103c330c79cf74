"""Nothing that is read may run code, and nothing that is named may leave its place."""

import ast
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics.families.dreamsim import _unpacked
from prunescope.study.config.checking import check

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for folder in ("workflow_scripts", "benchmarks", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call in a file, by its dotted name."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


def keyword(call: ast.Call, name: str) -> Any:
    found = [word.value for word in call.keywords if word.arg == name]
    return ast.literal_eval(found[0]) if found else None


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_no_code_is_loaded_from_data(path: Path) -> None:
    for name, call in calls(path):
        if name == "torch.load":
            assert keyword(call, "weights_only") is True
        if name in ("np.load", "np.save"):
            assert keyword(call, "allow_pickle") is False
        assert name not in ("eval", "exec", "os.system", "os.popen", "yaml.load"), name
        assert not name.startswith(("pickle.load", "joblib.", "marshal.", "shelve.")), name
        assert keyword(call, "shell") is not True if name.startswith("subprocess.") else True


def test_calls_are_found() -> None:
    names = {name for path in CODE for name, _ in calls(path)}
    assert {"torch.load", "np.load", "subprocess.run"} <= names


NASTY = ["a b", "a\n", "a;rm", "a'b", 'a"b', "../a", "a/b", "$(a)", "a\nb", "", "A", "{a}", "-a"]


def renamed(section: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in section.items()}


@pytest.mark.parametrize("name", NASTY)
def test_names_that_could_mean_something_to_a_shell_or_a_path_are_refused(name: str) -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    methods = config["pruning"]["methods"]
    changes = [
        {"study": name},
        {"datasets": renamed(config["datasets"], "fashion_mnist", name)},
        {"pruning": config["pruning"] | {"methods": renamed(methods, "structured", name)}},
        {"retraining": renamed(config["retraining"], "one_shot", name)},
        {"recipes": renamed(config["recipes"], "short", name)},
    ]
    for change in changes:
        with pytest.raises(InputError):
            check(config | change)


def test_rules_use_no_shell() -> None:
    """Snakemake puts values into commands as they are; scripts get them as values."""
    text = "".join(path.read_text() for path in RULES)
    assert text.count("    script:\n") > 20
    for word in ("shell", "run", "shadow", "container", "wrapper"):
        assert f"    {word}:\n" not in text
    for call in ("shell", "eval", "exec", "system", "popen", "Popen", "load", "loads"):
        assert f"{call}(" not in text


def test_an_archive_cannot_write_beside_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../escaped.txt", "out")
        file.writestr("/tmp/escaped_absolute.txt", "out")
        file.writestr("member", "in")
    with _unpacked(path, ("member",)) as folder:
        parent = Path(folder).parent
        assert not (parent / "escaped.txt").exists()
    assert not Path("/tmp/escaped_absolute.txt").exists()
