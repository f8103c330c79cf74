"""Which networks a config asks for, and what is made of them."""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from good_config import OF_NETWORKS, SIMILARITY, changed, good, shipped

from prunescope.networks.coordinates import Coordinates
from prunescope.study import listed_files
from prunescope.study.config.checking import check
from prunescope.study.params import JobParams
from prunescope.study.paths import Paths
from prunescope.study.study import Study


def test_networks_of_a_config() -> None:
    config = {
        "seeds": [0, 7],
        "model": {"retraining": ["one_shot", "chain"], "untrained": True},
        "retraining": {
            "none": {"start": "dense"},
            "one_shot": {"start": "dense"},
            "chain": {"start": "previous_rate"},
        },
        "pruning": {
            "rates": [0.07, 0.5],
            "methods": {
                "structured": {"retraining": ["iterative", "none"]},
                "unstructured": {"retraining": ["one_shot"]},
            },
        },
    }
    assert Study(config).networks == [
        Coordinates("dense", "none", "0.00", 0),
        Coordinates("dense", "none", "0.00", 7),
        Coordinates("dense", "one_shot", "0.00", 0),
        Coordinates("dense", "one_shot", "0.00", 7),
        # As often retrained as a pruned network at the rate.
        Coordinates("dense", "chain", "0.07", 0),
        Coordinates("dense", "chain", "0.07", 7),
        Coordinates("dense", "chain", "0.50", 0),
        Coordinates("dense", "chain", "0.50", 7),
        Coordinates("untrained", "none", "0.00", 0),
        Coordinates("untrained", "none", "0.00", 7),
        Coordinates("structured", "iterative", "0.07", 0),
        Coordinates("structured", "iterative", "0.07", 7),
        Coordinates("structured", "iterative", "0.50", 0),
        Coordinates("structured", "iterative", "0.50", 7),
        Coordinates("structured", "none", "0.07", 0),
        Coordinates("structured", "none", "0.07", 7),
        Coordinates("structured", "none", "0.50", 0),
        Coordinates("structured", "none", "0.50", 7),
        Coordinates("unstructured", "one_shot", "0.07", 0),
        Coordinates("unstructured", "one_shot", "0.07", 7),
        Coordinates("unstructured", "one_shot", "0.50", 0),
        Coordinates("unstructured", "one_shot", "0.50", 7),
    ]


IMPORTED = {"file": "weights/theirs.pth", "rate": 0.3}


def test_networks_that_were_pruned_elsewhere() -> None:
    """They are points like any other, at their own rate, after all others."""
    section = {**IMPORTED, "retraining": ["none", "one_shot"]}
    config = changed({"imported": {"theirs": section, "others": IMPORTED}, "seeds": [0, 7]})
    study = Study(check(config).model_dump())
    points = [
        Coordinates("theirs", "none", "0.30", 0),
        Coordinates("theirs", "none", "0.30", 7),
        Coordinates("theirs", "one_shot", "0.30", 0),
        Coordinates("theirs", "one_shot", "0.30", 7),
        Coordinates("others", "none", "0.30", 0),
        Coordinates("others", "none", "0.30", 7),
    ]
    without = Study(check(changed({"seeds": [0, 7]})).model_dump())
    assert study.networks == without.networks + points
    assert [study.made_as(point) for point in points] == points
    assert study.trained_networks == without.trained_networks + points[2:4]
    # `compact.rates` is about what is pruned here.
    assert study.compacted_networks == without.compacted_networks + points
    assert study.mask_of("theirs", "one_shot") == "enforced"
    level, start = made_from(study.config, points[2])
    assert level == 0
    assert start == "results/s/networks/theirs/one_shot/rate0.30/seed0/pruned.safetensors"


def test_a_pair_of_checkpoints_is_a_study() -> None:
    config = changed(
        {
            "model.checkpoint": {"file": "weights/dense.pth"},
            "model.recipe": None,
            "model.retraining": [],
            "pruning.methods": {},
            "retraining": {"none": good()["retraining"]["none"]},
            "recipes": {},
            "imported": {"theirs": IMPORTED},
            "compact.rates": [],
        }
    )
    study = Study(check(config).model_dump())
    dense, theirs = (
        Coordinates("dense", "none", "0.00", 0),
        Coordinates("theirs", "none", "0.30", 0),
    )
    assert study.networks == [dense, theirs]
    assert study.trained_networks == []
    assert study.compacted_networks == [theirs]
    assert Paths(study).checkpoint_file() == "weights/dense.pth"
    assert Paths(study).imported_file(Wildcards(method="theirs")) == "weights/theirs.pth"
    # Nothing to fetch but the images.
    assert study.downloads == {}


