"""Studies that extend others, the models of the config, and what editors are told."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.foundation.errors import InputError
from prunescope.interpret import exemplars, mis, score_variants
from prunescope.prune import masks
from prunescope.prune.measuring.sample import SampleSettings
from prunescope.study.config import reading, writing
from prunescope.study.config.checking import check
from prunescope.study.config.section import Section, kinds
from prunescope.study.config.sections.charts import Charts
from prunescope.study.config.sections.interpretability import Exemplars, Mis
from prunescope.study.config.sections.pruning import MeasuredSample, Method
from prunescope.study.config.sections.recipes import Recipe
from prunescope.study.config.sections.retraining import Recalibration
from prunescope.study.config.sections.sensitivity import Variant
from prunescope.study.config.sections.statistics import Statistics
from prunescope.study.config.study_model import StudyModel
from prunescope.summarize.charts import theme
from prunescope.summarize.estimates import inputs
from prunescope.train import recalibration
from prunescope.train.recipes import recipe

ROOT = Path(__file__).resolve().parents[4]
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
TINY = ROOT / "config" / "tiny.yaml"
VARIANTS = ("permuted", "tasks_4", "quantile", "probe_60", "pooling_max", "metric_pixels")

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a study of some keys that extends another one; without one, the tiny study."""

    def study(name: str, extends: str | None = str(TINY), **values: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {} if extends is None else {"extends": extends}
        path.write_text(yaml.safe_dump(said | values, sort_keys=False), encoding="utf-8")
        return path

    return study


def tiny() -> dict[str, Any]:
    return reading.read(TINY).values


def refusal(*paths: Path, **overrides: Any) -> str:
    with pytest.raises(InputError) as refused:
        reading.read(*paths, overrides=overrides)
    return str(refused.value)


# --- extending -------------------------------------------------------------------------------


def test_a_study_says_only_what_is_its_own(write: Write) -> None:
    found = reading.read(write("own.yaml", study="own", interpretability={"mis": {"tau": 1}}))
    expected = tiny()
    expected["study"] = "own"
    expected["interpretability"]["mis"]["tau"] = 1.0
    assert found.values == expected


def test_mappings_are_merged_and_lists_are_replaced(write: Write) -> None:
    path = write("own.yaml", seeds=[4], charts={"width": 500}, pruning={"rates": [0.5]})
    values = reading.read(path).values
    assert values["seeds"] == [4]
    assert values["pruning"]["rates"] == [0.5]
    assert values["charts"] == tiny()["charts"] | {"width": 500}


def test_an_empty_mapping_adds_nothing(write: Write) -> None:
    empty = write("empty.yaml", sensitivity={"variants": dict.fromkeys(VARIANTS)})
    assert reading.read(empty).values["sensitivity"]["variants"] == {}
    nothing = write("nothing.yaml", sensitivity={"variants": {}}, charts={})
    assert reading.read(nothing).values == tiny()
    again = write("again.yaml", "empty.yaml", sensitivity={"variants": {"seed": {"seed": 1}}})
    assert reading.read(again).values["sensitivity"]["variants"] == {"seed": {"seed": 1}}
    said = {"sensitivity": {"rates": [], "variants": {}}}
    values = {key: value for key, value in tiny().items() if key != "sensitivity"} | said
    origins = reading.read(write("whole.yaml", None, **values)).origins
    assert origins["sensitivity"]["variants"].endswith("whole.yaml")


def test_paths_are_seen_from_the_file_that_says_them(write: Write) -> None:
    write("b/middle.yaml", seeds=[1, 2], charts={"width": 500})
    path = write("a/last.yaml", "../b/middle.yaml", charts={"height": 600})
    found = reading.read(path)
    assert found.values["seeds"] == [1, 2]
    assert found.values["charts"] == tiny()["charts"] | {"width": 500, "height": 600}
    assert [file.resolve().name for file in found.files] == [
        "tiny.yaml",
        "middle.yaml",
        "last.yaml",
    ]


def test_values_tell_where_they_come_from(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("own.yaml", charts={"width": 500})
    monkeypatch.chdir(path.parent)
    origins = reading.read(path, overrides={"charts": {"height": 600}}).origins
    assert origins["charts"] == {
        "width": "own.yaml",
        "height": "--config",
        "png_scale": str(TINY),
    }
    assert origins["recipes"]["short"]["precision"] == "default"
    assert origins["seeds"] == str(TINY)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_study_that_another_workflow_gives_says_what_its_file_says(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    # Whoever gives a study need not know where the file lies.
    folder = ROOT / "config" if path.name != "config.yaml" else path.parent
    found = reading.read_given(content, "theirs", folder).values
    assert found == reading.read(path).values
    # A module is read once for each `use rule`.
    assert reading.read_given(found, "theirs", folder).values == found


def test_what_a_study_extends_that_another_workflow_gives(write: Write) -> None:
    path = write("theirs.yaml", charts={"width": 500})
    found = reading.read_given({"extends": str(path), "seeds": [3]}, "theirs", ROOT)
    assert (found.values["seeds"], found.values["charts"]["width"]) == ([3], 500)
    assert found.origins["seeds"] == "theirs"
    with pytest.raises(InputError, match=r"theirs: `extends`: 'no\.yaml': there is no .*/no\.yaml"):
        reading.read_given({"extends": "no.yaml"}, "theirs", path.parent)
    with pytest.raises(InputError, match="theirs: `extends`: 3 must be the path"):
        reading.read_given({"extends": 3}, "theirs", path.parent)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_each_value_has_one_origin(path: Path) -> None:
    def compare(values: Any, origins: Any) -> None:
        if isinstance(values, dict) and values:
            assert values.keys() == origins.keys()
            for key in values:
                compare(values[key], origins[key])
        else:
            assert isinstance(origins, str)

    found = reading.read(path)
    compare(found.values, found.origins)


def test_a_circle_is_named(write: Write) -> None:
    first = write("a.yaml", "b.yaml")
    write("b.yaml", "folder/c.yaml")
    write("folder/c.yaml", "../a.yaml")
    message = refusal(first)
    assert "`extends` goes round in a circle: " in message
    names = re.findall(r"(\w)\.yaml", message.partition("circle: ")[2])
    assert names == ["a", "b", "c", "a"]
    assert "goes round in a circle" in refusal(write("own.yaml", "own.yaml"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("- a\n- b\n", "holds ['a', 'b'], but a study is a mapping"),
        ("", "is empty, but a study is a mapping"),
        ("a: [1,\nb: 2\n", "not YAML"),
        ("a: \x00", "not YAML"),
    ],
)
def test_an_extended_file_that_cannot_be_read_is_named(
    write: Write, content: str | None, said: str
) -> None:
    path = write("own.yaml", "other.yaml")
    if content is not None:
        (path.parent / "other.yaml").write_text(content)
    message = refusal(path)
    assert f"other.yaml (`extends` of {path.resolve()})" in message
    assert said in message
    assert "\n" not in message


def test_extends_is_one_path(write: Write) -> None:
    path = write("own.yaml")
    path.write_text("extends: [a.yaml]\n")
    assert "own.yaml: `extends`: ['a.yaml'] must be the path of a study" in refusal(path)


def test_mistakes_in_a_study_that_extends_are_told_as_always(write: Write) -> None:
    message = refusal(write("own.yaml", chart={"width": 1}, seeds=[True], extend="a.yaml"))
    assert "`extend` is not a key of the config. Did you mean `extends`?" in message
    assert "`chart` is not a key of the config. Did you mean `charts`?" in message
    assert "`seeds.0`: True must be a whole number" in message


# --- null ------------------------------------------------------------------------------------


def test_null_takes_away_entries_that_the_user_named(write: Write) -> None:
    path = write(
        "own.yaml",
        pruning={"methods": {"structured": None}},
        sensitivity={"variants": {"permuted": None, "quantile": None}},
    )
    values = reading.read(path).values
    expected = tiny()
    assert set(values["pruning"]["methods"]) == {"global_unstructured"}
    assert set(expected["sensitivity"]["variants"]) - set(values["sensitivity"]["variants"]) == {
        "permuted",
        "quantile",
    }


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"recipes": {"shrot": None}}, "recipes.shrot"),
        ({"pruning": {"methods": {"structured:null": None}}}, "pruning.methods.structured:null"),
        ({"sensitivity": {"variants": {"t": None, "permuted": None}}}, "sensitivity.variants.t"),
        (
            {"interpretability": {"similarity": {"sha256": {"a": None}}}},
            "interpretability.similarity.sha256.a",
        ),
    ],
)
def test_null_takes_away_only_what_is_there(write: Write, said: dict[str, Any], key: str) -> None:
    told = f"\n  - `{key}`: null takes away an entry, but none of this name was said before"
    assert refusal(write("own.yaml", **said)).endswith(told)
    assert refusal(TINY, **said).partition("\nBehind")[0].endswith(told)


