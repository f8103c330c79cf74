"""What is typed is what is meant, or the message says what YAML made of it."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prunescope.foundation.errors import InputError
from prunescope.study.config import reading, schema, writing
from prunescope.study.config.yaml_text import documents

ROOT = Path(__file__).resolve().parents[5]
TINY = ROOT / "config" / "tiny.yaml"
DATASET = "datasets.fashion_mnist_tiny"

Study = Callable[..., Path]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Write a file that extends the tiny study, with these lines below."""

    def write(lines: str, name: str = "own.yaml", extends: object = TINY) -> Path:
        path = tmp_path / name
        path.write_text(f"extends: {extends}\n{lines}\n", encoding="utf-8")
        return path

    return write


def refusal(*paths: Path, **overrides: Any) -> str:
    with pytest.raises(InputError) as refused:
        reading.read(*paths, overrides=overrides)
    return str(refused.value)


def nested(key: str, text: str) -> str:
    """One line of YAML with a value at a path."""
    *parents, last = key.split(".")
    return "".join(f"{parent}: {{" for parent in parents) + f"{last}: {text}" + "}" * len(parents)


# --- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("seeds: [1]\nseeds: [2]", "`seeds` stands twice, in lines 2 and 3. Keep one"),
        ("charts:\n  width: 400\n  width: 400", "`charts.width` stands twice, in lines 3 and 4"),
        ("charts: {width: 400, width: 500}", "`charts.width` stands twice, in line 2"),
        ('charts:\n  width: 400\n  "width": 500', "`charts.width` stands twice, in lines 3 and 4"),
        (
            "charts: {}\nseeds: [1]\ncharts: {}\ncharts: {}",
            "`charts` stands 3 times, in lines 2, 4",
        ),
        ("recipes: {short: {lr: 0.1,\n  lr: 0.2}}", "`recipes.short.lr` stands twice, in lines 2"),
        ("pruning: {rates: [0.1, {a: 1, a: 2}]}", "`pruning.rates.1.a` stands twice, in line 2"),
        ("recipes: {a: &a {lr: 1, lr: 2}, b: {<<: *a}}", "`recipes.a.lr` stands twice, in line 2"),
        ("recipes: {b: {<<: {lr: 1, lr: 2}}}", "`recipes.b.lr` stands twice, in line 2"),
        ("charts: {? width : 1, ? width : 2}", "`charts.width` stands twice, in line 2"),
        (
            "a: &a {x: 1}\nb: {<<: *a, <<: *a}",
            "`b.<<` stands twice, in line 3. Name all in one list: <<: [*one, *other]",
        ),
        (f"extends: {TINY}", "`extends` stands twice, in lines 1 and 2"),
    ],
)
def test_a_key_that_stands_twice_is_told(study: Study, lines: str, told: str) -> None:
    message = refusal(study(lines))
    assert "own.yaml cannot be used:\n  - " in message
    assert told in message
    assert message.count("\n") == 1, f"one mistake, one line: {message}"


def test_a_key_that_stands_twice_is_told_of_every_file(study: Study) -> None:
    study("charts: {width: 1, width: 2}", "first.yaml")
    study("", "second.yaml", "first.yaml")
    last = study("", "third.yaml", "second.yaml")
    assert f"first.yaml (`extends` of {last.parent}/second.yaml) cannot be used" in refusal(last)
    assert "first.yaml cannot be used" in refusal(TINY, last.parent / "first.yaml")


def test_all_that_is_wrong_with_a_file_is_told(study: Study) -> None:
    message = refusal(study("seeds: [010]\ncharts: {width: 1, width: 2}\nrecipes: {no: null}"))
    assert message.count("\n  - ") == 3
    for key in ("`seeds.0`, line 2: ", "`charts.width` stands", "`recipes.no`, line 4: "):
        assert key in message


