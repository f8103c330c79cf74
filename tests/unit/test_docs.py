"""The pages tell the truth: generated parts, keys, links, and the code that they print."""

import importlib.util
import json
import re
import shutil
from itertools import product
from pathlib import Path
from textwrap import dedent
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import one_operation
import polars as pl
import pytest
import torch
import yaml

from prunescope.compact import equivalence, removal
from prunescope.compact.graph import graph_files, onnx_models, tracing
from prunescope.compact.graph.operations.table import OPERATIONS
from prunescope.data import image_tables, packed_images
from prunescope.foundation import tables
from prunescope.foundation.code_digest import PACKAGE
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics import catalogue, embedding
from prunescope.networks import modules, network_files
from prunescope.networks.architectures import googlenet
from prunescope.networks.description import Description, Network
from prunescope.prune import masks
from prunescope.study import all_tables
from prunescope.study.config import reading
from prunescope.study.config.checking import check
from prunescope.summarize import study_tables
from prunescope.summarize.charts import all_charts, interpretability_charts, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.train.recipes import recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])
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


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_artifacts_is_that_of_the_schemas() -> None:
    rendered = load_module(ROOT / "docs" / "make_artifacts.py").render()
    assert rendered == read("docs/artifacts.md"), "run `make docs`"


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
        pl.lit(VALUES.get(column.dtype, 3)).alias(name)
        for name, column in table.columns.items()
        if name not in COORDINATES
    ]
    return table.conform(frame.with_columns(others))


def blank_googlenet() -> Network:
    """A network file's content with the right shapes and no trained weights."""
    description = Description("googlenet", 10, 32, (0.3,) * 3, (0.4,) * 3)
    with torch.device("meta"):
        state = googlenet.build(description).state_dict()
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
    compact = graph_files.CompactNetwork(
        blank.description, tracing.trace(blank.description), blank.tensors
    )
    graph_files.save(compact, network / "compact.json", network / "compact.safetensors")
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    (network / "compact.onnx").write_bytes(model)
    return folder