def test_an_entry_may_be_taken_away_twice_and_come_back(write: Write) -> None:
    method = {"pruning": {"methods": {"structured": None}}}
    write("first.yaml", **method)
    second = write("second.yaml", "first.yaml", **method)
    assert set(reading.read(second).values["pruning"]["methods"]) == {"global_unstructured"}
    back = {"pruning": {"methods": {"structured": tiny()["pruning"]["methods"]["structured"]}}}
    third = write("third.yaml", "second.yaml", **back)
    assert reading.read(third).values == tiny()


def test_null_gives_an_optional_key_its_default(write: Write) -> None:
    assert tiny()["recipes"]["short"]["momentum"] == 0.9
    path = write("own.yaml", recipes={"short": {"momentum": None, "precision": None}})
    short = reading.read(path).values["recipes"]["short"]
    assert short["momentum"] == 0.0
    assert short["precision"] == "float32"


def test_null_stays_a_value_where_it_is_one(write: Write) -> None:
    middle = write(
        "middle.yaml",
        published="numbers.csv",
        datasets={"fashion_mnist_tiny": {"folder": "a/folder"}},
        recipes={"short": {"images_per_epoch": None}},
    )
    values = reading.read(middle).values
    assert values["recipes"]["short"]["images_per_epoch"] is None
    assert values["published"] == "numbers.csv"
    last = write(
        "last.yaml",
        "middle.yaml",
        published=None,
        datasets={"fashion_mnist_tiny": {"folder": None}},
        retraining={"iterative": {"recipe": None}},
    )
    values = reading.read(last).values
    assert values["published"] is None
    assert values["datasets"]["fashion_mnist_tiny"]["folder"] is None
    assert values["retraining"]["iterative"]["recipe"] is None


