"""The pages tell the truth: generated parts, keys, links, and the code that they print."""

import importlib
import json
import re
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import numpy as np
import one_operation
import polars as pl
import pytest
import registries
import torch
import yaml
from compacted import lowered_network
from described import create_described
from files import load_module
from snakemake.iocontainers import Wildcards

from prunescope.compact import equivalence, removal
from prunescope.compact.graph import graph_files, onnx_models
from prunescope.compact.graph.operations.operation import CannotCompactError
from prunescope.compact.graph.operations.table import BY_ATEN, OPERATIONS
from prunescope.data import image_tables, packed_images, source
from prunescope.foundation import plugins, tables
from prunescope.foundation.code_digest import PACKAGE, imported_modules
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics import catalogue, embedding
from prunescope.networks import architecture, modules, network_files
from prunescope.networks.description import Description, Network
from prunescope.prune import masks, pieces, schedule
from prunescope.study.config import reading
from prunescope.study.config.checking import check
from prunescope.study.paths import Paths
from prunescope.study.results import all_tables
from prunescope.study.study import Study
from prunescope.summarize import study_tables
from prunescope.summarize.charts import all_charts, interpretability_charts, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.train.recipes import recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "results" / "README.md"])
RULES = {
    name: body
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in re.findall(
        r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"), flags=re.M | re.S
    )
}
FOLDER = Path("results/fashion_mnist")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def fences(page: str, language: str) -> list[str]:
    """The code blocks of a page, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", read(page), flags=re.M | re.S)
    return [dedent(code) for _, code in found]


architecture_page = load_module(ROOT / "docs" / "make_architecture.py")


def test_the_page_of_artifacts_is_that_of_the_schemas() -> None:
    rendered = load_module(ROOT / "docs" / "make_artifacts.py").render()
    assert rendered == read("docs/artifacts.md"), "run `make docs`"


sheets = load_module(ROOT / "docs" / "make_tables.py")


def test_the_data_sheet_is_that_of_the_schemas() -> None:
    assert sheets.render() == read("docs/tables.md"), "run `make docs`"
    assert sheets.SHEETS.keys() == all_tables.ALL_TABLES.keys()
    for name, sheet in sheets.SHEETS.items():
        columns = all_tables.ALL_TABLES[name].columns.keys()
        assert columns >= set(sheet.key), name
        for other, by in sheet.joins.items():
            assert columns >= set(by), name
            # One row of the other table: its key is among the columns.
            assert set(by) == set(sheets.SHEETS[other].key), (name, other)


def test_what_is_said_of_the_config_is_that_of_the_models() -> None:
    make = load_module(ROOT / "docs" / "make_configuration.py")
    page = read("docs/configuration.md")
    assert make.render_schema() == read("rules/schemas/config.schema.json"), "run `make docs`"
    assert make.render_page(page) == page, "run `make docs`"
    marked = re.findall(r"^<!-- made by docs/make_configuration\.py: (.+) -->$", page, flags=re.M)
    assert sorted(marked) == sorted([*make.TABLES, "methods", "kinds"])


# --- snippets that read results --------------------------------------------------------------

COORDINATES = ["study", "method", "retraining", "rate", "seed"]
ROWS = [
    ("fashion_mnist", method, retraining, rate, 0)
    for method, retraining, rate in product(
        ["dense", "structured"], ["none", "one_shot"], [0.0, 0.8]
    )
]
VALUES = {pl.String: "conv1.conv", pl.Boolean: False, pl.Float64: 0.5}


def synthetic(table: tables.Table) -> pl.DataFrame:
    """A frame of the table's schema: the coordinates of a few networks, the rest constant."""
    frame = pl.DataFrame(ROWS, schema=COORDINATES, orient="row")
    others = [
        pl.lit([3] if column.dtype == pl.List else VALUES.get(column.dtype, 3)).alias(name)
        for name, column in table.columns.items()
        if name not in COORDINATES
    ]
    return table.conform(frame.with_columns(others))