def test_downloads_have_one_rule() -> None:
    address = {"url": "https://example.org/a.pth", "sha256": "0" * 64}
    other = {**address, "url": "https://example.org/b.pth", "rate": 0.3}
    study = Study(
        check(
            changed({"model.checkpoint": address, "imported": {"b": other, "c": IMPORTED}})
        ).model_dump()
    )
    assert study.downloads == {"a.pth": "model.checkpoint", "b.pth": "imported.b"}
    assert {"downloads/a.pth", "downloads/b.pth"} <= set(Paths(study).files_to_fetch())
    asked = JobParams(study).download(Wildcards(file="b.pth"))
    assert asked == {
        "key": "imported.b",
        "architecture": "torchvision:googlenet",
        "checkpoint": {"url": other["url"], "sha256": "0" * 64},
    }


def test_the_content_of_own_files_decides_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = changed(
        {
            "model.checkpoint": {"file": "dense.pth"},
            "imported": {"t": {**IMPORTED, "file": "t.pth"}},
        }
    )
    params = JobParams(Study(check(config).model_dump()))

    def digests() -> list[str]:
        listed_files.forget()
        return [params.weights(w)["sha256"] for w in (Wildcards(seed=0), Wildcards(method="t"))]

    assert digests() == ["No such file or directory"] * 2
    for name in ("dense.pth", "t.pth"):
        Path(name).write_bytes(name.encode())
    first = digests()
    assert first == [hashlib.sha256(name).hexdigest() for name in (b"dense.pth", b"t.pth")]
    os.utime("t.pth", (1, 1))
    assert digests() == first
    Path("t.pth").write_bytes(b"other")
    assert digests() == [first[0], hashlib.sha256(b"other").hexdigest()]


def made_from(config: dict, network: Coordinates) -> tuple[int, str]:
    """The level of a network that is retrained, and the folder of what it starts from."""
    study = Study(config)
    wildcards = Wildcards(study="s", **vars(network))
    return JobParams(study).level(wildcards), Paths(study).network_to_retrain(wildcards)


class Wildcards(dict):
    """Wildcards, as Snakemake gives them: by attribute and by key."""

    def __init__(self, **values: object) -> None:
        super().__init__(values)
        self.__dict__.update(values)


def test_the_order_of_images_depends_on_the_place_in_a_chain_not_on_the_rate() -> None:
    config = changed({"model.retraining": ["one_shot", "iterative"], "pruning.rates": [0.2, 0.4]})
    check(config)
    levels = {}
    for method in ("dense", "structured"):
        for retraining in ("one_shot", "iterative"):
            for rate in ("0.20", "0.40"):
                network = Coordinates(method, retraining, rate, 0)
                levels[method, retraining, rate] = made_from(config, network)[0]
    assert {level for (_, kind, _), level in levels.items() if kind == "one_shot"} == {0}
    for method in ("dense", "structured"):
        assert levels[method, "iterative", "0.20"] == 0
        assert levels[method, "iterative", "0.40"] == 1


def test_a_chain_of_dense_networks_goes_on_from_its_last_one() -> None:
    config = changed(
        {"model.retraining": ["one_shot", "iterative"], "pruning.rates": [0.2, 0.4, 0.6]}
    )
    start = "results/s/networks/dense/none/rate0.00/seed3/network.safetensors"
    for retraining, rate in (("one_shot", "0.00"), ("iterative", "0.20")):
        assert made_from(config, Coordinates("dense", retraining, rate, 3))[1] == start
    assert made_from(config, Coordinates("dense", "iterative", "0.60", 3))[1] == (
        "results/toy/networks/dense/iterative/rate0.40/seed3/network.safetensors"
    )
    # The first one of the chain is the network that was retrained once.
    assert made_from(config, Coordinates("dense", "iterative", "0.40", 3))[1] == (
        "results/toy/networks/dense/one_shot/rate0.00/seed3/network.safetensors"
    )
    pruned = made_from(config, Coordinates("structured", "iterative", "0.40", 3))[1]
    assert pruned == "results/s/networks/structured/iterative/rate0.40/seed3/pruned.safetensors"