def test_null_is_refused_where_a_value_is_needed(write: Write) -> None:
    message = refusal(write("own.yaml", seeds=None, charts=None))
    assert "`seeds`: null must be a list of different whole numbers from 0" in message
    assert "`charts`: null must be a mapping with the keys height, png_scale, width" in message


def test_a_dataset_may_change_its_source(write: Write) -> None:
    def dataset(**keys: Any) -> dict[str, Any]:
        return {"datasets": {"fashion_mnist_tiny": keys}}

    files = {"source": "imagenet", "folder": "f", "resize": 40, "on_error": "fail"}
    middle = write("middle.yaml", **dataset(**files, validation_labels="labels.csv"))
    found = reading.read(middle).values["datasets"]["fashion_mnist_tiny"]
    assert found["validation_labels"] == "labels.csv"
    back = {"source": "fashion_mnist", "folder": None, "resize": None, "on_error": None}
    last = write("last.yaml", "middle.yaml", **dataset(**back, validation_labels=None))
    assert reading.read(last).values == tiny()
    kept = write("kept.yaml", "middle.yaml", **dataset(source="fashion_mnist"))
    assert "`datasets.fashion_mnist_tiny.resize`: source 'fashion_mnist' does not use it" in (
        refusal(kept)
    )


def test_a_checkpoint_may_change_its_form(write: Write) -> None:
    address = {"url": "https://example.org/a.pth", "sha256": "0" * 64}
    middle = write("middle.yaml", model={"checkpoint": address})
    assert reading.read(middle).values["model"]["checkpoint"] == address
    last = write("last.yaml", "middle.yaml", model={"checkpoint": "train"})
    assert reading.read(last).values == tiny()
    named = write("named.yaml", "middle.yaml", model={"checkpoint": {"torchvision": "V1"}})
    assert "`model.checkpoint.torchvision`: 'V1' is not known" in refusal(named)


