"""The presets hold what they say: the paper's arms, the corrections, the cost in the header."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prunescope.study.config import reading
from prunescope.study.config.checking import check
from prunescope.study.study import Study
from prunescope.summarize import published
from prunescope.summarize.estimates import paired_changes

ROOT = Path(__file__).resolve().parents[3]
PRESETS = ("paper", "corrected")
# granularity, scope, criterion, retraining
ARMS = {
    ("filter", "layer", "l1", "one_shot"),
    ("filter", "layer", "l1", "one_shot_adam"),
    ("filter", "layer", "l1", "none"),
    ("input_channel", "layer", "l1", "one_shot"),
    ("input_channel", "layer", "l1", "none"),
    ("input_channel", "layer", "random", "one_shot"),
    ("weight", "global", "l1", "one_shot"),
    ("weight", "global", "l1", "one_shot_60"),
    ("weight", "global", "l1", "iterative"),
    ("weight", "global", "l1", "none"),
    ("weight", "layer", "l1", "one_shot"),
}


def text_of(name: str) -> str:
    return (ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")


def config_of(name: str) -> dict[str, Any]:
    return reading.read(ROOT / "config" / f"{name}.yaml").values


def header_of(name: str) -> str:
    """The comment before the first key, without its marks."""
    lines = text_of(name).partition("\nstudy:")[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    return " ".join(" ".join(line.lstrip("# ") for line in lines).split())


def epochs_of(config: dict[str, Any]) -> int:
    recipes = [config["retraining"][n.retraining]["recipe"] for n in Study(config).networks]
    return sum(config["recipes"][recipe]["epochs"] for recipe in recipes if recipe)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid(name: str) -> None:
    check(config_of(name))


@pytest.mark.parametrize("name", PRESETS)
def test_the_header_tells_command_cost_and_accuracy(name: str) -> None:
    header = header_of(name)
    command = re.search(r"Command (\S+snakemake .*?) \(", header)
    assert command
    assert f"--configfile config/{name}.yaml" in command[1]
    assert "Expected accuracy" in header
    cost = re.search(
        r"Expected GPU hours about ([\d,]+) .*: ([\d,]+) epochs at the 20 to 22", header
    )
    assert cost
    hours, epochs = (int(number.replace(",", "")) for number in cost.groups())
    assert epochs == epochs_of(config_of(name))
    assert epochs * 20 / 60 < hours < epochs * 22 / 60


@pytest.mark.parametrize("name", PRESETS)
def test_all_arms_of_the_paper_are_there(name: str) -> None:
    config = config_of(name)
    arms = {
        (method["granularity"], method["scope"], method["criterion"], retraining)
        for method in config["pruning"]["methods"].values()
        for retraining in method["retraining"]
    }
    assert arms >= ARMS
    for recipe, optimizer, epochs in (
        ("sgd", "sgd", 50),
        ("adam", "adam", 50),
        ("sgd_60", "sgd", 60),
    ):
        assert config["recipes"][recipe]["optimizer"] == optimizer
        assert config["recipes"][recipe]["epochs"] == epochs
    assert config["pruning"]["rates"] == [0.2, 0.4, 0.6, 0.8]
    steps = [round(1 - 0.6**step, 2) for step in range(1, 6)]
    assert config["pruning"]["methods"]["global_unstructured_steps"]["rates"] == steps
    assert config["retraining"]["iterative"]["start"] == "previous_rate"


def switches(config: dict[str, Any]) -> dict[str, bool]:
    """Which of the paper's defects that are on switches a config has."""
    methods = config["pruning"]["methods"].values()
    masks = [*config["retraining"].values(), *methods]
    return {
        "released": any(kind.get("mask") == "released" for kind in masks),
        "cumulative": any(method.get("cumulative", False) for method in methods),
        "batch norm kept": config["pruning"]["batch_norm"] == "kept",
        "dataset order": config["interpretability"]["exemplars"]["ties"] == "dataset_order",
        "half precision": config["interpretability"]["exemplars"].get("precision") == "float16",
    }


def test_the_papers_defects_are_in_one_preset_only() -> None:
    assert all(switches(config_of("paper")).values())
    assert not any(switches(config_of("corrected")).values())


def test_the_corrected_study_has_controls_and_seeds() -> None:
    config = config_of("corrected")
    networks = Study(config).networks
    assert len(config["seeds"]) == 3
    dense = {network.retraining for network in networks if network.method == "dense"}
    trained = {name for name, kind in config["retraining"].items() if kind["recipe"]}
    assert dense >= {"none", "recalibrated", *trained}
    methods = config["pruning"]["methods"]
    for name in ("global_unstructured", "structured", "connection_sparsity"):
        control = methods[f"{name}_random"]
        differing = {key for key in control if control[key] != methods[name].get(key)}
        assert differing <= {"criterion", "retraining"}
        assert control["criterion"] == "random"
        assert {"one_shot", "recalibrated"} <= set(control["retraining"])