CHAIN = {"model.retraining": ["one_shot", "iterative"], "pruning.rates": [0.2, 0.4]}


@pytest.mark.parametrize(
    ("network", "made"),
    [
        (("structured", "iterative", "0.20"), ("structured", "one_shot", "0.20")),
        (("structured", "iterative", "0.40"), ("structured", "iterative", "0.40")),
        (("structured", "one_shot", "0.20"), ("structured", "one_shot", "0.20")),
        (("structured", "none", "0.20"), ("structured", "none", "0.20")),
        (("dense", "iterative", "0.20"), ("dense", "one_shot", "0.00")),
        (("dense", "iterative", "0.40"), ("dense", "iterative", "0.40")),
        (("dense", "none", "0.00"), ("dense", "none", "0.00")),
        (("untrained", "none", "0.00"), ("untrained", "none", "0.00")),
    ],
)
def test_the_first_network_of_a_chain_is_made_once(network: tuple, made: tuple) -> None:
    study = Study(changed(CHAIN))
    assert study.made_as(Coordinates(*network, 3)) == Coordinates(*made, 3)
    asked = [Coordinates(*network, 0)]
    folder = "results/toy/networks/{}/{}/rate{}/seed0".format(*made)
    assert Paths(study).every_network("mis.parquet", asked) == [f"{folder}/mis.parquet"]


@pytest.mark.parametrize(
    "changes",
    [
        {"retraining.iterative.recipe": "from_scratch"},
        {"retraining.iterative.mask": "released"},
        {"pruning.methods.structured.retraining": ["none", "iterative"]},
    ],
)
def test_a_chain_that_begins_otherwise_has_a_first_network_of_its_own(changes: dict) -> None:
    config = changed(CHAIN | changes)
    check(config)
    first = Coordinates("structured", "iterative", "0.20", 0)
    assert Study(config).made_as(first) == first


def test_geometric_levels_are_pruned_by_the_formula_and_named_in_two_decimals() -> None:
    rates = [0.54, 0.78, 0.9]
    config = changed(CHAIN | {"retraining.iterative.start": "geometric", "pruning.rates": rates})
    check(config)
    study = Study(config)
    names = {"study": "toy", "method": "structured", "retraining": "iterative", "seed": 0}
    at = [SimpleNamespace(**names, rate=f"{rate:.2f}") for rate in rates]
    params = JobParams(study)
    assert [params.rate_to_prune(level) for level in at] == pytest.approx(
        [1 - 0.1 ** (1 / 3), 1 - 0.1 ** (2 / 3), 0.9], abs=1e-9
    )
    assert [params.level(level) for level in at] == [0, 1, 2]
    # One-shot retraining prunes 0.54, not 0.5358: not the same network. Nothing is pruned from
    # controls, so the first one of the chain is the network that was retrained once.
    first = Coordinates("structured", "iterative", "0.54", 0)
    assert study.made_as(first) == first
    control = Coordinates("dense", "iterative", "0.54", 0)
    assert study.made_as(control) == Coordinates("dense", "one_shot", "0.00", 0)


def test_networks_are_rewound_to_what_the_dense_training_keeps() -> None:
    plain = Study(changed(CHAIN))
    assert Paths(plain).kept_steps == {}
    rewound = {"start": "dense", "mask": "enforced", "recipe": "from_scratch"}
    config = changed(
        CHAIN
        | {
            "retraining.late": {**rewound, "rewind": {"what": "weights", "step": 7}},
            "retraining.again": {**rewound, "rewind": {"what": "learning_rate", "step": 9}},
            "retraining.unused": {**rewound, "rewind": {"what": "weights", "step": 8}},
            "pruning.methods.structured.retraining": ["none", "one_shot", "late", "again"],
        }
    )
    check(config)
    paths, params = Paths(Study(config)), JobParams(Study(config))
    template = "results/{study}/networks/dense/none/rate0.00/seed{seed}/step7.safetensors"
    assert paths.kept_steps == {"step7": template}
    given = {}
    for kind in ("one_shot", "late", "again"):
        wildcards = Wildcards(
            study="toy", method="structured", retraining=kind, rate="0.20", seed=3
        )
        given[kind] = paths.rewound_to(wildcards), params.recipe(wildcards)
    kept = [template.format(study="toy", seed=3)]
    recipes = config["recipes"]
    assert given == {
        "one_shot": ([], recipes["short"]),
        "late": (kept, {**recipes["from_scratch"], "first_step": 7}),
        "again": ([], {**recipes["from_scratch"], "first_step": 9}),
    }