# --- paths -----------------------------------------------------------------------------------

DATASET = "datasets.fashion_mnist_tiny"


def with_path(key: str, path: str) -> dict[str, Any]:
    """What a study says that has a path under a key (`a.b.c`)."""
    said: Any = path
    for part in reversed(key.split(".")):
        said = {part: said}
    return said


@pytest.mark.parametrize(
    "path",
    ["~/data/imagenet", "~", "~somebody/data", "$HOME/data", "${DATA}", "data/$USER/x", "/$A"],
)
@pytest.mark.parametrize("key", [f"{DATASET}.folder", f"{DATASET}.validation_labels", "published"])
def test_paths_are_not_for_a_shell(write: Write, key: str, path: str) -> None:
    message = refusal(write("own.yaml", **with_path(key, path)))
    assert f"`{key}`: '{path}' is for a shell" in message
    assert "a link here (ln -s)" in message
    assert str(Path.home()) not in message
    assert f"own.yaml: `extends`: '{path}' is for a shell" in refusal(write("own.yaml", path))


@pytest.mark.parametrize("path", ["./~", "data~", "a/~b", "cost in $", "a$b", "$(touch here)"])
def test_other_names_of_folders_are_taken(write: Write, path: str) -> None:
    values = reading.read(write("own.yaml", **with_path(f"{DATASET}.folder", path))).values
    assert values["datasets"]["fashion_mnist_tiny"]["folder"] == path


def test_none_is_no_path(write: Write) -> None:
    message = refusal(write("own.yaml", **with_path(f"{DATASET}.folder", "None")))
    assert f"`{DATASET}.folder`: 'None' is text: write null, or ./None" in message


# --- several files, and the command line -----------------------------------------------------


def test_a_later_file_says_more_or_something_else(write: Write) -> None:
    first = write("first.yaml", seeds=[1], charts={"width": 500})
    second = write("second.yaml", None, seeds=[2], recipes={"short": {"momentum": None}})
    values = reading.read(first, second).values
    assert values["seeds"] == [2]
    assert values["charts"]["width"] == 500
    assert values["recipes"]["short"]["momentum"] == 0.0


def test_the_command_line_comes_last(write: Write) -> None:
    path = write("own.yaml", seeds=[1])
    # As Snakemake reads `seeds=[2,3]`, `charts={width: 500}` and `published=null`.
    overrides = {"seeds": ["2", "3"], "charts": {"width": "500"}, "published": "a: b"}
    values = reading.read(path, overrides=overrides).values
    assert values["published"] == "a: b"
    values = reading.read(path, overrides=overrides | {"published": "null"}).values
    assert values["seeds"] == [2, 3]
    assert values["charts"]["width"] == 500
    assert values["published"] is None
    message = refusal(path, study="A b", charts={"widht": "500"}, seeds=["[", "x"])
    assert "`study`: 'A b' must be a name" in message
    assert "`charts.widht` is not a key of the config. Did you mean `width`?" in message
    assert "`seeds.0`: '[' must be a whole number from 0" in message


# --- written out -----------------------------------------------------------------------------


def written_out(path: Path, target: Path) -> Path:
    target.write_text(writing.write(reading.read(path)), encoding="utf-8")
    return target


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_study_that_is_written_out_is_the_same(path: Path, tmp_path: Path) -> None:
    again = reading.read(written_out(path, tmp_path / "out.yaml"))
    assert again.values == reading.read(path).values
    assert json.dumps(again.values) == json.dumps(reading.read(path).values), "in the same order"
    assert again.files == (tmp_path / "out.yaml",)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_checked_config_is_taken_as_it_is(path: Path) -> None:
    values = reading.read(path).values
    assert check(values).model_dump() == values


