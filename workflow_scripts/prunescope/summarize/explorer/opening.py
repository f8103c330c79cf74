"""Choose where the explorer opens: at what changed most in the networks that can still classify."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from prunescope.networks.coordinates import NOT_PRUNED, Coordinates, name_kind

# A network can still classify if it keeps this part of what the dense network of its run has above
# chance.
KEPT = 0.5


def find(
    networks: Sequence[Coordinates],
    top1: Mapping[Coordinates, float],
    changes: Mapping[Coordinates, float | None],
    classes: int,
) -> dict[str, Any] | None:
    """The pruned network beside which the page shows the dense one when it is opened.

    Of the kinds of pruned network that can still classify in every run, the one whose units changed
    most, as a mean over runs; and of this kind, the first run. Where no kind can still classify,
    all of them count.

    Parameters
    ----------
    networks
        The networks of the study, in order.
    top1
        Their accuracy, a fraction.
    changes
        What `mean_change` gives for each of them beside the dense network of its run.
    classes
        The number of classes, equally frequent: 1 in `classes` is chance.

    Returns
    -------
    dict
        `network`, the name of the network; `change`, that of its kind, a mean over `runs`;
        `control`, the change of the dense networks that were retrained as often (None if there are
        none); `able` of `kinds`, how many kinds of pruned network can still classify. None if no
        pruned network has a unit that is live in the dense network too.
    """
    kinds: dict[str, list[Coordinates]] = {}
    for network in networks:
        if network.method not in NOT_PRUNED:
            kinds.setdefault(_kind(network), []).append(network)
    known = {
        kind: mean for kind, runs in kinds.items() if (mean := _mean(runs, changes)) is not None
    }
    able = [
        kind
        for kind, runs in kinds.items()
        if all(can_classify(top1[run], top1[run.dense], classes) for run in runs)
    ]
    candidates = [kind for kind in able if kind in known] or list(known)
    if not candidates:
        return None
    chosen = max(candidates, key=known.__getitem__)
    runs = kinds[chosen]
    controls = {run.control for run in runs} | {run.chain_control for run in runs}
    own = [n for n in networks if n in controls and not n.is_dense]
    chain = [n for n in own if n.rate == runs[0].rate]
    return {
        "network": runs[0].name,
        "change": known[chosen],
        "runs": len(runs),
        "control": _mean(chain or own, changes),
        "able": len(able),
        "kinds": len(kinds),
    }


def can_classify(top1: float, dense: float, classes: int) -> bool:
    """Whether an accuracy is above chance by at least `KEPT` of what the dense network's is."""
    chance = 1 / classes
    return dense > chance and top1 - chance >= KEPT * (dense - chance)


def mean_change(dense: pl.DataFrame, other: pl.DataFrame) -> float | None:
    """The mean absolute change of the soft MIS over the units that are live in both networks.

    Parameters
    ----------
    dense, other
        `unit_tables.MIS` of two networks, of the same units in the same order.

    Returns
    -------
    float or None
        None if no unit is live in both.
    """
    live = ~(dense["constant"] | other["constant"])
    change = (other["mis_soft"] - dense["mis_soft"]).filter(live).abs().mean()
    return None if change is None else float(change)  # type: ignore[arg-type]


def _kind(network: Coordinates) -> str:
    return name_kind(network.method, network.retraining, float(network.rate))


def _mean(
    networks: Sequence[Coordinates], changes: Mapping[Coordinates, float | None]
) -> float | None:
    found = [change for network in networks if (change := changes[network]) is not None]
    return sum(found) / len(found) if found else None