def test_chains_of_dense_networks_are_not_made_compact() -> None:
    config = changed({"model.retraining": ["one_shot", "iterative"]})
    assert any(n.method == "dense" and n.rate == "0.40" for n in Study(config).networks)
    assert not any(network.method == "dense" for network in Study(config).compacted_networks)


def test_what_variants_need() -> None:
    variants = {
        "tau": {"tau": 0.1},
        "max": {"pooling": "max"},
        "max_small": {"pooling": "max", "probe_images": 450},
        "pixels": {"similarity": {"metric": "pixels:correlation", "image_size": 32}},
    }
    config = changed({"sensitivity": {"rates": [0.4], "variants": variants}})
    check(config)
    assert Study(config).varied_poolings == ["mean", "max"]
    assert Study(config).varied_metrics == {
        "pixels:correlation 32": variants["pixels"]["similarity"]
    }
    assert {network.rate for network in Study(config).varied_networks} == {"0.00", "0.40"}
    assert Study(good()).varied_poolings == ["mean"]


def test_variants_with_a_probe_set_of_their_own() -> None:
    more, other = {"images": 4000, "seed": 0}, {"images": 40000, "seed": 1}
    variants = {"more": {"probe": more}, "more_tasks": {"probe": more, "tasks": 4},
                "other": {"probe": other}}  # fmt: skip
    config = changed({"sensitivity.variants": variants, f"{SIMILARITY}.largest_matrix_mb": 4000})
    check(config)
    study, paths, params = Study(config), Paths(Study(config)), JobParams(Study(config))
    assert study.probes == ["probe", "probe-4000-seed0", "probe-40000-seed1"]
    network = Wildcards(study="s", **vars(study.networks[0]))
    assert [path.rpartition("/")[2] for path in paths.exemplars_elsewhere(network)] == [
        "exemplars_probe-4000-seed0.parquet", "exemplars_probe-40000-seed1.parquet",
    ]  # fmt: skip
    # 40,000 images make a matrix of 6.4 GB, more than `largest_matrix_mb`.
    assert [path.rpartition("probe-")[2] for path in paths.similarities_elsewhere(network)] == [
        "4000-seed0/similarity_timm-tf_efficientnet_lite0-96px.npy",
        "40000-seed1/embeddings_timm-tf_efficientnet_lite0-96px.npy",
    ]
    assert [study.kind_elsewhere(split) for split in study.other_probes] == ["matrix", "products"]
    split = Wildcards(dataset="clothes", split="probe-4000-seed0")
    assert params.sample(split) == more
    assert params.key_of_sample(split) == "sensitivity.variants.more.probe.images"
    own = Wildcards(dataset="clothes", split="probe")
    assert params.sample(own) == config["datasets"]["clothes"]["probe"]
    assert params.key_of_sample(own) == "datasets.clothes.probe.images"
    assert "sensitivity.variants.more.probe.images" in {need["key"] for need in study.image_needs}


def test_variants_and_compact_networks_may_be_of_some_runs() -> None:
    study = Study(changed({"seeds": [0, 1], "sensitivity.seeds": [1], "compact.seeds": [0]}))
    assert {network.seed for network in study.varied_networks} == {1}
    assert {network.seed for network in study.compacted_networks} == {0}
    every = Study(changed({"seeds": [0, 1]}))
    assert {network.seed for network in every.varied_networks} == {0, 1}
    assert {network.seed for network in every.compacted_networks} == {0, 1}