# Some begin as paths that only a shell knows, or hold wildcards of Snakemake, and are refused.
PATHS = (
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="{}"), min_size=1)
    .map("./{}".format)
    .filter(lambda path: "/$" not in path)
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
RECIPES = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(["sgd", "adam"]),
        "lr": st.floats(1e-8, 1e3) | st.integers(1, 3),
        "weight_decay": st.floats(0, 1),
        "schedule": st.just("constant"),
        "batch": st.integers(2, 512),
        "epochs": st.integers(1, 10**6),
        "augmentation": st.lists(st.sampled_from(["horizontal_flip", "random_shift"])),
        "history_images": st.integers(1, 10**9),
    },
    optional={
        "momentum": st.none() | st.floats(0, 0.99),
        "images_per_epoch": st.none() | st.integers(512, 60_000),
        "tf32": st.booleans(),
    },
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "study": NAMES.map("x_{}".format),
        "seeds": st.lists(st.integers(0, 2**64), min_size=1, unique=True),
        "published": st.none() | PATHS,
        "datasets": st.just({}) | st.builds(
            lambda folder: {"fashion_mnist_tiny": {"folder": folder}},
            st.none() | PATHS,
        ),
        "recipes": st.dictionaries(NAMES.map("x_{}".format), RECIPES, max_size=3),
        "charts": st.fixed_dictionaries({}, optional={"png_scale": st.floats(0.01, 8)}),
    },
)  # fmt: skip


@settings(deadline=None)
@given(CHANGES)
def test_any_study_is_the_same_when_it_is_written_out(changes: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        path, out = Path(folder, "own.yaml"), Path(folder, "out.yaml")
        path.write_text(yaml.safe_dump({"extends": str(TINY), **changes}), encoding="utf-8")
        values = reading.read(path).values
        assert reading.read(written_out(path, out)).values == values
        assert reading.read(written_out(out, out)).values == values


def shown(*files: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "workflow_scripts/tools/show_config.py", "--configfile", *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "workflow_scripts"},
    )