@pytest.mark.parametrize("name", PRESETS)
def test_units_are_measured_on_the_images_of_the_papers_code(name: str) -> None:
    """The whole train split: 200 images a side are 0.016 % of it, and fewer than a class has."""
    probe = config_of(name)["datasets"]["imagenet"]["probe"]
    assert probe["images"] == 1_281_167
    assert 200 / probe["images"] == pytest.approx(0.00016, rel=0.03)
    assert "193 GB" in header_of(name)
    assert pytest.approx(193, abs=0.5) == 1_281_167 * 3 * 224**2 / 1e9


@pytest.mark.parametrize("name", ["default", "corrected"])
def test_every_retrained_network_has_a_partner_in_each_of_three_runs(name: str) -> None:
    config = reading.read(ROOT / "config.yaml").values if name == "default" else config_of(name)
    networks = Study(config).networks
    assert len(config["seeds"]) >= 3
    for network in networks:
        if network.method == "untrained" or network.is_dense:
            continue
        partner = paired_changes.partner_of_verdict(network, networks)
        assert network.method == "dense" or partner is not None, network
        if partner is not None:
            assert partner.retraining == network.retraining
            assert partner.seed == network.seed


def test_the_default_has_the_combination_that_the_paper_praises_and_three_rates() -> None:
    config = reading.read(ROOT / "config.yaml").values
    found = {
        (network.method, network.retraining, network.rate) for network in Study(config).networks
    }
    for method in ("structured", "connection_sparsity"):
        for retraining in ("one_shot", "iterative"):
            rates = {rate for name, kind, rate in found if (name, kind) == (method, retraining)}
            assert len(rates) == 3


def test_the_score_of_the_default_takes_no_more_images_a_side_than_a_class_has() -> None:
    study = Study(reading.read(ROOT / "config.yaml").values)
    assert study.facts["images_per_side"] <= study.dataset["probe"]["images"] / 10


def test_every_published_network_is_one_of_the_papers_preset() -> None:
    ours = {
        (network.method, network.retraining, float(network.rate))
        for network in Study(config_of("paper")).networks
    }
    shipped = published.read(ROOT / "resources" / "published_results.csv")
    theirs = shipped.filter(pl.col("our_method").is_not_null())
    named = set(theirs.select("our_method", "our_retraining", "our_rate").rows())
    assert named
    assert named <= ours


# --- examples of other networks and datasets -----------------------------------------------------