def test_own_keys_override_merged_ones(study: Study) -> None:
    """As YAML means it: nothing stands twice."""
    path = study(
        "recipes:\n"
        "  long: &long {optimizer: sgd, lr: 0.1, weight_decay: 0, schedule: constant, batch: 8,\n"
        "    epochs: 2, augmentation: [], history_images: 9}\n"
        "  other: {lr: 0.2, <<: *long, epochs: 3}\n"
        "  third: {<<: [{lr: 0.3}, *long], batch: 4}\n"
    )
    recipes = reading.read(path).values["recipes"]
    assert [recipes[name]["lr"] for name in ("long", "other", "third")] == [0.1, 0.2, 0.3]
    assert [recipes[name]["epochs"] for name in ("long", "other", "third")] == [2, 3, 2]
    assert recipes["third"]["batch"] == 4


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("no", "false"), ("On", "true"), ("OFF", "false"), ("yes", "true"), ("True", "true"),
        ("null", "null"), ("~", "null"), ("12", "the number 12"), ("010", "the number 8"),
        ("1_000", "the number 1000"), ("1:30", "the number 90"), ("1.5", "the number 1.5"),
        ("2024-01-01", "a date"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["recipes.{}", "{}", "charts.{}", "pruning.methods.{}"])
def test_a_key_that_is_no_text_is_named_as_typed(
    study: Study, typed: str, made: str, where: str
) -> None:
    message = refusal(study(nested(where.replace("{}", "KEY"), "x").replace("KEY", typed)))
    told = f"`{where.format(typed)}`, line 2: the key {typed!r} is {made} to YAML 1.1, but keys are"
    assert f"{told} text: put it in quotation marks" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", "{{name}}"])
def test_a_key_is_no_list_and_no_mapping(study: Study, key: str) -> None:
    message = refusal(study(f"recipes:\n  ? {key}\n  : {{}}"))
    assert "`recipes.?`, line 3: a key is a list or a mapping, but keys are text" in message


def test_quoted_keys_are_text(study: Study) -> None:
    message = refusal(study('recipes: {"no": {lr: 0.1}}'))
    assert "`recipes.no.optimizer` is missing" in message
    assert "YAML" not in message


# --- values that YAML makes something else of ------------------------------------------------

LR, EPOCHS, TAU = "recipes.short.lr", "recipes.short.epochs", "interpretability.mis.tau"
FOLDER = f"{DATASET}.folder"


