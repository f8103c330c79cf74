"""Files of networks that a study does not have are refused, with what is there instead."""

import pytest
from good_config import OF_NETWORKS, changed, good, shipped

from prunescope.study.requests import Requests
from prunescope.study.study import Study

NETWORKS = "results/toy/networks"


@pytest.fixture
def requests() -> Requests:
    own = {**good()["pruning"]["methods"]["structured"], "rates": [0.45], "retraining": ["none"]}
    return Requests(Study(changed({"pruning.methods.own": own, "seeds": [0, 7]})))


@pytest.mark.parametrize(
    "path",
    [
        f"{NETWORKS}/dense/none/rate0.00/seed0/network.safetensors",
        f"{NETWORKS}/dense/one_shot/rate0.00/seed7/mis.parquet",
        f"{NETWORKS}/structured/iterative/rate0.80/seed7/pruned.safetensors",
        f"{NETWORKS}/own/none/rate0.45/seed0/network.safetensors",
        "results/toy/tables/networks.parquet",
        "results/datasets/clothes/train/images.npy",
        "results/other/summary.md",
        "downloads/networks/dense/one_shot/rate0.45/seed0/net.pth",
    ],
)
def test_what_the_study_has_may_be_asked_for(requests: Requests, path: str) -> None:
    assert requests.refusal(path) is None


def test_a_network_of_two_names_is_asked_for_by_the_one_it_is_made_under() -> None:
    chained = Requests(Study(changed({"model.retraining": ["one_shot", "iterative"]})))
    path = f"{NETWORKS}/dense/iterative/rate0.20/seed0/network.safetensors"
    message = chained.refusal(path)
    assert message is not None
    assert "the same as the one in results/toy/networks/dense/one_shot/rate0.00/seed0/" in message


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("dense/one_shot/rate0.45/seed0", "rate `0.45` below `dense/one_shot/`, only of 0.00"),
        ("dense/none/rate0.20/seed0", "rate `0.20` below `dense/none/`, only of 0.00"),
        ("dense/iterative/rate0.00/seed0", "retraining `iterative` below `dense/`, only of none, "),
        ("structured/none/rate0.00/seed0", "rate `0.00` below `structured/none/`, only of 0.20, "),
        ("structured/none/rate0.45/seed0", "rate `0.45` below `structured/none/`, only of 0.20, "),
        ("structured/none/rate0.2/seed0", "rate `0.2` below `structured/none/`, only of 0.20, "),
        ("own/one_shot/rate0.45/seed0", "retraining `one_shot` below `own/`, only of none. "),
        ("own/none/rate0.20/seed0", "rate `0.20` below `own/none/`, only of 0.45. "),
        ("untrained/none/rate0.00/seed0", "method `untrained`, only of dense, structured, own. "),
        ("dense/none/rate0.00/seed1", "seed `1` below `dense/none/0.00/`, only of 0, 7. "),
        ("dense/none/rate0.00/seed00", "seed `00` below `dense/none/0.00/`, only of 0, 7. "),
    ],
)
def test_other_networks_are_refused_with_the_part_that_is_wrong(
    requests: Requests, network: str, reason: str
) -> None:
    path = f"{NETWORKS}/{network}/network.safetensors"
    message = requests.refusal(path)
    assert message is not None
    assert message.startswith(f"{path}: the study `toy` has no network of the {reason}")
    assert "`pruning`, `imported`, `model.retraining`, `model.untrained` and `seeds` of" in message


def test_the_network_of_another_study_needs_its_config(requests: Requests) -> None:
    message = requests.refusal("results/tiny/networks/dense/none/rate0.00/seed0/mis.parquet")
    assert message is not None
    assert "the config is that of the study `toy`" in message
    assert "--configfile" in message


@pytest.mark.parametrize("path", OF_NETWORKS, ids=lambda path: path.stem)
def test_all_networks_of_a_shipped_study_may_be_asked_for(path) -> None:
    study = Study(shipped(path))
    requests = Requests(study)
    for network in study.networks:
        assert (
            requests.refusal(f"results/{study.name}/networks/{study.made_as(network).name}/x")
            is None
        )