def test_the_whole_study_is_shown_with_where_its_values_come_from(tmp_path: Path) -> None:
    done = shown("config/corrected.yaml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "study: corrected  # config/corrected.yaml" in lines
    assert "dataset: imagenet  # config/paper.yaml" in lines
    assert "      cumulative: false  # default" in lines
    (tmp_path / "out.yaml").write_text(done.stdout)
    expected = reading.read(ROOT / "config" / "corrected.yaml").values
    assert reading.read(tmp_path / "out.yaml").values == expected


def test_a_study_that_cannot_be_shown_ends_with_one_message(write: Write) -> None:
    done = shown(write("own.yaml", "nothing.yaml"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(
        r"config: \S+nothing\.yaml \(.+\): No such file or directory\n", done.stderr
    )


# --- models ----------------------------------------------------------------------------------


def plain(annotation: Any) -> set[Any]:
    """The types of an annotation; a choice of texts is text, a list may be any sequence."""
    sequences = {list: Sequence, tuple: Sequence, Literal: str}
    origins = (get_origin(kind) or kind for kind in kinds(annotation))
    return {Mapping if _is_section(kind) else sequences.get(kind, kind) for kind in origins}


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


@pytest.mark.parametrize(
    ("model", "library", "others"),
    [
        (Recipe, recipe.Recipe, set()),
        (Mis, mis.ScoreSettings, set()),
        (Exemplars, exemplars.ExemplarSettings, set()),
        (Recalibration, recalibration.RecalibrationSettings, set()),
        (Statistics, inputs.EstimationSettings, {"accuracy_drops"}),
        (Charts, theme.ChartSettings, set()),
        (
            Method,
            masks.PruningMethod,
            {"mask", "rates", "cumulative", "retraining", "sample", "iterations"},
        ),
        (MeasuredSample, SampleSettings, set()),
    ],
)
def test_models_have_the_fields_of_what_the_library_takes(
    model: type[Section], library: type, others: set[str]
) -> None:
    """Both must be written down: results would be stale if the library imported the models."""
    fields = {field.name: field for field in dataclasses.fields(library)}
    hints = get_type_hints(library)
    assert model.model_fields.keys() - others == fields.keys()
    for name, field in fields.items():
        said = model.model_fields[name]
        assert plain(said.annotation) == plain(hints[name]), name
        if not said.is_required():
            assert (said.default, type(said.default)) == (field.default, type(field.default)), name


def test_the_library_does_without_the_models() -> None:
    """What it imports makes results stale."""
    models = Path(reading.__file__).parent
    readers = ("plan_study.py", "show_config.py", "verify_results.py", "compare_studies.py",
               "check_machine.py", "show_status.py", "write_report.py",
               "snakemake_hooks.py")  # fmt: skip
    assert reading.__package__
    for path in (ROOT / "workflow_scripts").rglob("*.py"):
        if not path.is_relative_to(models) and path.name not in readers:
            text = path.read_text(encoding="utf-8")
            assert "pydantic" not in text, path
            assert reading.__package__ not in text, path


def test_a_variant_can_change_every_setting_of_the_score() -> None:
    for name in score_variants.SCORING:
        ours, theirs = Variant.model_fields[name], Mis.model_fields[name]
        assert plain(ours.annotation) == plain(theirs.annotation) - {NoneType}
        assert not ours.is_required()
    assert set(score_variants.SCORING) == set(Mis.model_fields)


def test_every_key_has_a_meaning() -> None:
    def models(model: type[Section]) -> set[type[Section]]:
        found = {model}
        for field in model.model_fields.values():
            for kind in kinds(field.annotation):
                for inner in (kind, *get_args(kind)):
                    if isinstance(inner, type) and issubclass(inner, Section):
                        found |= models(inner)
        return found

    found = models(StudyModel)
    assert len(found) > 20
    for model in found:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


# --- editors ---------------------------------------------------------------------------------

SCHEMA = json.loads((ROOT / "rules/schemas/config.schema.json").read_text(encoding="utf-8"))
EDITOR = jsonschema.Draft7Validator(SCHEMA)


def flags(values: Mapping[str, Any]) -> set[str]:
    """The paths of what an editor would underline."""
    return {".".join(map(str, error.absolute_path)) for error in EDITOR.iter_errors(values)}


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_editors_take_what_is_shipped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert first
    assert (path.parent / first[1]).resolve() == ROOT / "rules/schemas/config.schema.json"
    assert flags(yaml.safe_load(text)) == set()
    assert flags(reading.read(path).values) == set()


@pytest.mark.parametrize(
    ("changes", "flagged"),
    [
        ({"sedes": [0]}, {""}),
        ({"study": "My-Study"}, {"study"}),
        ({"charts": {"width": 99, "height": 300, "png_scale": 1}}, {"charts.width"}),
        ({"compact": {"rates": [1], "rounds": 15}}, {"compact.rates.0"}),
        ({"model": {"architecture": "resnet18"}}, {"model.architecture", "model"}),
        ({"recipes": {"Short": {}}}, {"recipes", "recipes.Short"}),
        ({"dataset": None}, {"dataset"}),
        ({"statistics": {"resamples": 50, "margin": 0.02}}, {"statistics"}),
    ],
)
def test_editors_flag_what_is_wrong(changes: dict[str, Any], flagged: set[str]) -> None:
    assert flags(tiny() | changes) == flagged
    missing = tiny()
    del missing["seeds"]
    assert flags(missing) == {""}


def test_editors_take_a_study_that_extends_and_flag_its_mistakes() -> None:
    own = {"extends": "../config.yaml", "charts": {"width": 500}, "recipes": {"short": None}}
    assert flags(own) == set()
    assert flags(own | {"charts": {"width": 5}}) == {"charts.width"}
    assert flags(own | {"recipes": {"short": {"momentum": None, "lr": 0.1}}}) == set()
    assert flags(own | {"extends": 3}) == {"extends"}