@pytest.mark.parametrize(
    ("key", "typed", "told"),
    [
        (LR, "4e-3", "'4e-3' is text to YAML 1.1: write 4.0e-3 or 0.004"),
        (LR, "1E2", "'1E2' is text to YAML 1.1: write 1.0e+2 or 100"),
        (LR, "1.5e3", "'1.5e3' is text to YAML 1.1: write 1.5e+3 or 1500"),
        (LR, "1e-30", "'1e-30' is text to YAML 1.1: write 1.0e-30"),
        (TAU, "+.5", "'+.5' is text to YAML 1.1: write 0.5"),
        (EPOCHS, "1e1", "'1e1' is text to YAML 1.1: write 10"),
        (EPOCHS, "09", "'09' is text to YAML 1.1: write 9"),
        ("seeds", "[0, 1e3]", "'1e3' is text to YAML 1.1: write 1000"),
        ("pruning.rates", "[2e-1, 0.4]", "'2e-1' is text to YAML 1.1: write 2.0e-1 or 0.2"),
        (f"{DATASET}.mean", "[3e-1, 0, 0]", "'3e-1' is text to YAML 1.1: write 3.0e-1 or 0.3"),
        ("study", "no", "'no' is false to YAML 1.1: text needs quotation marks"),
        ("study", "On", "'On' is true to YAML 1.1"),
        ("study", "true", "'true' is true to YAML 1.1: text needs quotation marks"),
        ("study", "~", "'~' is null to YAML 1.1"),
        ("study", "null", "'null' is null to YAML 1.1: text needs quotation marks"),
        ("study", "", "nothing is null to YAML 1.1"),
        ("study", "2024-01-01", "'2024-01-01' is a date to YAML 1.1"),
        ("study", "0x10", "'0x10' is the number 16 to YAML 1.1"),
        (EPOCHS, "off", "'off' is false to YAML 1.1"),
        (EPOCHS, "-1_000", "'-1_000' is the number -1000 to YAML 1.1"),
        (EPOCHS, "-0x10", "'-0x10' is the number -16 to YAML 1.1"),
        (LR, ".inf", "'.inf' is the number inf to YAML 1.1"),
        (LR, "-1_0.5", "'-1_0.5' is the number -10.5 to YAML 1.1"),
        ("pruning.batch_norm", "yes", "'yes' is true to YAML 1.1"),
        ("model.checkpoint", "off", "'off' is false to YAML 1.1"),
        ("published", "2024-01-01", "a date to YAML 1.1: text needs quotation marks"),
        ("published", "123", "'123' is the number 123 to YAML 1.1: text needs quotation marks"),
        (FOLDER, "off", "'off' is false to YAML 1.1: text needs quotation marks"),
        ("pruning.exclude", "[no]", "'no' is false to YAML 1.1: text needs quotation marks"),
        ("interpretability.similarity.sha256", f"{{a: {'1' * 64}}}", "text needs quotation marks"),
    ],
)
def test_what_yaml_made_of_a_refused_value_is_told(
    study: Study, key: str, typed: str, told: str
) -> None:
    message = refusal(study(nested(key, typed)))
    assert f"  - `{key}" in message
    assert told in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        (LR, "-1.50"),
        (LR, "fast"),
        (LR, "'4e-3'"),
        (EPOCHS, "1e999999999"),
        (EPOCHS, "0"),
        (EPOCHS, "1.50"),
        (EPOCHS, "1.5e-3"),
        (EPOCHS, "true"),
        ("pruning.batch_norm", "1e5"),
        ("study", "My-Study"),
        ("study", "12"),
    ],
)
def test_a_value_that_yaml_takes_for_what_it_looks_like_gets_no_hint(
    study: Study, key: str, typed: str
) -> None:
    assert "YAML" not in refusal(study(nested(key, typed)))


@pytest.mark.parametrize(
    ("typed", "made"),
    [("010", 8), ("-010", -8), ("1:30", 90), ("1:30.5", 90.5), ("0_10", 8), ("1.0e+999", "inf")],
)
@pytest.mark.parametrize("key", [EPOCHS, LR, "study", "seeds", FOLDER, "interpretability.mis.seed"])
def test_a_number_that_people_read_otherwise_is_refused_everywhere(
    study: Study, key: str, typed: str, made: object
) -> None:
    """Where it would be taken too: nobody means 8 by 010."""
    message = refusal(study(nested(key, typed)))
    assert f"`{key}`, line 2: {typed!r} is the number {made} to YAML 1.1: write" in message
    assert message.count("\n") == 1


def test_a_hint_is_of_the_value_that_counts(study: Study) -> None:
    study(nested(LR, "4e-3"), "first.yaml")
    path = study(nested(LR, "0.004"), "second.yaml", "first.yaml")
    assert reading.read(path).values["recipes"]["short"]["lr"] == 0.004
    path = study(nested(LR, "[4e-3]"), "second.yaml", "first.yaml")
    assert f"`{LR}`: ['4e-3'] must be a number above 0" in refusal(path)
    assert "YAML" not in refusal(path)
    assert "YAML" not in refusal(study(nested("seeds", "[4e-3]")), seeds=["-1"])


def test_merged_values_get_a_hint_where_they_are_merged(study: Study) -> None:
    message = refusal(study("recipes: {a: &a {lr: 4e-3}, b: {<<: *a}, c: {<<: *a, lr: -1}}"))
    assert "`recipes.a.lr`: '4e-3' must be a number above 0. '4e-3' is text" in message
    assert "`recipes.b.lr`: '4e-3' must be a number above 0. '4e-3' is text" in message
    assert "`recipes.c.lr`: -1 must be a number above 0\n" in f"{message}\n"


