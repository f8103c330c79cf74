"""Constant units are found by their scores, and pruned filters among them."""

from pathlib import Path

import numpy as np
import pytest

from prunescope.interpret.published_scores import dead_units, files, frames

RATES = np.array(files.RATES)


def test_equal_scores_of_a_unit_show_that_it_is_constant() -> None:
    scores = np.array([
        [0.7, 0.99, 0.50, 0.80],
        [0.6, 0.99, 0.60, 0.80],
        [0.5, 0.98, 0.50, 0.80],
    ])  # fmt: skip
    assert dead_units.shown_constant(scores).tolist() == [
        [False, True, True, True], [False, True, False, True], [False, False, True, True],
    ]  # fmt: skip


def test_equal_scores_of_different_units_show_nothing() -> None:
    assert not dead_units.shown_constant(np.array([[0.7, 0.8], [0.8, 0.7]])).any()


def a_study(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of four arms with pruned units, `(arms, rates, units)`, the truth, and layers."""
    layers = np.repeat(["conv1.conv", "inception3a.branch1.conv", "inception5b.branch1.conv", "fc"],
                       [7, 64, 25, 10])  # fmt: skip
    rank = np.full(len(layers), 10**6)
    for name in np.unique(layers):
        if name not in dead_units.NOT_PRUNED:
            members = layers == name
            rank[members] = rng.permutation(members.sum())
    sizes = np.array([np.sum(layers == name) for name in layers])
    dead = rank < np.round(RATES[:, None] * sizes)
    scores = rng.uniform(0.4, 1, (4, len(RATES), len(layers)))
    scores[:, dead] = np.broadcast_to(rng.uniform(0.98, 1, len(layers)), dead.shape)[dead]
    return scores, dead, layers


@pytest.mark.parametrize("seed", range(5))
def test_planted_units_are_recovered(seed: int) -> None:
    scores, dead, layers = a_study(np.random.default_rng(seed))
    flat = dead_units.shown_constant(scores.reshape(-1, scores.shape[2]))
    pruned = dead_units.pruned_filters(flat.reshape(scores.shape))
    assert np.array_equal(pruned, dead)
    dead_units.check_pruned(pruned, layers, RATES)


def test_units_that_die_in_one_arm_are_constant_but_not_pruned() -> None:
    scores, dead, layers = a_study(np.random.default_rng(0))
    (unit,) = np.flatnonzero(dead[3] & ~dead[0])[:1]
    scores[2, 0, unit] = scores[0, 3, unit]
    constant = dead_units.shown_constant(scores.reshape(-1, len(layers))).reshape(scores.shape)
    assert constant[2, 0, unit]
    assert not dead_units.pruned_filters(constant)[0, unit]


def test_wrong_numbers_of_pruned_filters_are_refused() -> None:
    _, dead, layers = a_study(np.random.default_rng(0))
    more = dead.copy()
    more[0, np.flatnonzero(~dead[0] & dead[1])[0]] = True
    with pytest.raises(ValueError, match=r"dead units at rate 0\.2"):
        dead_units.check_pruned(more, layers, RATES)
    excluded = dead.copy()
    excluded[:, 0] = True
    with pytest.raises(ValueError, match=r"conv1\.conv has 1 dead units"):
        dead_units.check_pruned(excluded, layers, RATES)


def test_sets_that_are_not_nested_are_refused() -> None:
    _, dead, layers = a_study(np.random.default_rng(0))
    wide = layers == "inception3a.branch1.conv"
    other = dead.copy()
    other[0, np.flatnonzero(wide & dead[0])[0]] = False
    other[0, np.flatnonzero(wide & ~dead[3])[0]] = True
    with pytest.raises(ValueError, match="alive at a higher one"):
        dead_units.check_pruned(other, layers, RATES)


# --- the published files -------------------------------------------------------------------------

PUBLISHED = {
    ("one_shot_sgd_50", "structured"): [0.673034, 0.684253, 0.705554, 0.749621],
    ("one_shot_adam_50", "structured"): [0.703319, 0.692476, 0.709577, 0.739509],
}


def test_published_means_leave_out_the_recovered_filters(published_folder: Path) -> None:
    """In plain NumPy: a pruned filter has the same score, bit for bit, in all four arms."""
    tables = {}
    for file in files.published_files():
        tables.setdefault((file.arm.retraining, file.arm.method), []).append(
            frames.read(file.within(published_folder), file.sha256)
        )
    structured = {arm: np.array([table["mis_soft"].to_numpy() for table in found])
                  for arm, found in tables.items() if arm[1] == "structured"}  # fmt: skip
    first, *others = structured.values()
    pruned = np.all([first == other for other in others], axis=0)
    assert pruned.sum(axis=1).tolist() == [1395, 2786, 4174, 5565]
    layers = tables["one_shot_sgd_50", "structured"][0]["layer"].to_numpy().astype(str)
    dead_units.check_pruned(pruned, layers, RATES)
    for arm, expected in PUBLISHED.items():
        means = [score[~dead].mean() for score, dead in zip(structured[arm], pruned, strict=True)]
        assert np.round(means, 6).tolist() == expected
    counted = structured["one_shot_sgd_50", "structured"].mean(axis=1)
    assert np.round(counted, 6).tolist() == [0.728087, 0.790431, 0.853885, 0.917764]

    every = np.concatenate([*structured.values(), *(
        np.array([table["mis_soft"].to_numpy() for table in found])
        for arm, found in tables.items() if arm[1] != "structured")])  # fmt: skip
    constant = dead_units.shown_constant(every)
    # SGD leaves no other unit constant, Adam does; where nothing was pruned by filters, none is.
    assert [int(row.sum()) for row in constant] == [
        2003, 3010, 4334, 5589, 2050, 3022, 4331, 5602,
        1395, 2786, 4174, 5565, 1395, 2786, 4174, 5565, *[0] * 8,
    ]  # fmt: skip
    # All equal scores are near 1, as those of constant units are here.
    assert every[constant].min() > 0.985
    by_arm = constant[:16].reshape(4, 4, -1)
    assert np.array_equal(dead_units.pruned_filters(by_arm), pruned)

    # What the comment beside `LOOKS_CONSTANT` and docs/published_scores.md say.
    below = constant & (every <= dead_units.LOOKS_CONSTANT)
    assert below.any(axis=0).sum() == 8
    looks = (every > dead_units.LOOKS_CONSTANT) & ~constant & (layers != frames.CLASSIFIER)
    counts = looks.sum(axis=1)
    assert (counts.min(), counts.max()) == (8, 42)
    shares = np.round(100 * counts / ((layers != frames.CLASSIFIER) & ~constant).sum(axis=1), 2)
    for rows, ends, percent in (
        (slice(16, 24), (12, 21), (0.16, 0.29)),  # random connections
        (slice(8, 16), (8, 15), (0.14, 0.64)),  # structured, SGD
        (slice(0, 8), (14, 42), (0.33, 1.73)),  # structured, Adam
    ):
        assert (counts[rows].min(), counts[rows].max()) == ends
        assert (shares[rows].min(), shares[rows].max()) == percent
    low_rates = [8, 9, 12, 13]
    assert shares[low_rates].max() <= shares[16:].max()