def blank_googlenet() -> Network:
    """A network file's content with the right shapes and no trained weights."""
    description = Description(
        "torchvision:googlenet", 10, 32, (0.3,) * 3, (0.4,) * 3, options={"init_weights": False}
    )
    with torch.device("meta"):
        state = architecture.build(description).state_dict()
    tensors = {
        name: np.zeros(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in state.items()
    }
    weight = "inception3a.branch1.conv.weight"
    mask = np.ones(tensors[weight].shape, dtype=bool)
    mask[:51] = False
    return Network(description, tensors).masked({weight: mask})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small results where the snippets look for them."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("networks", "units"):
        path = folder / FOLDER / "tables" / f"{name}.parquet"
        all_tables.ALL_TABLES[name].write(synthetic(all_tables.ALL_TABLES[name]), path)
    network = folder / FOLDER / "networks/structured/one_shot/rate0.80/seed0"
    blank = blank_googlenet()
    network_files.save(blank, network / "network.safetensors")
    compact = graph_files.CompactNetwork(blank.description, *lowered_network(blank))
    graph_files.save(compact, network / "compact.json", network / "compact.safetensors")
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    (network / "compact.onnx").write_bytes(model)
    return folder


SNIPPETS = [
    pytest.param(code, id=f"{page}-{number}")
    for page in ("docs/results.md", "docs/provenance.md", "docs/compact.md")
    for number, code in enumerate(fences(page, "python"), start=1)
]


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 6


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippets_run_as_printed(
    code: str, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(results)
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})
    printed = capsys.readouterr().out
    assert printed.strip()
    assert "shape: (0," not in printed