@pytest.mark.parametrize(
    ("typed", "expected"), [("1_000", 1000), ("0x10", 16), ("0b11", 3), ("+5", 5), ("007", 7)]
)
def test_numbers_are_taken_that_read_the_same(study: Study, typed: str, expected: int) -> None:
    path = study(nested("recipes.short.history_images", typed))
    assert reading.read(path).values["recipes"]["short"]["history_images"] == expected


@pytest.mark.parametrize("typed", ["2024-13-01", "2024-02-30"])
def test_a_date_that_is_none_is_told(study: Study, typed: str) -> None:
    told = f"`study`, line 2: {typed!r} is a timestamp to YAML 1.1, but"
    assert told in refusal(study(f"study: {typed}"))
    assert f"the key {typed!r} is no text" in refusal(study(f"{typed}: 1"))


SCALARS = st.sampled_from(["0", "1", "8", "9", "_", ":", "-", "+", ".", "e", "E", "x", "o", "~"])


@given(st.lists(SCALARS, min_size=1, max_size=6).map("".join))
def test_a_number_is_the_one_that_python_reads_or_is_refused(text: str) -> None:
    """Python's own reading is the oracle: it knows neither sixties nor a leading 0."""
    try:
        value = documents.parse(f"[{text}]", "x").values[0]
    except InputError:
        return
    if isinstance(value, int | float):
        plain = text.replace("_", "")
        assert value == (int(plain, 16) if "x" in text else float(plain))


# --- numbers ---------------------------------------------------------------------------------