# Networks, and how many of them are retrained.
EXAMPLES = {
    "cifar10_channel_groups": (36, 21),
    "cifar10_resnet20": (42, 21),
    "imagenet_sample": (10, 0),
    "resnet50_imagenet": (90, 30),
    "vit_small_imagenet": (42, 21),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_networks_that_its_header_counts(name: str) -> None:
    study = Study(config_of(name))
    networks, retrained = EXAMPLES[name]
    assert len(study.networks) == networks
    assert len(study.trained_networks) == retrained
    counted = re.search(r"(\d+) networks are retrained for (\d+) epochs: (\d+) ", header_of(name))
    if counted:
        number, epochs, product = map(int, counted.groups())
        (recipe,) = study.config["recipes"].values()
        assert (number, epochs) == (retrained, recipe["epochs"])
        assert product == number * epochs


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_takes_its_weights_from_elsewhere(name: str) -> None:
    """It extends another study, and says of datasets and recipes only what it uses."""
    assert re.search(r"^extends: \S+\.yaml$", text_of(name), flags=re.M)
    config = config_of(name)
    assert config["model"]["checkpoint"] != "train"
    assert config["published"] is None
    assert "fashion_mnist" not in config["datasets"]
    used = {kind["recipe"] for kind in config["retraining"].values()} - {None}
    assert used == config["recipes"].keys()
    header = header_of(name)
    assert f"config/{name}.yaml" in header
    assert "Needs" in header


def test_the_sample_of_imagenet_scores_at_most_a_tenth_of_its_images_a_side() -> None:
    """And its folder holds one image of a class: both splits are the same images."""
    study = Study(config_of("imagenet_sample"))
    assert study.facts["images_per_side"] <= study.dataset["probe"]["images"] / 10
    assert study.dataset["validation"]["images"] is None
    assert study.dataset["mean"] == study.dataset["std"] == [0.5, 0.5, 0.5]
    assert study.kinds_trained == []


def test_the_example_of_an_own_network_has_a_partner_in_each_run_for_every_network() -> None:
    networks = Study(config_of("cifar10_resnet20")).networks
    pruned = [network for network in networks if network.method != "dense"]
    assert {network.seed for network in networks} == {0, 1, 2}
    assert len({network.method for network in pruned}) == 3
    assert len({network.rate for network in pruned}) == 2
    for network in pruned:
        partner = paired_changes.partner_of_verdict(network, networks)
        assert partner is not None
        assert (partner.retraining, partner.seed) == (network.retraining, network.seed)


# --- criteria side by side -----------------------------------------------------------------------


def test_all_criteria_are_compared_at_two_rates_with_a_random_control() -> None:
    config = config_of("criteria")
    methods = config["pruning"]["methods"]
    folder = ROOT / "workflow_scripts" / "prunescope" / "prune" / "criteria"
    shipped = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    # A variant of `taylor`.
    assert {method["criterion"] for method in methods.values()} == shipped - {"taylor_absolute"}
    alike: dict[str, list[dict[str, Any]]] = {}
    for method in methods.values():
        assert len(method["rates"]) == 2
        rest = {key: value for key, value in method.items() if key != "criterion"}
        alike.setdefault(method["granularity"], []).append(rest)
    assert alike.keys() == {"filter", "weight"}
    for granularity, others in alike.items():
        different = [other for other in others if other != others[0]]
        # Wanda compares the weights of an output only.
        expected = [{**others[0], "scope": "layer"}] if granularity == "weight" else []
        assert different == expected
        criteria = [
            one["criterion"] for one in methods.values() if one["granularity"] == granularity
        ]
        assert len(set(criteria)) == len(criteria) == 6
        assert "random" in criteria
    assert config["recipes"]["from_scratch"]["l1_on_scales"] > 0
    assert "l1_on_scales" not in config["recipes"]["short"]


def test_the_study_of_criteria_has_the_networks_that_its_header_counts() -> None:
    study = Study(config_of("criteria"))
    header = header_of("criteria")
    retrained = [network for network in study.networks if network.retraining == "one_shot"]
    measured = [one for one in study.networks if one.method in study.methods_measured]
    assert f"{len(study.networks)} networks, of which {len(retrained)} are retrained" in header
    assert f"{len(measured)} prunings that run the network" in header
    for network in retrained:
        partner = paired_changes.partner_of_verdict(network, study.networks)
        assert network.method == "dense" or partner is not None


# --- iterative magnitude pruning -----------------------------------------------------------------


def test_lottery_tickets_are_rewound_to_an_early_step_and_have_controls() -> None:
    config = config_of("lottery")
    assert config["pruning"]["rates"] == [round(1 - 0.6**level, 2) for level in range(1, 6)]
    dense = config["recipes"][config["model"]["recipe"]]
    steps = dense["epochs"] * dense["images_per_epoch"] // dense["batch"]
    kinds = {name: kind for name, kind in config["retraining"].items() if kind["recipe"]}
    assert {kind["start"] for kind in kinds.values()} == {"geometric"}
    rewound = {name: kind["rewind"] for name, kind in kinds.items() if kind.get("rewind")}
    assert {one["what"] for one in rewound.values()} == {"weights", "learning_rate"}
    assert {one["step"] for one in rewound.values()} == {round(0.05 * steps)}
    methods = config["pruning"]["methods"]
    assert (
        {*methods["global_unstructured"]["retraining"]}
        == {*kinds}
        == {*config["model"]["retraining"]}
    )
    chosen, drawn = methods["global_unstructured"], methods["global_unstructured_random"]
    rest = ("criterion", "retraining")
    assert {key: value for key, value in chosen.items() if key not in rest} == {
        key: value for key, value in drawn.items() if key not in rest
    }
    assert (chosen["criterion"], drawn["criterion"]) == ("l1", "random")


def test_the_study_of_lottery_tickets_has_the_networks_that_its_header_counts() -> None:
    study = Study(config_of("lottery"))
    made = {study.made_as(network) for network in study.networks}
    retrained = [one for one in made if one.retraining != "none"]
    long = [one for one in retrained if one.retraining.startswith("rewound")]
    assert (
        f"{len(made)} networks, of which {len(retrained)} are retrained, {len(long)} of them nearly"
        in header_of("lottery")
    )
    for network in study.networks:
        if network.retraining != "none":
            partner = paired_changes.partner_of_verdict(network, study.networks)
            assert network.method == "dense" or partner is not None