def test_removed_units_are_compared_where_methods_remove_whole_units() -> None:
    methods = good()["pruning"]["methods"]
    filters = {**methods["structured"], "retraining": ["none"], "rates": [0.5]}
    config = changed(
        {
            "seeds": [0, 1],
            "pruning.methods": {
                "rows": filters,
                "any_layer": {**filters, "scope": "global"},
                "columns": {**filters, "granularity": "input_channel"},
                "groups": {**filters, "granularity": "channel_group"},
            },
        }
    )
    study = Study(config)
    assert study.unit_pruned_networks == [
        Coordinates(name, "none", "0.50", seed)
        for name in ("rows", "any_layer", "groups")
        for seed in (0, 1)
    ]
    assert study.competing_methods == ["any_layer"]
    assert study.dense_networks == [Coordinates("dense", "none", "0.00", seed) for seed in (0, 1)]
    assert "units_pruned" in study.tables
    columns = changed({"pruning.methods.structured.granularity": "input_channel"})
    assert "units_pruned" not in Study(columns).tables


def test_the_images_a_side_are_those_that_the_tasks_take() -> None:
    mis = {"explanations": 4, "tasks": 3, "tau": 0.16, "draw": "imi", "seed": 0}
    assert Study(changed({"interpretability.mis": mis})).facts["images_per_side"] == 15
    drawn = {**mis, "draw": "quantile", "pool": 40}
    assert Study(changed({"interpretability.mis": drawn})).facts["images_per_side"] == 40


def test_retrained_networks_at_some_rates_are_made_compact() -> None:
    made = Study(good()).compacted_networks
    assert {network.rate for network in made} == {"0.40"}
    retrained = {
        network
        for network in Study(good()).networks
        if network.rate == "0.40" and network.retraining != "none"
    }
    assert set(made) == retrained != set()
    assert Study(changed({"compact.rates": []})).compacted_networks == []


@pytest.mark.parametrize(("budget", "kinds"), [(16, ["matrix", "matrix"]),
                                               (15.9, ["distances", "products"]),
                                               (0, ["distances", "products"])])  # fmt: skip
def test_a_matrix_over_the_budget_is_not_made(budget: float, kinds: list[str]) -> None:
    """2000 images have 4 million pairs of 4 bytes."""
    pixels = {"similarity": {"metric": "pixels:correlation", "image_size": 32}}
    config = changed(
        {
            f"{SIMILARITY}.metric": "lpips:alex",
            f"{SIMILARITY}.largest_matrix_mb": budget,
            "sensitivity": {"rates": [], "variants": {"pixels": pixels}},
        }
    )
    check(config)
    assert Study(config).kinds_of_input == kinds


@pytest.mark.parametrize("path", OF_NETWORKS, ids=lambda path: path.name)
def test_no_network_is_listed_twice(path: Path) -> None:
    networks = Study(shipped(path)).networks
    assert len(set(networks)) == len(networks)


def test_only_methods_that_are_measured_on_images_read_them() -> None:
    method = "pruning.methods.structured"
    wildcards = Wildcards(method="structured", retraining="one_shot", rate="0.20", seed="0")
    sample = {"images": 512, "batch": 64, "seed": 0}
    for criterion, reads, drawn, steps in (
        ("l1", False, None, 1),
        ("slimming", False, None, 1),
        ("synflow", False, None, 100),
        ("taylor", True, sample, 1),
        ("snip", True, sample, 1),
    ):
        study = Study(check(changed({f"{method}.criterion": criterion})).model_dump())
        paths, params = Paths(study), JobParams(study)
        images = {name: paths.split_file("train", f"{name}.{end}") for name, end in (
            ("index", "parquet"), ("images", "npy"), ("labels", "npy"))}  # fmt: skip
        assert paths.images_to_measure(wildcards) == (images if reads else {})
        assert params.sample_to_measure(wildcards) == drawn
        assert params.iterations(wildcards) == steps
        by_weights = criterion in ("l1", "slimming")
        assert study.methods_by_weights == (["structured"] if by_weights else [])
        assert study.methods_measured == ([] if by_weights else ["structured"])
        needs = [need for need in study.image_needs if "sample" in need["key"]]
        assert [need["images"] for need in needs] == ([512] if reads else [])


def test_a_method_may_say_how_it_is_measured() -> None:
    method = "pruning.methods.structured"
    asked = {"criterion": "taylor", "sample": {"images": 96, "batch": 32}, "iterations": 3}
    study = Study(
        check(changed({f"{method}.{key}": value for key, value in asked.items()})).model_dump()
    )
    wildcards = Wildcards(method="structured")
    params = JobParams(study)
    assert params.sample_to_measure(wildcards) == {"images": 96, "batch": 32, "seed": 0}
    assert params.iterations(wildcards) == 3