def numbers(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all numbers of a study."""
    if isinstance(values, Mapping | list):
        entries = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, inner in entries:
            yield from numbers(inner, (*path, key))
    elif isinstance(values, int | float) and not isinstance(values, bool):
        yield path


def with_value(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(values)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


WHOLE = reading.read(TINY).values


@pytest.mark.parametrize("path", list(numbers(WHOLE)), ids=str)
@pytest.mark.parametrize("typed", [".nan", ".inf", "-.inf"])
def test_no_number_may_be_infinite_or_none(
    tmp_path: Path, path: tuple[Any, ...], typed: str
) -> None:
    (value,) = yaml.safe_load(f"[{typed}]")
    file = tmp_path / "whole.yaml"
    file.write_text(yaml.safe_dump(with_value(WHOLE, path, value)))
    where = ".".join(map(str, path))
    assert f"`{where}`: " in refusal(file)
    said = with_value(WHOLE, path, typed)[path[0]]
    assert f"`{where}`: " in refusal(TINY, **{path[0]: said})


def test_the_tiny_study_holds_most_numbers() -> None:
    """Else the test above shows little."""
    found = {path[-1] for path in numbers(WHOLE)}
    plain = {
        name.rpartition(".")[2]
        for name, described, _ in schema.leaves()
        for option in schema.options(described)
        if option.get("type") == "number"
    }
    assert plain - found <= {
        "gamma", "l1_on_scales", "of_training", "of_runs", "rate", "fraction",
    }  # fmt: skip


# --- the command line ------------------------------------------------------------------------


@pytest.mark.parametrize("given", [["0", "1"], [0, 1], ("0", "1"), ["0", " 1"]])
def test_seeds_of_the_command_line(given: Any) -> None:
    """Snakemake hands over what stands in brackets as a list of texts."""
    assert reading.read(TINY, overrides={"seeds": given}).values["seeds"] == [0, 1]


@pytest.mark.parametrize(
    "overrides",
    [
        # seeds=0, seeds=0,1, seeds=[0, (the shell cut it), seeds=[0 1], charts=500,
        # charts={width:500}, recipes={short: {lr: 4e-3}}
        {"seeds": 0},
        {"seeds": "0,1"},
        {"seeds": "[0,"},
        {"seeds": ["0 1"]},
        {"charts": 500},
        {"charts": {"width:500": ""}},
        {"recipes": {"short": {"lr": "4e-3"}}},
    ],
)
def test_the_command_line_is_told_how_to_write_lists_and_mappings(overrides: Any) -> None:
    message = refusal(TINY, **overrides)
    (key,) = overrides
    assert message.count("\n") == 2
    assert f"  - `{key}" in message
    assert "the shell: --config 'seeds=[0, 1]' 'charts={width: 500, height: 400}'" in message


def test_only_mistakes_of_the_command_line_are_answered_so(study: Study) -> None:
    assert "--config" not in refusal(study("charts: {width: -1}"), seeds=["3"])
    assert "--config" not in refusal(TINY, study="A b")


def test_what_yaml_made_of_the_command_line_is_told() -> None:
    assert "'4e-3' is text to YAML 1.1: write 4.0e-3 or 0.004" in refusal(
        TINY, recipes={"short": {"lr": "4e-3"}}
    )
    assert "'no' is false to YAML 1.1" in refusal(TINY, study="no")
    message = refusal(TINY, seeds=["010"], charts={"width": "1:30"})
    assert message.startswith("--config cannot be used:\n  - `seeds.0`: '010' is the number 8 to")
    assert "  - `charts.width`: '1:30' is the number 90 to YAML 1.1" in message
    assert "`study`: '2024-13-01' must be a name" in refusal(TINY, study="2024-13-01")


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"charts:\n\twidth: 500\n", r"line 2: not YAML: found character '\t' that cannot start"),
        (b"charts:\n  width: 1\n\theight: 2\n", "Indent by spaces, not by tabs"),
        (b"", "is empty, but a study is a mapping"),
        (b"# only a comment\n---\n", "is empty, but a study is a mapping"),
        (b"\xef\xbb\xbf", "is empty, but a study is a mapping"),
        (b"- a\n- b\n", "holds ['a', 'b'], but a study is a mapping"),
        (b"study", "holds 'study', but a study is a mapping"),
        (b"a: 1\n---\nb: 2\n", "line 2: not YAML: but found another document"),
        (b"study: \xff\n", "not YAML: not a text in UTF-8"),
        ("study: a\n".encode("utf-16"), "not YAML: not a text in UTF-8"),
        (b"study: *a\n", "line 1: not YAML: found undefined alias 'a'"),
        (b"study: !!python/none x\n", "line 1: not YAML: could not determine a constructor"),
        (b"study: =\n", "line 1: not YAML: could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_study_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert told in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: b"---\n" + text + b"...\n",
        lambda text: text + b"\n\n  \n# the end",
    ],
)
def test_how_lines_end_and_files_begin_does_not_matter(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(change(TINY.read_bytes()))
    assert reading.read(path).values == WHOLE


def test_a_study_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(WHOLE))
    assert reading.read(path).values == WHOLE


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ("charts: &a [*a]", "charts.0"),
        ("charts: &a {width: *a}", "charts.width"),
        ("charts: &a\n  width: [1, {x: *a}]", "charts.width.1.x"),
        ("charts: &a {<<: *a}", "charts"),
        ("charts: &a {<<: [{x: *a}]}", "charts.x"),
    ],
)
def test_an_alias_of_what_it_stands_in_is_told(study: Study, lines: str, where: str) -> None:
    message = refusal(study(lines))
    assert f"  - `{where}`, line " in message
    assert "an alias stands in what it repeats" in message
    assert message.count("\n") == 1


def test_aliases_are_taken(study: Study) -> None:
    path = study("pruning: {rates: &rates [0.5]}\nsensitivity: {rates: *rates}\n")
    values = reading.read(path).values
    assert values["pruning"]["rates"] == values["sensitivity"]["rates"] == [0.5]


# --- written out -----------------------------------------------------------------------------

TEXTS = st.sampled_from(
    ["no", "On", "~", "null", "010", "1:30", "1e5", "2024-01-01", "2024-13-01", "=", "<<", "1_0"]
)


@given(TEXTS | st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_out_is_read_back(text: str, number: float) -> None:
    line = writing.in_one_line({text: [text, number]})
    assert documents.parse(f"x: {line}", "x").values == {"x": {text: [text, number]}}
