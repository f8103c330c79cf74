"""Find the units of published networks whose activation is constant, from their scores alone.

The images of a constant unit are all tied. The authors' code then takes them in the order of the
dataset, and draws the tasks of a unit alike in every network. So a unit that is constant in two
networks has the same score in both, bit for bit. Two live units never do: their tasks show other
images. That is what is looked for; no threshold is needed. What follows of it is checked: how many
filters of a layer were pruned, and that a higher rate prunes those of a lower one too.
"""

import numpy as np

# Structured pruning left these layers alone (they are excluded by name, or no convolutions).
NOT_PRUNED = ("conv1.conv", "conv2.conv", "conv3.conv", "fc")
# Above this a score looks like that of a constant unit: of those that are shown to be constant all
# but 8 units are above. In each network 8 to 42 channels are above that are not shown to be.
LOOKS_CONSTANT = 0.99


def shown_constant(scores: np.ndarray) -> np.ndarray:
    """Where a score equals that of the same unit in another network.

    Parameters
    ----------
    scores
        `(networks, units)` float64 soft scores, a mean over tasks of a smooth function: equal
        values of live units are as good as impossible. (Hard scores take few values; they would
        not do.)

    Returns
    -------
    numpy.ndarray
        `(networks, units)` bool. A unit that is constant in one network only is not found.
    """
    order = np.argsort(scores, axis=0, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=0)
    same = ranked[1:] == ranked[:-1]
    edge = np.zeros((1, scores.shape[1]), dtype=bool)
    twice = np.concatenate([same, edge]) | np.concatenate([edge, same])
    found = np.empty(scores.shape, dtype=bool)
    np.put_along_axis(found, order, twice, axis=0)
    return found


def pruned_filters(constant: np.ndarray) -> np.ndarray:
    """The pruned units at each rate: those that are constant in all arms.

    Every arm prunes the same trained network by the same norm, so it prunes the same filters.

    Parameters
    ----------
    constant
        `(arms, rates, units)` bool, from `shown_constant`.

    Returns
    -------
    numpy.ndarray
        `(rates, units)` bool.
    """
    return np.logical_and.reduce(constant, axis=0)


def check_pruned(pruned: np.ndarray, layers: np.ndarray, rates: np.ndarray) -> None:
    """Check that the pruned units are what structured pruning leaves behind.

    Parameters
    ----------
    pruned
        `(rates, units)` bool, from `pruned_filters`.
    layers
        `(units,)` module name of each unit's layer.
    rates
        `(rates,)` float64, rising.

    Raises
    ------
    ValueError
        A layer has another number of pruned filters than `round(rate * filters)`, a half rounded
        to the even neighbour as `torch.nn.utils.prune` does; or a lower rate prunes a filter that
        a higher one keeps.
    """
    names = np.unique(layers)
    sizes = np.array([np.sum(layers == name) for name in names])
    sizes[np.isin(names, NOT_PRUNED)] = 0
    found = np.array([pruned[:, layers == name].sum(axis=1) for name in names]).T
    for rate, counts in zip(rates, found, strict=True):
        wrong = np.flatnonzero(counts != np.round(rate * sizes))
        if wrong.size:
            name, count = names[wrong[0]], counts[wrong[0]]
            raise ValueError(f"{name} has {count} dead units at rate {rate}: not those of pruning")
    if (pruned[:-1] & ~pruned[1:]).any():
        raise ValueError("a filter that is dead at one rate is alive at a higher one")