@pytest.mark.parametrize("name", sheets.SHEETS)
def test_the_example_of_each_table_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the declared columns; `workflow/test_data_sheet.py` runs them on a finished study."""
    monkeypatch.chdir(tmp_path)
    for other in (name, *sheets.SHEETS[name].reads):
        table = all_tables.ALL_TABLES[other]
        path = Path(sheets.path_of(other))
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write(synthetic(table), path)
    *before, asked = sheets.code_of(name).split(f"\n{name}.")
    namespace: dict[str, Any] = {"pl": pl}
    exec("\n".join(before), namespace)
    assert eval(f"{name}.{asked}", namespace).width > 0


# --- extensions ------------------------------------------------------------------------------


PATH = re.compile(r"# workflow_scripts/(prunescope/[\w/]+)\.py\n")
REGISTRIES = {
    pieces.CRITERIA: pieces.Criterion,
    schedule.SCHEDULES: schedule.Schedule,
    source.SOURCES: source.Source,
    architecture.ARCHITECTURES: architecture.Source,
    catalogue.FAMILIES: catalogue.Family,
}
EXAMPLES = {
    path[1].removeprefix("prunescope/").replace("/", "."): code
    for code in fences("docs/extending.md", "python")
    if (path := PATH.match(code))
}
WHOLE_FILES = [name for name in EXAMPLES if name.rpartition(".")[0] in REGISTRIES]


def extension(module: str) -> dict[str, Any]:
    """The namespace of a module after its snippet was added to it."""
    name = f"prunescope.{module}"
    namespace = dict(vars(importlib.import_module(name)))
    exec(compile(EXAMPLES[module], f"extension of {name}", "exec"), namespace)
    return namespace


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """A function that puts the example of a whole file into its registry."""

    def put(module: str) -> None:
        registry, _, name = module.rpartition(".")
        path = tmp_path / "added" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(EXAMPLES[module], encoding="utf-8")
        registries.register_file(monkeypatch, registry, path)

    return put


def test_every_registry_has_an_example_that_is_one_whole_file() -> None:
    assert sorted(name.rpartition(".")[0] for name in WHOLE_FILES) == sorted(REGISTRIES)
    assert not {PACKAGE / f"{name.replace('.', '/')}.py" for name in WHOLE_FILES} & {
        *PACKAGE.rglob("*.py")
    }
    assert len(EXAMPLES) == len(re.findall(PATH, read("docs/extending.md")))


@pytest.mark.parametrize("module", WHOLE_FILES)
def test_an_example_is_a_good_file_of_its_registry(
    module: str, add: Callable[[str], None], tmp_path: Path
) -> None:
    registry, _, name = module.rpartition(".")
    with pytest.raises(InputError, match=f"'{name}' is not known"):
        plugins.load(registry, name, REGISTRIES[registry])
    add(module)
    assert name in plugins.names(registry)
    assert plugins.load(registry, name, REGISTRIES[registry]).__doc__
    # Its imports can be followed, and none of them is another choice.
    imported = imported_modules(tmp_path / "added" / f"{name}.py")
    assert not {path.parent for path in imported if path.name != "__init__.py"} & {
        PACKAGE / other.replace(".", "/") for other in REGISTRIES
    }


CHOSEN = {
    "prune.criteria.largest": "      criterion: l1\n      layers: [conv2d]\n",
    "prune.schedules.lowest_rate": "start: previous_rate",
    "data.sources.my_images": "    source: fashion_mnist\n    folder: null",
    "networks.architectures.plain": "architecture: torchvision:googlenet",
    "interpret.metrics.families.grey": 'metric: "timm:tf_efficientnet_lite0"',
}


@pytest.mark.parametrize("module", WHOLE_FILES)
def test_an_example_can_be_chosen_in_the_config(module: str, add: Callable[[str], None]) -> None:
    text = read("config/tiny.yaml")
    old = CHOSEN[module]
    assert text.count(old) == 1
    key, _, _ = old.strip().partition(":")
    names = {"metric": "grey:pixels", "architecture": "plain:two"}
    name = names.get(key, module.rpartition(".")[2])
    lines = {
        "criterion": f"      criterion: {name}\n      layers: [conv2d]\n",
        "source": f"    source: {name}\n    folder: my_folder",
    }
    text = text.replace(old, lines.get(key, f'{key}: "{name}"'))
    if key == "architecture":
        text = re.sub(r"exclude: \[.*\]", "exclude: [first.conv]", text)
        text = text.replace("{init_weights: false}", "{width: 16}")
    config = yaml.safe_load(text)
    with pytest.raises(InputError, match=name):
        check(config)
    add(module)
    check(config)


def test_a_criterion(add: Callable[[str], None]) -> None:
    add("prune.criteria.largest")
    rank = pieces.load_criterion("largest").rank
    weight = np.float32([[[[1]], [[-4]]], [[[2]], [[0]]]])
    rng = np.random.default_rng(0)
    assert rank(weight, (1, 2, 3), rng).tolist() == [-2.5, -1]
    assert masks.lowest(rank(weight, (), rng).ravel(), 1).tolist() == [1]


def test_a_schedule_of_pruning(add: Callable[[str], None]) -> None:
    add("prune.schedules.lowest_rate")
    found = schedule.load("lowest_rate")
    assert found.start([]) is None
    assert found.start(["0.20"]) == "0.20"
    assert found.start(["0.20", "0.40"]) == "0.20"
    assert found.fraction(0.6, [0.2, 0.4]) == 0.6


def test_networks_are_pruned_as_a_schedule_says(add: Callable[[str], None]) -> None:
    add("prune.schedules.lowest_rate")
    config = yaml.safe_load(read("config/tiny.yaml"))
    config["retraining"]["iterative"]["start"] = "lowest_rate"
    config["pruning"]["rates"] = [0.3, 0.5, 0.6]
    paths = Paths(Study(config))
    names = {"study": "tiny", "method": "structured", "retraining": "iterative", "seed": "0"}
    pruned = {
        rate: paths.network_to_prune(Wildcards(fromdict={**names, "rate": rate}))
        for rate in ("0.30", "0.50", "0.60")
    }
    folder = "results/tiny/networks"
    first = f"{folder}/structured/iterative/rate0.30/seed0/network.safetensors"
    dense = f"{folder}/dense/none/rate0.00/seed0/network.safetensors"
    assert pruned == {"0.30": dense, "0.50": first, "0.60": first}


def test_a_source_of_networks(add: Callable[[str], None]) -> None:
    add("networks.architectures.plain")
    assert architecture.problem("plain:two") == ""
    assert "Did you mean `plain:two`?" in architecture.problem("two")
    assert architecture.problem("plain:three").startswith("'plain:three' is not known")
    options = {"width": 16}
    description = Description("plain:two", 9, 32, (0.3,) * 3, (0.4,) * 3, options=options)
    module, described = create_described(description, seed=0)
    assert [layer.name for layer in described.layers] == ["first.conv", "second.conv", "fc"]
    assert [layer.batch_norm for layer in described.layers] == ["first.bn", "second.bn", None]
    assert [layer.units for layer in described.layers] == [16, 64, 9]
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        expected = module.eval()(images)
        again = modules.to_module(modules.to_network(module, described))(images)
    assert expected.shape == (2, 9)
    assert torch.allclose(again, expected)


def test_an_optimizer() -> None:
    make = extension("train.recipes.optimizers")["OPTIMIZERS"]["nesterov"]
    fields = {"optimizer": "nesterov", "lr": 0.1, "momentum": 0.9, "weight_decay": 0}
    rest = {"schedule": "constant", "batch": 2, "history_images": 1, "augmentation": []}
    optimizer = make([torch.nn.Parameter(torch.ones(1))], recipe.from_config(fields | rest))
    assert optimizer.defaults["nesterov"]


def test_a_learning_rate_schedule() -> None:
    linear = extension("train.recipes.learning_rates")["LEARNING_RATES"]["linear"]
    plan = SimpleNamespace(steps=4)
    assert [linear(None, plan, step) for step in range(4)] == [1, 0.75, 0.5, 0.25]


def test_an_augmentation() -> None:
    darken = extension("train.images.augmentation")["AUGMENTATIONS"]["random_brightness"]
    images = np.full((3, 3, 8, 8), 200, dtype=np.uint8)
    changed = darken(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert 100 <= changed.min() < changed.max() < 200
    assert (images == 200).all()


def test_a_similarity_metric(add: Callable[[str], None]) -> None:
    add("interpret.metrics.families.grey")
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    packed = packed_images.PackedImages(images, np.zeros(4, dtype=np.int64))
    (embeddings,) = embedding.embed(packed, "grey:pixels", 8, {})
    assert embeddings.shape == (4, 64)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1)
    assert {name.partition(":")[0] for name in catalogue.known()} == {
        "timm", "dreamsim", "lpips", "pixels", "grey",
    }  # fmt: skip
    with pytest.raises(InputError, match="grey:pixels"):
        catalogue.find("grey:edges")


def outputs_of_packing(folder: Path) -> dict[str, str]:
    kinds = {"images": "npy", "labels": "npy", "index": "parquet"}
    return {
        f"{split}_{kind}": str(folder / split / f"{kind}.{ending}")
        for split in ("train", "test")
        for kind, ending in kinds.items()
    }


def test_a_source(add: Callable[[str], None], tmp_path: Path) -> None:
    add("data.sources.my_images")
    archive = source.load("my_images")
    assert isinstance(archive, source.Archive)
    numbers = {"train": 6, "test": 4}
    assert archive.IMAGES.keys() == numbers.keys()
    rng = np.random.default_rng(0)
    arrays = {}
    for split, number in numbers.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(number) % 2
    (name,) = archive.FILES
    np.savez(tmp_path / name, **arrays)
    output = outputs_of_packing(tmp_path)
    job = SimpleNamespace(
        input=SimpleNamespace(downloaded=[], own=[str(tmp_path / name)]),
        output=output,
        params=SimpleNamespace(source="my_images", image_size=32),
    )
    script = load_module(PACKAGE.parent / "pack_dataset.py")
    script.main(job)
    for split, number in numbers.items():
        packed = packed_images.PackedImages.open(
            output[f"{split}_images"], output[f"{split}_labels"]
        )
        assert packed.images.shape == (number, 3, 32, 32)
        assert packed.images.dtype == np.uint8
        assert (packed.images[1, 2] == arrays[f"{split}_images"][1, :, :, 2]).all()
        index = image_tables.INDEX.read(output[f"{split}_index"])
        assert index["class"].to_list() == ["cat", "dog"] * (number // 2)
    job.params.image_size = 64
    with pytest.raises(InputError, match="`image_size` is 64"):
        script.main(job)


class Continuous(torch.nn.Module):
    """Two convolutions with continuous ELUs and a classifier."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3)
        self.rectified = torch.nn.CELU(0.25)
        self.second = torch.nn.Conv2d(8, 6, 1)
        self.again = torch.nn.CELU(0.1)
        self.fc = torch.nn.Linear(6, description.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = self.again(self.second(self.rectified(self.first(images))))
        return self.fc(images.mean(dim=(2, 3)))


def test_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is traced, compacted, and written as PyTorch and ONNX, by what its class says."""
    (operation,) = (
        operation
        for operation in extension("compact.graph.operations.elementwise")["OPERATIONS"]
        if operation.name not in OPERATIONS
    )
    description = Description("continuous", 3, 6, (0.3,) * 3, (0.4,) * 3)
    registries.register_architecture(monkeypatch, "continuous", Continuous)
    torch.manual_seed(0)
    network = modules.to_network(Continuous(description), description)
    with pytest.raises(CannotCompactError, match=r"no counterpart of celu"):
        lowered_network(network)
    monkeypatch.setitem(OPERATIONS, operation.name, operation)
    monkeypatch.setitem(BY_ATEN, *operation.aten, operation)

    mask = np.ones((8, 3, 3, 3), bool)
    mask[2:7] = False
    masked = network.masked({"first.weight": mask})
    graph, tensors = lowered_network(masked)
    assert [node.op for node in graph.nodes].count(operation.name) == 2
    made = removal.compact(graph, tensors)
    # Filters without weights emit their bias, or a fraction of it: a constant, which is folded.
    assert made.tensors["first.weight"].shape == (3, 3, 3, 3)
    assert made.layers[0]["filters_folded"] == 5
    images = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    with torch.inference_mode():
        expected = modules.to_module(masked)(torch.from_numpy(images)).numpy()
    for runtime in (one_operation.in_torch, one_operation.in_onnx):
        found = runtime(made.graph, made.tensors, images)
        assert equivalence.difference(expected, found) <= 1e-5


def test_a_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    function = extension("summarize.charts.interpretability_charts")["live_units_by_rate"]
    monkeypatch.setattr(interpretability_charts, function.__name__, function, raising=False)
    drawn = extension("summarize.charts.all_charts")["CHARTS"]
    assert set(drawn) == {*all_charts.CHARTS, "live_units_by_rate"}
    frames = ChartData(
        synthetic(study_tables.NETWORKS), synthetic(study_tables.HISTORIES), "fashion_mnist", 100
    )
    chart = drawn["live_units_by_rate"](frames, theme.ChartSettings(400, 300, 1))
    assert "Live units by pruning rate" in chart.to_json()


@pytest.mark.parametrize("page", ["docs/daily_use.md", "docs/extending.md"])
def test_entries_of_the_config_are_accepted(page: str) -> None:
    """Methods and kinds of retraining that a page shows can be added to the default study."""
    config = yaml.safe_load(read("config.yaml"))
    for code in fences(page, "yaml"):
        shown = yaml.safe_load(code)
        for name, entry in shown.get("pruning", {}).get("methods", shown).items():
            if "granularity" in entry:
                config["pruning"]["methods"][name] = entry
            elif "recipe" in entry:
                config["retraining"][name] = entry
    check(config)
    default = yaml.safe_load(read("config.yaml"))
    assert len(config["pruning"]["methods"]) == len(default["pruning"]["methods"]) + 1


@pytest.mark.parametrize("code", fences("docs/configuration.md", "yaml"))
def test_examples_of_the_config_are_accepted(code: str, tmp_path: Path) -> None:
    """A study that the page shows is one; other parts can be added to the default study."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    path = tmp_path / "config" / "example.yaml"
    path.parent.mkdir()
    path.write_text(code if "extends:" in code else f"extends: ../config.yaml\n{code}")
    if "checkpoint" in code:
        path.write_text(path.read_text() + IMAGENET)
    assert reading.read(path).files[-1] == path


# Weights for images of ImageNet need their normalisation.
IMAGENET = """
datasets:
  fashion_mnist: {image_size: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
"""


def test_a_study_that_extends_is_explained_by_an_example() -> None:
    (example,) = [code for code in fences("docs/configuration.md", "yaml") if "extends:" in code]
    assert len(example.splitlines()) <= 12
    assert f"`config/{yaml.safe_load(example)['study']}.yaml`" in read("docs/configuration.md")


# --- the config ------------------------------------------------------------------------------


def config_keys(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> list[str]:
    """Every key of the schema that holds a value, with `<name>` for names that users choose."""
    if "$ref" in schema:
        return config_keys(definitions[schema["$ref"].rpartition("/")[2]], definitions, path)
    if branches := schema.get("anyOf", schema.get("oneOf")):
        # A key may hold either text or keys of its own.
        return [key for part in branches for key in config_keys(part, definitions, path)]
    inner = dict(schema.get("properties", {}))
    if isinstance(schema.get("additionalProperties"), dict):
        inner["<name>"] = schema["additionalProperties"]
    if not inner:
        return [] if schema["type"] == "null" else [path]
    return [
        key
        for name, part in inner.items()
        for key in config_keys(part, definitions, f"{path}.{name}" if path else name)
    ]


SCHEMA = json.loads(read("rules/schemas/config.schema.json"))
# `extends` is no key of a study, but says where its other keys are.
KEYS = [key for key in config_keys(SCHEMA, SCHEMA["$defs"]) if key != "extends"]


def test_keys_are_found() -> None:
    assert {"study", "recipes.<name>.lr", "datasets.<name>.probe.images"} <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_config_is_explained(key: str) -> None:
    page = read("docs/configuration.md")
    assert re.search(rf"^\| `{re.escape(key)}` \|", page, flags=re.M), key


def test_every_explained_key_exists() -> None:
    explained, _, _ = read("docs/configuration.md").partition("\n## What reruns")
    rows = re.findall(r"^\| `([a-z0-9_.<>]+)` \|", explained, flags=re.M)
    names = {"global_unstructured", "structured", "connection_sparsity"}
    names |= {"connection_sparsity_random", "none", "one_shot", "iterative"}
    # What `pruning.exclude` and `imported` may hold.
    names |= {"first", "classifier", "depthwise", "layer4.1.conv2", "checkpoint"}
    assert set(rows) - names == set(KEYS)


def staleness() -> dict[str, str]:
    """The second column of the table of staleness by key; its `*` and `.scope` written out."""
    _, _, rest = read("docs/configuration.md").partition("\n## What reruns")
    section, _, _ = rest.partition("\n## ")
    table: dict[str, str] = {}
    for keys, direct in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", section, flags=re.M):
        first, *more = re.findall(r"`([^`]+)`", keys)
        full = [first, *(first.rpartition(".")[0] + key if key[0] == "." else key for key in more)]
        table |= dict.fromkeys(full, direct)
    return table


def test_the_table_of_staleness_names_all_keys() -> None:
    named = staleness()
    for key in KEYS:
        section = f"{key.rpartition('.')[0]}.*"
        known = key in named or section in named or f"{section[:-2].rpartition('.')[0]}.*" in named
        assert known, key


def lookups(body: str) -> set[str]:
    """The config keys that make a rule stale, as they are written in the documents."""
    watched = re.sub(r"unwatched\(\s*lookup\(", "", body)
    paths = re.findall(r"lookup\(\s*f?\"([a-z_]+(?:/[^\"]+?)?)\",", watched)
    keys = {re.sub(r"\{[^}]*\}", "<name>", path).replace("/", ".") for path in paths}
    return {key for key in keys if "<name>.<name>" not in key}


@pytest.mark.parametrize("rule", RULES)
def test_the_table_of_staleness_has_what_rules_look_up(rule: str) -> None:
    named = staleness()
    for key in lookups(RULES[rule]):
        rows = [
            direct
            for name, direct in named.items()
            if name == key or name.startswith(f"{key}.") or name == f"{key.rpartition('.')[0]}.*"
        ]
        assert rows, f"{rule} uses {key}"
        if "probe" not in key:  # of the probe's keys, the chart uses one
            assert all(f"`{rule}`" in direct for direct in rows), f"{rule} uses {key}"


def test_the_version_is_the_newest_of_the_changelog() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    newest = re.search(r"^## \[(\d[\d.]*)\] - (\S+)$", read("CHANGELOG.md"), flags=re.M)
    assert newest is not None
    assert (citation["version"], str(citation["date-released"])) == newest.groups()


# --- names, packages, links ------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_in_the_table_of_rules(rule: str) -> None:
    """In the row of its rule file. Both kinds of studies may have a rule of the name."""
    files = [
        path.name
        for path in (ROOT / "rules").glob("*.smk")
        if f"rule {rule}:\n" in path.read_text(encoding="utf-8")
    ]
    assert files
    for file in files:
        (row,) = re.findall(rf"^\| `rules/{file}` \|.*$", read("docs/architecture.md"), flags=re.M)
        assert f"`{rule}`" in row


FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/**/__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_folder_is_described_in_one_line(folder: Path) -> None:
    name = re.escape(f"`{folder.relative_to(PACKAGE).as_posix()}/`")
    (text,) = re.findall(rf"^\| {name} \| (.+) \|$", read("docs/architecture.md"), flags=re.M)
    assert text == architecture_page.describe(folder)
    assert len(text) > 10


def test_the_page_of_the_architecture_is_that_of_the_code() -> None:
    page = read("docs/architecture.md")
    assert architecture_page.insert(page, PACKAGE) == page, "run `make docs`"
    drawn = architecture_page.picture(architecture_page.imports_of(PACKAGE), PACKAGE)
    assert drawn == read("docs/images/architecture.svg"), "run `make docs`"
    for name in (name for row in architecture_page.STAIRS for name in row):
        assert f">{name}</text>" in drawn
    with pytest.raises(ValueError, match="comments around the folders"):
        architecture_page.insert("nothing", PACKAGE)


def test_the_picture_shows_every_import_once() -> None:
    """What it leaves out follows from what it shows."""
    stages = architecture_page.between_stages(architecture_page.imports_of(PACKAGE))
    edges = architecture_page.reduced(stages)
    reach: dict[str, set[str]] = {name: set() for name in stages}
    for _ in stages:
        for upper, lower in edges:
            reach[upper] |= {lower} | reach[lower]
    assert all(imported <= reach[name] for name, imported in stages.items())
    for edge in edges:
        assert edge[1] in stages[edge[0]]
        assert not any((edge[0], other) in edges and edge[1] in reach[other] for other in stages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_code_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:[\w.]+/)+[a-z_]+\.(?:py|smk))`", text):
        assert (ROOT / path).is_file() or (PACKAGE / path).is_file(), path


PACKAGES = [
    package
    for name in ("requirements", "perceptual", "watch")
    for package in re.findall(r"^([A-Za-z][\w.-]*)", read(f"envs/{name}.in"), flags=re.M)
]


def test_packages_are_found() -> None:
    assert {"torch", "pytest", "dreamsim"} <= set(PACKAGES)


def test_every_package_has_a_reason_and_no_other() -> None:
    named = re.findall(r"^\| `([^`]+)` \| \S", read("docs/dependencies.md"), flags=re.M)
    assert sorted(named) == sorted(PACKAGES)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.is_file(), f"{target}: no such file"
        assert not anchor or anchor in anchors(linked), f"{target}: no such heading"


def test_the_citation_can_be_read() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["title"] == "prunescope"
    assert citation["authors"] == [{"name": "The prunescope maintainers"}]
    assert len(citation["references"]) == 2


# --- what the README says first --------------------------------------------------------------

copy_findings = load_module(ROOT / "docs" / "copy_findings.py")
SUMMARY = """# What was found

{} changed.

| Network | Change |
| --- | --- |
| structured | +0.1 |

Changes are of one kind.

- **What cannot be concluded:** One run tells little.
- **Images:** Ten.
- **Warning:** Noise scores as high.
"""


def test_findings_are_copied_between_their_comments() -> None:
    pages = {"README.md": copy_findings.in_short, "docs/findings.md": copy_findings.in_full}
    for page, part in pages.items():
        once = copy_findings.between(read(page), "findings", part(SUMMARY.format("Much")))
        assert "Much changed." in once
        assert "# What was found\n\nMuch" not in once
        assert "Changes are of one kind" not in once
        again = copy_findings.between(once, "findings", part(SUMMARY.format("Little")))
        assert again == once.replace("Much changed.", "Little changed.")
    with pytest.raises(ValueError, match="comments around the findings"):
        copy_findings.between("nothing", "findings", "one")


def test_the_readme_gets_the_answer_its_limits_and_the_warning() -> None:
    assert copy_findings.in_short(SUMMARY.format("Much")).splitlines() == [
        "- **The default study.** Much changed. *Limits:* One run tells little.",
        "- **Warning.** Noise scores as high.",
    ]
    without = SUMMARY.format("Much").partition("- **Warning")[0]
    assert "Warning" not in copy_findings.in_short(without)
    assert copy_findings.in_full(SUMMARY.format("Much")).count("\n- **") == 3
    written = read("workflow_scripts/prunescope/summarize/findings/summary_page.py")
    assert all(f'"{label}"' in written for label in ("What cannot be concluded", "Warning"))


def test_the_readme_gets_the_answer_of_the_published_scores_and_what_stands_against_it() -> None:
    paragraph = (
        "The score rises. It does in 6 of 6 arms. Dealt at random it would not (p = 0.1). p is at "
        "most 0.2. Channels change too. Against it stands that there is one run. All share weights."
    )
    assert copy_findings.published_in_short(paragraph) == (
        "- **The paper's own scores.** The score rises. It does in 6 of 6 arms. Against it stands "
        "that there is one run."
    )


def test_the_readme_says_in_short_what_the_page_of_findings_says() -> None:
    readme, page = read("README.md"), read("docs/findings.md")

    def block(text: str, name: str) -> str:
        first, last = (re.escape(comment) for comment in copy_findings.COMMENTS[name])
        (found,) = re.findall(f"{first}\n(.*?)\n\n{last}", text, flags=re.DOTALL)
        return found

    full = f"# What was found\n\n{block(page, 'findings')}\n"
    assert block(readme, "findings") == copy_findings.in_short(full)
    published = copy_findings.published_in_short(block(page, "published findings"))
    assert block(readme, "published findings") == published
    assert len(readme.splitlines()) <= 150


STUDIES = {
    path: code
    for code in fences("README.md", "yaml")
    for path in re.findall(r"\A# (config/\w+\.yaml)\n", code)
}


def test_the_readme_shows_a_study_of_each_kind_of_input() -> None:
    assert list(STUDIES) == [
        f"config/my_{name}.yaml" for name in ("network", "checkpoint", "pair", "images", "scores")
    ]
    assert len(fences("README.md", "yaml")) == len(STUDIES)
    for path, code in STUDIES.items():
        assert yaml.safe_load(code)["study"] == Path(path).stem


@pytest.mark.parametrize("path", STUDIES)
def test_studies_that_the_readme_shows_are_accepted(path: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "config.yaml", tmp_path)
    shutil.copytree(ROOT / "config" / "bases", tmp_path / "config" / "bases")
    (tmp_path / path).write_text(STUDIES[path], encoding="utf-8")
    assert reading.read(tmp_path / path).files[-1] == tmp_path / path
