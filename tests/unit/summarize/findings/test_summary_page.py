"""What is said of a study: every wording from planted tables, every number from them."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from prunescope.foundation import tables
from prunescope.interpret.trivial_units import TRIVIAL_UNITS
from prunescope.summarize import image_counts, study_tables
from prunescope.summarize.charts import all_charts
from prunescope.summarize.findings import (
    answer,
    captions,
    on_accuracy,
    on_robustness,
    on_scores,
    on_trivial_units,
    summary_page,
    verdicts,
)
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED

Network = tuple[str, str, float, int, float, float | None, int]
# Method, retraining, rate, seed, accuracy, score, epochs of retraining.
DENSE: list[Network] = [
    ("dense", "none", 0.0, 0, 0.90, 0.80, 5),
    ("dense", "one_shot", 0.0, 0, 0.88, 0.81, 2),
]
UNTRAINED: Network = ("untrained", "none", 0.0, 0, 0.10, 0.60, 0)
PRUNED: list[Network] = [
    ("filters", "none", 0.4, 0, 0.12, 0.70, 0),
    ("filters", "one_shot", 0.4, 0, 0.85, 0.79, 2),
    ("filters", "one_shot", 0.8, 0, 0.70, 0.78, 2),
    ("filters", "iterative", 0.8, 0, 0.75, 0.77, 4),
    ("chance", "one_shot", 0.8, 0, 0.60, 0.76, 2),
]
AGAINST = "against dense"


def networks(rows: list[Network]) -> pl.DataFrame:
    blank = dict.fromkeys(study_tables.NETWORKS.columns, 0) | {"study": "toy", "images": 1000}
    keys = ("method", "retraining", "rate", "seed", "top1", "mis_soft_live", "epochs")
    return frame(study_tables.NETWORKS, [blank | dict(zip(keys, row, strict=True)) for row in rows])


def frame(table: tables.Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {key: column.dtype for key, column in table.columns.items()}
    return pl.DataFrame(rows, schema=schema, strict=False)


def estimate(quantity: str, value: float, low: float | None = None, high: float | None = None,
             **about: Any) -> dict[str, Any]:  # fmt: skip
    blank = dict.fromkeys(study_tables.STATISTICS.columns)
    own = {"study": "toy", "quantity": quantity, "comparison": "", "estimate": value, "low": low,
           "high": high, "level": 0.95, "n": 9, "method": ""}  # fmt: skip
    return blank | own | about


def of(row: Network) -> dict[str, Any]:
    return dict(zip(("pruning", "retraining", "rate", "seed"), row[:4], strict=True))


def facts(rows: list[Network], statistics: list[dict[str, Any]] | None = None) -> Facts:
    found = frame(study_tables.STATISTICS, statistics or [])
    return Facts(
        networks(rows),
        found,
        images(),
        history(),
        trivial(),
        "pictures",
        "timm:net",
        0.02,
        50,
        ("chance",),
    )


def trivial(**units: tuple[str, float]) -> pl.DataFrame:
    """Trivial units by name, with their kind and their score; one more is constant."""
    blank = dict.fromkeys(TRIVIAL_UNITS.columns) | {"study": "toy", "constant": False}
    rows = [
        blank | {"unit": name.replace("_", " "), "kind": kind, "mis_soft": value}
        for name, (kind, value) in units.items()
    ]
    dead = blank | {"unit": "dead", "kind": "statistic", "mis_soft": 0.99, "constant": True}
    return frame(TRIVIAL_UNITS, [*rows, dead] if rows else [])


def images(damaged: int = 0) -> pl.DataFrame:
    """1,000 validation and 500 probe images of ten classes, of which some of class 3 are gone."""
    rows = [
        {"split": split, "label": label, "class": f"class {label}",
         "images": number - damaged * (label == 3 and split != "train"),
         "damaged": damaged * (label == 3) if split != "train" else None}
        for split, number in (("train", 6000), ("validation", 100), ("probe", 50))
        for label in range(10)
    ]  # fmt: skip
    return frame(image_counts.COUNTS, rows)


def history(replaced: int = 0) -> pl.DataFrame:
    """Two trainings of one epoch with 64 images; in one of them some stood in."""
    blank = dict.fromkeys(study_tables.HISTORIES.columns, 0)
    before = blank | {"train_images": None, "replaced_images": None}
    epochs = [blank | {"train_images": 64, "replaced_images": of} for of in (0, replaced)]
    return frame(study_tables.HISTORIES, [before, *epochs])


def accuracies(rows: list[Network]) -> list[dict[str, Any]]:
    return [estimate("top1", row[4], row[4] - 0.02, row[4] + 0.02, **of(row)) for row in rows]


def scores(rows: list[Network]) -> list[dict[str, Any]]:
    return [estimate("mis_soft_live", row[5] or 0, 0.79, 0.81, **of(row)) for row in rows]


RUNS = 3


def changed(
    row: Network, value: float, low: float, high: float, same: float, shown: float
) -> list[dict[str, Any]]:
    """The change of a kind over runs; p of its equivalence and of the change, after Holm."""
    kind = {**of(row), "seed": None, "n": RUNS}
    partner = "dense" if row[1] == "none" else "dense retrained alike"
    end = f"against {partner}, over runs"
    return [
        estimate("mis_soft_change", value, low, high, p_holm=shown,
                 family=f"mis_soft_change {end}", **kind),
        estimate("mis_soft_equivalence", value, low, high, p_holm=same,
                 family=f"mis_soft_equivalence {end}", **kind),
        estimate("top1_change", value / 2, low / 2, high / 2, p_holm=shown,
                 family=f"top1_change {end}", **kind),
    ]  # fmt: skip


def in_runs(rows: list[Network], runs: int = RUNS) -> list[Network]:
    return [(*row[:3], seed, *row[4:]) for row in rows for seed in range(runs)]


def test_the_page_begins_with_the_answer_whatever_the_study() -> None:
    for rows in ([*DENSE, UNTRAINED, *PRUNED], DENSE[:1], PRUNED[:1], in_runs([*DENSE, *PRUNED])):
        page = summary_page.to_markdown(facts(rows))
        assert page.startswith("# What the study toy found\n\n")
        assert page.splitlines()[2].count(". ") == 2, "three sentences"
        lines = [line for line in page.splitlines() if line.startswith("- **")]
        assert [line.split(":")[0].strip("-* ") for line in lines] == list(summary_page.LINES)
        assert "None" not in page
        assert "nan" not in page


def test_networks_that_stay_masked_are_named_with_what_stands_in_the_way() -> None:
    rows = [
        dict.fromkeys(study_tables.STUDY_SIZES.columns, 0)
        | dict(zip(("method", "retraining", "rate", "seed"), network[:4], strict=True))
        | {"study": "toy", "variant": variant, "kept_masked": operation}
        for network, operation in zip(PRUNED[1:4], ("add", "", "Conv2d with groups"), strict=True)
        for variant in ("dense", "masked")
    ]
    sizes = frame(study_tables.STUDY_SIZES, rows)
    assert summary_page.to_markdown(facts(PRUNED), sizes).endswith(
        "- **Compact networks:** 2 of 3 networks stay masked (filters, one-shot, 40%; filters, "
        "iterative, 80%): compact networks have no counterpart of `Conv2d with groups`, `add` yet. "
        "They were timed with their zeros in place, in PyTorch only.\n"
    )
    compact = sizes.with_columns(kept_masked=pl.lit(""))
    for nothing in (None, compact, study_tables.STUDY_SIZES.empty()):
        page = summary_page.to_markdown(facts(PRUNED), nothing)
        assert page == summary_page.to_markdown(facts(PRUNED))
        assert "Compact networks" not in page


def test_the_table_has_a_row_for_each_kind() -> None:
    rows = in_runs([*DENSE, *PRUNED])
    found = [*changed(PRUNED[1], *CHANGES["lower"]), *changed(PRUNED[0], *CHANGES["within"])]
    table = summary_page.verdict_table(facts(rows, found))
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    assert [row[:4] for row in cells[2:]] == [
        ["chance", "one-shot", "80 %", "3"],
        ["filters", "iterative", "80 %", "3"],
        ["filters", "not retrained", "40 %", "3"],
        ["filters", "one-shot", "40 %", "3"],
        ["filters", "one-shot", "80 %", "3"],
    ]
    assert cells[5][4:] == [
        "85.0 %",
        "-2.5 (-3.0 to -2.0)",
        "0.790",
        "-0.050 (-0.060 to -0.040)",
        "lower",
    ]
    assert cells[4][-1] == "within the margin"
    assert cells[2][-1] == "not tested"
    assert "95 % intervals over runs" in table
    assert "one run: 95 % intervals over images and units" in summary_page.verdict_table(
        facts(PRUNED)
    )
    assert summary_page.verdict_table(facts(DENSE)) == ""


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (
            {"width_of_the_foreground": ("statistic", 0.85), "contrast": ("statistic", 0.7)},
            "The width of the foreground, which needs no network, scores 0.850, above the mean of "
            "the dense network's units, 0.800: a high score does not show that a network has "
            "learned anything.",
        ),
        (
            {"random_projection_3": ("projection", 0.801), "contrast": ("statistic", 0.8)},
            "The random projection 3, which needs no network, scores 0.801, above the mean of "
            "the dense network's units, 0.800: a high score does not show that a network has "
            "learned anything.",
        ),
        ({"contrast": ("statistic", 0.8)}, ""),
        ({"contrast": ("statistic", 0.7), "ideal": ("class_detector", 0.9)}, ""),
    ],
)
def test_a_trivial_unit_above_the_dense_network_is_a_warning(
    units: dict[str, tuple[str, float]], said: str
) -> None:
    made = replace(facts(DENSE, scores(DENSE)), trivial=trivial(**units))
    assert on_trivial_units.warning(made) == said
    assert (f"\n- **Warning:** {said}\n" in summary_page.to_markdown(made)) == bool(said)
    assert ("Warning" in summary_page.to_markdown(made)) == bool(said)


def test_more_images_a_side_than_a_class_has_are_a_warning() -> None:
    """Of 50 probe images of each class, 3 are lost of one."""
    detectors = trivial(boot=("class_detector", 0.6), coat=("class_detector", 0.7))
    made = replace(facts(DENSE, scores(DENSE)), trivial=detectors)
    assert on_trivial_units.warning(made) == ""
    assert on_trivial_units.warning(replace(made, images=images(3))) == (
        "The score takes 50 strongest images of each unit, but a class has as few as 47 among the "
        "probe images, so that those of a unit which detects one class are partly of others: "
        "ideal detectors of classes score 0.650 on average."
    )
    both = replace(
        made, images=images(3), trivial=trivial(a=("statistic", 0.9), b=("class_detector", 0.6))
    )
    assert "; the score takes 50 strongest images" in on_trivial_units.warning(both)


def test_no_dense_score_no_comparison_with_trivial_units() -> None:
    made = replace(facts(PRUNED), trivial=trivial(contrast=("statistic", 0.9)))
    assert on_trivial_units.warning(made) == ""


def test_one_run_shows_its_intervals_over_images_and_units_without_a_verdict() -> None:
    control = "against dense retrained alike"
    found = [
        estimate(quantity, value, value - 0.01, value + 0.01, family=f"{quantity} {partner}",
                 **of(PRUNED[1]))
        for quantity, value, partner in (
            ("mis_soft_change_over_units", -0.05, control),
            ("top1_change_over_images", -0.03, control),
            ("mis_soft_change_over_units", -0.9, AGAINST),
        )
    ]  # fmt: skip
    table = summary_page.verdict_table(facts([*DENSE, *PRUNED], found))
    (row,) = (line for line in table.splitlines() if "one-shot | 40 %" in line)
    assert row == (
        "| filters | one-shot | 40 % | 1 | 85.0 % | -3.0 (-4.0 to -2.0) | "
        "0.790 | -0.050 (-0.060 to -0.040) | not tested |"
    )


@pytest.mark.parametrize("interval", [(None, None), (-0.6, 0.1)])
def test_score_and_accuracy_are_related_with_and_without_an_interval(
    interval: tuple[float | None, float | None],
) -> None:
    row = estimate("spearman(mis_soft_live, top1)", -0.3, *interval, n=3,
                   comparison=f"{study_tables.ALL_RETRAINED}, over runs")  # fmt: skip
    text = captions.caption("mis_vs_accuracy", facts([*DENSE, *PRUNED], [row]))
    said = (
        "over the networks of one run" if interval[0] is None else "mean of 3 runs; 95 % interval"
    )
    assert text.startswith(f"Score and accuracy correlate with -0.300 (Spearman, {said}")


def test_runs_from_one_dense_network_are_not_called_independent() -> None:
    runs = in_runs([*DENSE, *PRUNED])
    assert answer.what_was_done(facts(runs)).endswith(", in 3 runs from one dense network.")
    last = [row for row in runs if row[:2] == ("dense", "none")][-1]
    runs[runs.index(last)] = (*last[:4], 0.91, *last[5:])
    assert answer.what_was_done(facts(runs)).endswith(", in 3 independent runs.")
    # Without dense networks, nothing tells that runs share one.
    pruned = [row for row in runs if row[0] != "dense"]
    assert answer.what_was_done(facts(pruned)).endswith(", in 3 independent runs.")


def test_what_was_done() -> None:
    trained = [(*row[:4], row[4] - row[3] / 100, *row[5:]) for row in in_runs([*DENSE, *PRUNED])]
    assert answer.what_was_done(facts(trained)) == (
        "A network trained on pictures was pruned by 2 methods (filters and chance) at 40 % and "
        "80 %, in 3 independent runs."
    )
    assert answer.what_was_done(facts(PRUNED[:1])).endswith("at 40 %, in a single run.")
    elsewhere = replace(facts(PRUNED), pruned_elsewhere=("chance",))
    assert answer.what_was_done(elsewhere) == (
        "A network trained on pictures was pruned by 1 method (filters) at 40 % and 80 % and "
        "elsewhere (chance) at 80 %, in a single run."
    )
    alone = replace(facts(PRUNED[:1]), pruned_elsewhere=("filters",))
    assert answer.what_was_done(alone) == (
        "A network trained on pictures was pruned elsewhere (filters) at 40 %, in a single run."
    )
    assert answer.what_was_done(facts(DENSE[:1])) == (
        "1 network on pictures: none of them is pruned."
    )


def test_what_is_shown_of_accuracy() -> None:
    rows = in_runs([*DENSE, *PRUNED])
    found = [*changed(PRUNED[1], *CHANGES["lower"]), *changed(PRUNED[2], *CHANGES["undecided"])]
    assert answer.accuracy(facts(rows, found)) == (
        "After retraining, accuracy is shown to fall in 1 of 2 kinds of network, most by -2.5 "
        "points (filters, one-shot, at rate 40 %)."
    )
    none = changed(PRUNED[2], *CHANGES["undecided"])
    assert "no loss of accuracy is shown in 1 kind of network" in answer.accuracy(facts(rows, none))
    bare = changed(PRUNED[0], *CHANGES["lower"])
    assert answer.accuracy(facts(rows, bare)).startswith("Without retraining, accuracy is shown")
    assert answer.accuracy(facts([*DENSE, *PRUNED])) == (
        "Their accuracy lies between 60.0 % (chance, one-shot, at rate 80 %) and 85.0 % (filters, "
        "one-shot, at rate 40 %)."
    )


def test_the_dense_accuracy_and_that_of_its_control() -> None:
    both = on_accuracy.dense_accuracy(facts(DENSE, accuracies(DENSE)))
    assert both == (
        "The dense network has 90.0 % top-1 (95 % interval 88.0 % to 92.0 %); retrained without "
        "pruning (one-shot) it has 88.0 % (95 % interval 86.0 % to 90.0 %). Compare pruned "
        "networks with those that were retrained alike."
    )
    alone = on_accuracy.dense_accuracy(facts(DENSE[:1], accuracies(DENSE[:1])))
    assert alone.endswith("92.0 %).")
    assert on_accuracy.dense_accuracy(facts(PRUNED)) == "The study has no dense network."


@pytest.mark.parametrize(
    ("low", "p", "harms"),
    # Without p: all runs change by the same.
    [(-0.03, 0.01, True), (-0.03, 0.2, False), (-0.03, None, False)],
)
def test_retraining_that_harms_the_dense_network_is_told(
    low: float, p: float | None, harms: bool
) -> None:
    """Else its harm would pass for that of pruning: a control that lost 1.7 points went untold."""
    row = estimate("top1_change", -0.017, low, -0.004, pruning="dense", retraining="one_shot",
                   rate=0.0, p_holm=p)  # fmt: skip
    text = on_accuracy.dense_accuracy(facts(DENSE, [*accuracies(DENSE), row]))
    assert (
        "Retraining alone (one-shot) changes accuracy by -1.7 points (95 % interval -3.0 points to "
        "-0.4 points)."
    ) in text
    assert (
        "It harms, so not all that retrained networks lose is owed to pruning." in text
    ) == harms


def test_means_over_seeds_come_before_those_of_one() -> None:
    over = estimate("top1", 0.5, 0.4, 0.6, pruning="dense", retraining="none", rate=0.0)
    text = on_accuracy.dense_accuracy(facts(DENSE[:1], [*accuracies(DENSE[:1]), over]))
    assert text.startswith("The dense network has 50.0 % top-1 (95 % interval 40.0 % to 60.0 %)")


def test_networks_at_chance_have_a_score() -> None:
    rows = [*DENSE, UNTRAINED, *PRUNED]
    text = on_accuracy.guessing(facts(rows, [*accuracies(rows), *scores([UNTRAINED])]))
    assert text.startswith("1 of 5 pruned networks is not shown to be above chance (10.0 %)")
    assert "their mean soft MIS is 0.700 (untrained: 0.600)" in text
    above = on_accuracy.guessing(facts([*DENSE, *PRUNED[1:]], accuracies(PRUNED)))
    assert above == "All pruned networks are above chance (10.0 %)."
    assert on_accuracy.guessing(facts(DENSE)) == "No network was pruned."
    dead: Network = ("filters", "none", 0.4, 0, 0.1, None, 0)
    assert on_accuracy.guessing(facts([dead], accuracies([dead]))).endswith(
        "no live unit to score."
    )


CHANGES = {
    "within": (-0.005, -0.01, 0.001, 0.01, 0.9),
    "lower": (-0.05, -0.06, -0.04, 1.0, 0.001),
    "higher": (0.05, 0.04, 0.06, 1.0, 0.001),
    "undecided": (-0.018, -0.03, -0.01, 0.4, 0.2),
    # Small, but not zero: what is shown to be within the margin is said first.
    "both": (-0.005, -0.009, -0.001, 0.01, 0.02),
    # The interval lies outside zero, but not after Holm's correction.
    "uncorrected": (-0.03, -0.059, -0.001, 0.9, 0.2),
}


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["within", "both"], "shown to be the same within 0.02 in 2 of 2 kinds of network."),
        (
            ["within", "lower"],
            "shown to be the same within 0.02 in 1 of 2 kinds of network and shown to be lower "
            "in 1.",
        ),
        (["lower", "lower"], "shown to be lower in 2 of 2 kinds of network."),
        (["lower"], "shown to be lower in 1 of 1 kind of network."),
        (
            ["higher", "undecided"],
            "shown to be higher in 1 of 2 kinds of network and undecided in 1.",
        ),
        (["uncorrected", "undecided"], "undecided in 2 of 2 kinds of network."),
    ],
)
def test_what_is_shown_of_the_same_channels(kinds: list[str], said: str) -> None:
    chosen = PRUNED[: len(kinds)]
    rows = [
        row
        for network, kind in zip(chosen, kinds, strict=True)
        for row in changed(network, *CHANGES[kind])
    ]
    text = answer.interpretability(facts(in_runs([*DENSE, *PRUNED]), rows))
    assert text == f"The mean interpretability score of the same channels is {said}"


def test_each_kind_is_judged_beside_its_own_partner() -> None:
    """The rows against the other partner say something else, and are not used."""
    rows = in_runs([*DENSE, *PRUNED])
    wrong = [
        {**row, "family": row["family"].replace(" retrained alike", "")}
        for row in changed(PRUNED[1], *CHANGES["lower"])
    ]
    right = changed(PRUNED[1], *CHANGES["within"])
    found = verdicts.verdicts(facts(rows, [*wrong, *right]))
    assert found["verdict"].to_list() == ["within the margin"]
    assert verdicts.verdicts(facts(rows, wrong)).is_empty()


def test_runs_of_the_same_networks_get_no_verdict() -> None:
    rows = in_runs([*DENSE, *PRUNED])
    copies = changed(PRUNED[1], -0.05, -0.06, -0.04, 1.0, 0.001)[:1]
    copies[0] |= {"low": None, "high": None, "p_holm": None}
    alone = facts(rows, copies)
    assert "the runs measured the same networks" in answer.interpretability(alone)
    beside = facts(rows, [*copies, *changed(PRUNED[2], *CHANGES["lower"])])
    assert answer.interpretability(beside).endswith(
        "channels is shown to be lower in 1 of 1 kind of network; 1 kind more, the same networks "
        "in every run, is not tested."
    )
    line = next(line for line in summary_page.verdict_table(alone).splitlines() if "-0.050" in line)
    assert line.endswith("| -0.050 | not tested |")


def test_one_run_gets_no_verdict() -> None:
    assert "stays open: one run cannot tell" in answer.interpretability(facts([*DENSE, *PRUNED]))
    assert "With one run, no verdict is given" in summary_page.limits(facts(DENSE))
    several = facts(in_runs([*DENSE, *PRUNED]))
    assert "no network has a dense partner" in answer.interpretability(several)
    assert summary_page.limits(several).startswith("3 runs tell little of how much runs differ")
    assert "they get no verdict: iterative." in summary_page.limits(several)


def related(value: float, low: float, high: float, p: float, p_holm: float) -> list[dict[str, Any]]:
    group = {"comparison": f"{study_tables.ALL_RETRAINED}, over runs", "n": RUNS}
    return [
        estimate("spearman(mis_soft_live, rate)", -0.3, -0.6, 0.1, **group),
        estimate("slope_equivalence(mis_soft_live, rate)", value, low, high, p=p, p_holm=p_holm,
                 **group),
        estimate("slope_equivalence(mis_soft_matched, rate)", -0.004, -0.012, 0.004, p=0.001,
                 p_holm=0.02, **group),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((0.0, -0.01, 0.01, 0.001, 0.01), "within the margin of 0.02: equivalence is shown."),
        (
            (-0.002, -0.014, 0.01, 0.03, 0.12),
            "after Holm's correction (p = 0.12) equivalence is not shown.",
        ),
        (
            (-0.04, -0.06, -0.03, 0.9, 1.0),
            "outside the margin of 0.02: a change that matters is shown.",
        ),
        ((-0.015, -0.04, 0.01, 0.3, 0.6), "neither equivalence within the margin of 0.02 nor a"),
    ],
)
def test_what_is_shown_of_score_and_rate(found: tuple[float, ...], said: str) -> None:
    text = on_scores.rates(facts(PRUNED, related(*found)))
    first, _, rest = text.partition(" Over channels that are live in all networks of a run it ")
    assert said in first
    assert rest.startswith("changes by -0.004 (90 % interval -0.012 to +0.004): it lies within")
    assert text.endswith(
        "Score and rate correlate with -0.300 (Spearman, mean of 3 runs; 95 % interval -0.600 to "
        "+0.100)."
    )


def test_one_run_relates_without_an_interval() -> None:
    row = estimate("spearman(mis_soft_live, rate)", -0.3, n=1,
                   comparison=f"{study_tables.ALL_PRUNED}, over runs")  # fmt: skip
    assert on_scores.rates(facts(PRUNED, [row])) == (
        "Score and rate correlate with -0.300 (Spearman, over the networks of one run)."
    )
    assert on_scores.rates(facts(PRUNED)).startswith("Too few pruned networks")


def test_a_network_of_two_names_counts_once() -> None:
    again: Network = ("filters", "iterative", 0.4, *PRUNED[1][3:])
    of_rows = facts([*DENSE, *PRUNED, again])
    assert of_rows.pruned.height == len(PRUNED)
    assert of_rows.retrained["retraining"].to_list().count("iterative") == 1
    assert "at 1 of 1 pairs" in captions.caption("iterative_vs_one_shot", of_rows)
    assert "where both are the same" in captions.caption("iterative_vs_one_shot", of_rows)


def test_the_controls() -> None:
    again: Network = ("filters", "recalibrated", 0.4, 0, 0.52, 0.73, 0)
    rows = [*DENSE, UNTRAINED, *PRUNED, again]
    found = [
        estimate("mis_soft_change", 0.0004, -0.003, 0.004,
                 family=f"mis_soft_change {AGAINST}, over runs", **{**of(DENSE[1]), "seed": None}),
        *changed(PRUNED[1], *CHANGES["lower"]),
        *changed(PRUNED[4], *CHANGES["within"]),
        *scores([UNTRAINED]),
        estimate("mis_soft_live", 0.501, variant="permuted", **of(DENSE[0])),
    ]  # fmt: skip
    assert on_scores.controls(facts(rows, found)) == (
        "Retraining alone (one-shot) changes the score of the same units by +0.000 (95 % interval "
        "-0.003 to +0.004); pruning at random changes it by -0.005 to -0.005, pruning by a "
        "criterion by -0.050 to -0.050; recalibrating batch norm alone changes accuracy by +40.0 "
        "points and the mean score by +0.030 on average; an untrained network scores 0.600; images "
        "dealt at random score 0.501 (the floor)."
    )
    assert on_scores.controls(facts(PRUNED)) == "The study has no controls."


def shift(variant: str, row: Network, low: float, high: float) -> dict[str, Any]:
    return estimate("mis_soft_shift", (low + high) / 2, low, high, variant=variant, **of(row))


def test_how_the_change_depends_on_the_way_to_score() -> None:
    rows = [
        shift("unchanged", PRUNED[2], -0.01, 0.01),
        shift("tasks", PRUNED[2], -0.015, 0.0),
        shift("tau", PRUNED[2], -0.03, 0.0),
        # The floor, and a network that was not retrained, do not count.
        shift("permuted", PRUNED[2], -0.9, -0.8),
        shift("tasks", PRUNED[0], -0.9, -0.8),
        estimate("spearman(mis_soft_live, unchanged)", 0.91, variant="tasks"),
        estimate("spearman(mis_soft_live, unchanged)", 0.84, variant="tau"),
    ]
    text = on_robustness.variants(facts(PRUNED, rows))
    assert text == (
        "Over 1 retrained pruned network, the mean change against dense networks retrained as "
        "often is +0.000 under the study's own score. Under 2 other ways to score it lies "
        "between -0.015 (`tau`) and -0.007 (`tasks`). The order of all 9 networks that were scored "
        "so, controls among them, correlates with that of the study's own score by at least +0.840 "
        "(`tau`)."
    )
    outside = on_robustness.variants(facts(PRUNED, [*rows, shift("far", PRUNED[2], -0.05, -0.04)]))
    assert "So whether the change lies within 0.02 depends on the way." in outside
    assert "was scored in several ways" in on_robustness.variants(facts(PRUNED))


def correlated(
    first: str, second: str, value: float, p: float, dense: Network = DENSE[0]
) -> dict[str, Any]:
    family = "ablation" if second in on_robustness.LOSS_NAMES else "measures"
    return estimate(f"spearman({first}, {second})", value, value - 0.2, value + 0.2, family=family,
                    p_holm=p, n=60, **of(dense))  # fmt: skip


def test_what_other_measures_say() -> None:
    rows = [
        correlated("mis_soft", "label_purity", 0.3, 0.0),
        correlated("mis_soft", "monosemanticity", 0.4, 0.0),
        correlated("mis_soft", "top1_drop", 0.0, 1.0),
        correlated("mis_soft", "loss_rise", 0.1, 0.7),
        correlated("label_purity", "loss_rise", 0.5, 0.01),
        correlated("monosemanticity", "top1_drop", -0.4, 0.04),
    ]
    assert on_robustness.measures(facts(DENSE, rows)) == (
        "Over the units of the dense network the soft MIS correlates with other measures by +0.300 "
        "to +0.400 (Spearman); when one of 60 units is silenced, its soft MIS correlates with the "
        "accuracy lost by +0.000 (95 % interval -0.200 to +0.200) and the rise of the loss by "
        "+0.100 (95 % interval -0.100 to +0.300); of 4 correlations of a measure with a loss, 2 "
        "are shown after Holm's correction, over units of all depths: label purity with the rise "
        "of the loss (+0.500) and monosemanticity with the accuracy lost (-0.400)."
    )
    none = on_robustness.measures(facts(DENSE, rows[:4]))
    assert none.endswith("; no measure is shown to tell which units matter.")
    assert on_robustness.measures(facts(DENSE)) == "Too few units have several measures."


def test_what_other_measures_say_of_several_seeds() -> None:
    second = (*DENSE[0][:3], 1, *DENSE[0][4:])
    rows = [
        correlated("mis_soft", "loss_rise", 0.1, 0.7),
        correlated("mis_soft", "loss_rise", 0.3, 0.01, second),
    ]
    text = on_robustness.measures(facts([*DENSE, second], rows))
    assert "correlates with the rise of the loss by +0.100 to +0.300 in 2 seeds" in text
    assert text.endswith(": soft MIS with the rise of the loss (in 1 of 2 seeds).")


def test_damaged_images_are_told() -> None:
    sound = facts(DENSE)
    assert (sound.classes, sound.probe_images, sound.replaced) == (10, 500, 0)
    assert "damaged" not in summary_page.images(sound)
    few = replace(sound, images=images(damaged=4))
    assert few.probe_images == 496
    assert summary_page.images(few).endswith(
        "made from 496 probe images and the metric timm:net. Of the validation split, 4 of the "
        "1,000 images that were drawn are left out because their files are damaged (class 3 4). Of "
        "the probe split, 4 of the 500 images that were drawn are left out because their files are "
        "damaged (class 3 4)."
    )
    assert summary_page.images(replace(sound, history=history(replaced=16))).endswith(
        "timm:net. In training, up to 25.0 % of the images of an epoch stood in for others of "
        "their class, whose files are damaged."
    )


def test_a_class_without_validation_images_is_still_a_class() -> None:
    """Guessing is one over the classes of the network, not over those that are left."""
    gone = replace(facts(DENSE), images=images(damaged=100))
    assert gone.classes == 10
    assert "1 of 10 classes have none left" in summary_page.images(gone)


# --- captions --------------------------------------------------------------------------------


def test_every_chart_has_a_caption_and_a_group() -> None:
    assert set(captions.CAPTIONS) == set(all_charts.CHARTS)
    grouped = [name for names in all_charts.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(all_charts.CHARTS)


@pytest.mark.parametrize("name", captions.CAPTIONS)
@pytest.mark.parametrize("rows", [[*DENSE, UNTRAINED, *PRUNED], DENSE[:1], PRUNED[:1]])
def test_captions_of_small_studies(name: str, rows: list[Network]) -> None:
    text = captions.caption(name, facts(rows, [*accuracies(rows), *scores(rows)]))
    assert text.endswith(".")
    assert "None" not in text


def test_captions_state_numbers() -> None:
    rows = [*DENSE, UNTRAINED, *PRUNED]
    depth = [
        estimate("spearman(mis_soft_change, depth)", value, p_holm=p, **of(row))
        for row, value, p in (
            (PRUNED[0], -0.8, 0.01),
            (PRUNED[1], 0.9, 0.01),
            (PRUNED[2], -0.9, 0.01),
            (PRUNED[3], 1, 0.9),
            (DENSE[1], 0.9, 0.01),
        )
    ]
    of_rows = facts(rows, [*accuracies(rows), *depth, *changed(PRUNED[3], *CHANGES["lower"])])
    said = {name: captions.caption(name, of_rows) for name in captions.CAPTIONS}
    assert said["accuracy_without_retraining"] == (
        "The dense network has 90.0 %. Right after pruning at its highest rate: filters 12.0 %."
    )
    assert said["accuracy_during_retraining"] == (
        "After 2 epochs, on all validation images: filters 70.0 % and chance 60.0 %; dense, "
        "retrained alike: 88.0 %."
    )
    assert said["iterative_vs_one_shot"] == (
        "Iterative retraining, which trains once more at every rate, is more accurate at 1 of 1 "
        "pairs of method and rate, and less at 0; it gains most with filters, iterative, at rate "
        "80 %: 75.0 % instead of 70.0 %."
    )
    assert said["mis_by_depth"] == (
        "Over layers, after Holm's correction, the change of the score is shown to rise with depth "
        "in 1 and to fall in 1 of 3 retrained pruned networks; in 0 and to fall in 1 of 1 pruned "
        "network without retraining."
    )
    assert said["unit_change"] == (
        "The largest mean change of a kind of network is -0.050 (filters, iterative, at rate 80 %; "
        "95 % interval -0.060 to -0.040). The mean interpretability score of the same channels is "
        "shown to be lower in 1 of 1 kind of network."
    )


def test_the_most_and_the_least_accurate_criterion_are_named() -> None:
    rows = [*DENSE, *PRUNED]
    told = replace(facts(rows), granularities={"filters": "filter", "chance": "filter"})
    assert captions.caption("criteria_by_sparsity", told) == (
        "Of filters at rate 80 % (one-shot), filters is the most accurate with 70.0 % and a score "
        "of 0.780, chance is the least accurate with 60.0 % and a score of 0.760."
    )
    even = replace(told, networks=told.networks.with_columns(top1=pl.lit(0.1)))
    assert captions.caption("criteria_by_sparsity", even) == (
        "Of filters at rate 80 % (one-shot), all 2 methods have an accuracy of 10.0 %."
    )
    apart = replace(told, granularities={"filters": "filter", "chance": "weight"})
    assert captions.caption("criteria_by_sparsity", apart).startswith("No two methods")


def test_what_is_not_matched_at_equal_accuracy_is_named() -> None:
    where = {"study": "toy", "retraining": "one_shot"}
    matched = [
        {**where, "method": "filters", "drop": 0.01, "sparsity": 0.3, "mis_soft_change": -0.0123},
        {**where, "method": "chance", "drop": 0.01, "sparsity": 0.2, "mis_soft_change": 0.1},
    ]
    missing = [
        {**where, "method": method, "drop": drop, "seed": 0, "reason": reason}
        for method, drop, reason in (
            ("filters", 0.0, "never so good"),
            ("chance", 0.0, "never so good"),
            ("other", 0.0, "not known"),
            ("chance", 0.05, "never so bad"),
            ("other", 0.05, "never so bad"),
        )
    ]
    told = replace(
        facts([*DENSE, *PRUNED]),
        equal_accuracy=frame(EQUAL_ACCURACY, [{**row, "seed": 0} for row in matched]),
        unmatched=frame(UNMATCHED, missing),
    )
    assert captions.caption("equal_accuracy", told) == (
        "As accurate as the dense network, no method is matched in every run. Not matched in every "
        "run: filters (one-shot) and chance (one-shot), never so good; other (one-shot), not "
        "known. At 1 point below the dense network, the sparsest of 2 methods is filters "
        "(one-shot), with 30.0 %, where its score has changed by -0.012. At 5 points below the "
        "dense network, no method is matched in every run. The reason for each: never so bad."
    )
    # Of several runs, only what was estimated over all of them counts.
    second = [(*row[:3], 1, *row[4:]) for row in DENSE]
    both = replace(told, networks=networks([*DENSE, *second]))
    assert "no method is matched" in captions.caption("equal_accuracy", both)
    assert captions.caption("equal_accuracy", facts(DENSE)) == "No method was pruned."


def test_facts_come_from_the_config() -> None:
    settings = {"dataset": "d", "metric": "m", "images_per_side": 7, "random_methods": ["r"]}
    found = frame(study_tables.STATISTICS, [estimate("margin", 0.1), estimate("top1", 0.9)])
    made = Facts.of_study(None, found, None, None, None, settings)
    assert (made.margin, made.random_methods) == (0.1, ("r",))


def test_the_margin_is_told_in_its_units() -> None:
    alone = summary_page.margin_in_units(facts(DENSE))
    assert alone == "A change of the score within 0.02 counts as too small to matter."
    units = [
        estimate("mis_soft_given_by_training", 0.08),
        estimate("mis_soft_spread_of_runs", 0.005),
    ]
    assert summary_page.margin_in_units(facts(DENSE, units)) == (
        f"{alone} Training raises the score by +0.080: the margin is 25 % of that. Runs of one "
        "kind of network differ by a standard deviation of 0.005: the margin is 4.0 of them."
    )
    lost = [estimate("mis_soft_given_by_training", -0.01)]
    assert summary_page.margin_in_units(facts(DENSE, lost)).endswith(
        "by -0.010, so the margin cannot be compared with it."
    )
