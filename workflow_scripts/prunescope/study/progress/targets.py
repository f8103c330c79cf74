"""Name what a job works on, from its wildcards."""

from collections.abc import Mapping

COORDINATES = ("method", "retraining", "rate", "seed")


def target(wildcards: Mapping[str, str]) -> str:
    """A network as its folder is named, or the other wildcards; the study is the same for all.

    >>> target({"study": "s", "method": "dense", "retraining": "none", "rate": "0.00", "seed": "1"})
    'dense/none/rate0.00/seed1'
    >>> target({"study": "s", "chart": "accuracy_by_rate"})
    'accuracy_by_rate'
    >>> target({"study": "s", "seed": "1"})
    'seed1'
    """
    given = dict(wildcards)
    given.pop("study", None)
    network = ""
    if all(name in given for name in COORDINATES):
        method, retraining, rate, seed = (given.pop(name) for name in COORDINATES)
        network = f"{method}/{retraining}/rate{rate}/seed{seed}"
    others = (f"seed{value}" if name == "seed" else value for name, value in given.items())
    return " ".join(part for part in (network, *others) if part)