SNIPPETS = [
    pytest.param(code, id=f"{page}-{number}")
    for page in ("README.md", "docs/provenance.md", "docs/compact.md")
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


# --- extensions ------------------------------------------------------------------------------


def extension(defined: str) -> dict[str, Any]:
    """The namespace of a module after the snippet that defines `defined` was added to it."""
    (code,) = [code for code in fences("docs/extending.md", "python") if defined in code]
    path = re.match(r"# workflow_scripts/(prunescope/[\w/]+)\.py\n", code)
    assert path is not None
    name = path[1].replace("/", ".")
    namespace = dict(vars(importlib.import_module(name)))
    exec(compile(code, f"extension of {name}", "exec"), namespace)
    return namespace


def test_a_criterion() -> None:
    largest = extension("def largest")["CRITERIA"]["largest"]
    weight = np.float32([[[[1]], [[-4]]], [[[2]], [[0]]]])
    rng = np.random.default_rng(0)
    assert largest(weight, (1, 2, 3), rng).tolist() == [-2.5, -1]
    assert masks.lowest(largest(weight, (), rng).ravel(), 1).tolist() == [1]


def test_an_optimizer() -> None:
    make = extension("def nesterov")["OPTIMIZERS"]["nesterov"]
    fields = {"optimizer": "nesterov", "lr": 0.1, "momentum": 0.9, "weight_decay": 0}
    rest = {"schedule": "constant", "batch": 2, "history_images": 1, "augmentation": []}
    optimizer = make([torch.nn.Parameter(torch.ones(1))], recipe.from_config(fields | rest))
    assert optimizer.defaults["nesterov"]


def test_a_schedule() -> None:
    linear = extension("def linear")["SCHEDULES"]["linear"]
    plan = SimpleNamespace(steps=4)
    assert [linear(None, plan, step) for step in range(4)] == [1, 0.75, 0.5, 0.25]


def test_an_augmentation() -> None:
    darken = extension("def random_brightness")["AUGMENTATIONS"]["random_brightness"]
    images = np.full((3, 3, 8, 8), 200, dtype=np.uint8)
    changed = darken(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert 100 <= changed.min() < changed.max() < 200
    assert (images == 200).all()


def test_a_similarity_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    families = extension("def load_pixels")["FAMILIES"]
    monkeypatch.setattr(catalogue, "FAMILIES", families)
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    packed = packed_images.PackedImages(images, np.zeros(4, dtype=np.int64))
    (embeddings,) = embedding.embed(packed, "pixels:grey", 8, {})
    assert embeddings.shape == (4, 64)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1)
    assert {"timm", "dreamsim", "lpips", "pixels"} == set(families)
    with pytest.raises(InputError, match="pixels:grey"):
        catalogue.find("pixels:red")


def test_a_dataset(tmp_path: Path) -> None:
    assert "my_images" in extension("SOURCE_IMAGES")["SOURCE_IMAGES"]
    (code,) = [
        code for code in fences("docs/extending.md", "python") if "smk.input.archive" in code
    ]
    rng = np.random.default_rng(0)
    arrays = {}
    for split, number in (("train", 6), ("test", 4)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(number) % 2
    np.savez(tmp_path / "my_images.npz", **arrays)
    kinds = {"images": "npy", "labels": "npy", "index": "parquet"}
    output = {
        f"{split}_{kind}": str(tmp_path / split / f"{kind}.{ending}")
        for split in ("train", "test")
        for kind, ending in kinds.items()
    }
    script: dict[str, Any] = {"__name__": "pack_my_images"}
    exec(compile(code, "pack_my_images.py", "exec"), script)
    script["main"](
        SimpleNamespace(
            input=SimpleNamespace(archive=tmp_path / "my_images.npz"),
            output=output,
            params=SimpleNamespace(image_size=32),
        )
    )
    for split, number in (("train", 6), ("test", 4)):
        packed = packed_images.PackedImages.open(
            output[f"{split}_images"], output[f"{split}_labels"]
        )
        assert packed.images.shape == (number, 3, 32, 32)
        assert packed.images.dtype == np.uint8
        assert len(image_tables.INDEX.read(output[f"{split}_index"])) == number


class Leaky(torch.nn.Module):
    """Two convolutions with leaky ReLUs and a classifier."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3)
        self.rectified = torch.nn.LeakyReLU(0.25)
        self.second = torch.nn.Conv2d(8, 6, 1)
        self.again = torch.nn.LeakyReLU(0.1)
        self.fc = torch.nn.Linear(6, description.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = self.again(self.second(self.rectified(self.first(images))))
        return self.fc(images.mean(dim=(2, 3)))


def test_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is traced, compacted, and written as PyTorch and ONNX, by what its class says."""
    (operation,) = (
        operation
        for operation in extension("class LeakyReLU")["OPERATIONS"]
        if operation.name not in OPERATIONS
    )
    description = Description("leaky", 3, 6, (0.3,) * 3, (0.4,) * 3)
    monkeypatch.setitem(modules.ARCHITECTURES, "leaky", Leaky)
    with pytest.raises(NotImplementedError, match=r"no counterpart of .*rectified"):
        tracing.trace(description)
    monkeypatch.setitem(OPERATIONS, operation.name, operation)
    one_operation.prove(operation.name, one_operation.Sample({"slope": 0.1}))

    torch.manual_seed(0)
    network = modules.to_network(Leaky(description), description)
    mask = np.ones((8, 3, 3, 3), bool)
    mask[2:7] = False
    masked = network.masked({"first.weight": mask})
    graph = tracing.trace(description)
    assert [node.op for node in graph.nodes].count(operation.name) == 2
    made = removal.compact(graph, masked.tensors)
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
    function = extension("def live_units_by_rate")["live_units_by_rate"]
    monkeypatch.setattr(interpretability_charts, function.__name__, function, raising=False)
    drawn = extension("CHARTS = {**CHARTS")["CHARTS"]
    assert set(drawn) == {*all_charts.CHARTS, "live_units_by_rate"}
    frames = ChartData(
        synthetic(study_tables.NETWORKS), synthetic(study_tables.HISTORIES), "fashion_mnist", 100
    )
    chart = drawn["live_units_by_rate"](frames, theme.ChartSettings(400, 300, 1))
    assert "Live units by pruning rate" in chart.to_json()


@pytest.mark.parametrize("page", ["README.md", "docs/extending.md"])
def test_entries_of_the_config_are_accepted(page: str) -> None:
    """Methods and kinds of retraining that a page shows can be added to the default study."""
    config = yaml.safe_load(read("config.yaml"))
    for code in fences(page, "yaml"):
        for name, entry in yaml.safe_load(code).items():
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
  fashion_mnist: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
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


# --- names, packages, links ------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_in_the_table_of_stages(rule: str) -> None:
    assert f"`{rule}`" in read("README.md")


@pytest.mark.parametrize("module", sorted(path.stem for path in PACKAGE.glob("[a-z]*.py")))
def test_every_module_is_in_the_readme(module: str) -> None:
    assert f"`{module}`" in read("README.md")


PACKAGES = [
    package
    for name in ("requirements", "perceptual")
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


def test_findings_are_copied_between_their_comments() -> None:
    copy = load_module(ROOT / "docs" / "copy_findings.py")
    once = copy.insert(read("README.md"), "# What was found\n\n- **Study:** one.\n")
    assert "- **Study:** one.\n" in once
    assert "# What was found" not in once
    again = copy.insert(once, "# What was found\n\n- **Study:** two.\n")
    assert again == once.replace("one.", "two.")
    with pytest.raises(ValueError, match="comments around the findings"):
        copy.insert("nothing", "# What was found\n\n- one\n")
