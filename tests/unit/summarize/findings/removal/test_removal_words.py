"""What is said of the units that go, and of survivorship: every wording from planted numbers."""

import pytest
from removal_study import (
    CHAIN,
    HIGH,
    LARGE_P,
    LOW,
    RANDOM,
    RETRAINED,
    SMALL_P,
    Kind,
    choice,
    facts,
    parts,
)

from prunescope.summarize.findings import captions, summary_page
from prunescope.summarize.findings.removal import removal_rows, removal_words

OTHER: Kind = ("other_filters", "none", 0.4)
SCORES = {
    "leave": (
        [
            (LOW, -0.3, SMALL_P),
            (HIGH, -0.2, SMALL_P),
            (OTHER, -0.1, SMALL_P),
            (CHAIN, -0.1, LARGE_P),
        ],
        "In 3 of 4 choices of channels criteria are shown to leave those that score high (filters "
        "and other filters); 1 is undecided.",
    ),
    "take": (
        [(LOW, 0.3, SMALL_P)],
        "In 1 of 1 choice of channels criteria are shown to take those that score high (filters).",
    ),
    "both": (
        [(LOW, -0.3, SMALL_P), (OTHER, 0.2, SMALL_P)],
        "In 1 of 2 choices of channels criteria are shown to leave those that score high "
        "(filters); in 1 of 2 choices of channels criteria are shown to take those that score high "
        "(other filters).",
    ),
    "undecided": (
        [(LOW, -0.3, LARGE_P), (HIGH, 0.2, 1.0)],
        "Whether criteria take the channels that score high or leave them is undecided in all 2 "
        "choices of channels.",
    ),
}


@pytest.mark.parametrize("name", SCORES)
def test_the_answer_is_no_surer_than_the_tests(name: str) -> None:
    planted, expected = SCORES[name]
    rows = [row for kind, value, p in planted for row in choice(kind, "mis_soft", value, p)]
    said = removal_words.which_units_go(facts([kind for kind, _, _ in planted], rows))
    assert said.startswith(f"{expected} Removed minus kept")


def test_sizes_are_told_by_every_measure_and_random_choices_apart() -> None:
    rows = [
        *choice(LOW, "mis_soft", -0.3, SMALL_P),
        *choice(HIGH, "mis_soft", -0.1, LARGE_P),
        *choice(LOW, "activation_scale", -0.8, SMALL_P),
        *choice(HIGH, "activation_scale", -0.9, SMALL_P),
        *choice(LOW, "depth", 0.4, SMALL_P),
        *choice(RANDOM, "mis_soft", 0.02, SMALL_P),
        *choice(RANDOM, "activation_scale", 5.0, LARGE_P),
    ]
    said = removal_words.which_units_go(facts([LOW, HIGH, RANDOM], rows))
    assert said.endswith(
        "Removed minus kept channels of the same layers of the dense network, in standard "
        "deviations: score -0.300 to -0.100; activation scale -0.900 to -0.800 (shown to be lower "
        "in 2 of 2). Where layers compete, over the whole network: depth +0.400 (shown to be "
        "deeper in 1 of 1). Pruning at random differs in the score by +0.020."
    )


def test_one_run_gives_no_verdict() -> None:
    rows = [
        *choice(LOW, "mis_soft", -0.3, 0.004, runs=1),
        *choice(HIGH, "mis_soft", -0.2, LARGE_P, runs=1),
    ]
    said = removal_words.which_units_go(facts([LOW, HIGH], rows, runs=1))
    assert said.startswith(
        "What criteria take in other runs, one run cannot tell. In this one, removed channels "
        "score lower than random choices would in 1 and higher in 0 of 2 choices of channels "
        "(permutation tests, smallest p after Holm's correction 0.004)."
    )
    assert "are shown to" not in said


@pytest.mark.parametrize("rows", [[], choice(RANDOM, "mis_soft", 0.1, SMALL_P)])
def test_where_no_criterion_removes_channels_nothing_is_said(rows: list[dict]) -> None:
    of = facts([RANDOM], rows)
    assert removal_words.which_units_go(of) == ""
    assert captions.caption("removed_units", of) == "No criterion removed whole channels."
    assert "Which units go" not in summary_page.to_markdown(of)


def test_a_choice_names_its_retraining_only_where_it_depends_on_it() -> None:
    kinds: list[Kind] = [LOW, HIGH, CHAIN, RANDOM]
    rows = [row for kind in kinds for row in choice(kind, "mis_soft", -0.3, SMALL_P)]
    found = removal_rows.choices(facts(kinds, rows).statistics)
    assert found["choice"].to_list() == [
        "filters, 40%", "filters, 80%", "filters, iterative, 80%", "chance, 80%"
    ]  # fmt: skip
    assert set(found["estimate"]) == {-0.3}, "over runs, not of single runs"


def test_parts_are_against_the_partner_of_the_verdict() -> None:
    rows = [*parts(HIGH, -0.02, -0.01), *parts(RETRAINED, -0.03, 0.004, 0.001)]
    of = facts([HIGH, RETRAINED], rows)
    found = removal_rows.parts(of.networks, of.statistics)
    columns = ("method", "retraining", "rate", "same", "lost", "new")
    assert found.select(columns).rows() == [
        (*HIGH, -0.02, -0.01, 0.0), (*RETRAINED, -0.03, 0.004, 0.001)
    ]  # fmt: skip
    assert found["change"].to_list() == pytest.approx([-0.03, -0.025])


def test_survivorship_is_told_with_the_largest_change() -> None:
    rows = [
        *parts(LOW, -0.001, 0.002, p=SMALL_P),
        *parts(HIGH, -0.02, -0.01, p=LARGE_P),
        *parts(RETRAINED, -0.09, 0.0),
    ]
    of = facts([LOW, HIGH, RETRAINED], rows)
    assert removal_words.survivorship(of) == (
        "That other channels are live moves the mean score over live channels by -0.010 to +0.002 "
        "(shown not to be chance in 1 of 2 kinds of network); what becomes of the same channels "
        "moves it by -0.020 to -0.001. Of the largest change, -0.030 (filters, not retrained, at "
        "rate 80 %), -0.010 is owed to lost channels and -0.020 to those that stay live."
    )
    page = summary_page.to_markdown(of)
    assert "- **Survivorship:** That other channels" in page


def test_survivorship_of_one_run_is_not_tested() -> None:
    said = removal_words.survivorship(facts([LOW], parts(LOW, -0.02, 0.01, 0.003, runs=1), runs=1))
    assert said == (
        "That other channels are live moves the mean score over live channels by +0.010 (which one "
        "run cannot test); what becomes of the same channels moves it by -0.020, and what came "
        "alive by +0.003. Of the largest change, -0.007 (filters, not retrained, at rate 40 %), "
        "+0.010 is owed to lost channels and -0.020 to those that stay live."
    )


def test_where_no_channel_is_lost_nothing_is_said_of_survivorship() -> None:
    of = facts([LOW], parts(LOW, -0.02, 0.0))
    assert removal_words.survivorship(of) == ""
    assert captions.caption("survivorship", of).startswith("No channels were lost")
