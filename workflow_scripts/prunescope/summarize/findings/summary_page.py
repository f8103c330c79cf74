"""What a study found, in plain language: ten lines, with all numbers from its tables.

The wording follows from the numbers. That something is shown is only said where a test shows it;
an interval that neither lies within the margin nor outside of it is called undecided.
"""

import polars as pl

from prunescope.summarize import gathering
from prunescope.summarize.findings.facts import Facts, pruned
from prunescope.summarize.findings.on_accuracy import dense_accuracy, guessing, pruned_accuracy
from prunescope.summarize.findings.on_robustness import measures, variants
from prunescope.summarize.findings.on_scores import controls, rates, same_units
from prunescope.summarize.findings.wording import count, human, listed

TITLES = (
    "Study",
    "Dense accuracy",
    "Pruned accuracy",
    "Guessing networks",
    "Interpretability of the same units",
    "Interpretability and rate",
    "Controls",
    "Sensitivity",
    "Other measures",
    "What cannot be concluded",
)


def summarize(facts: Facts) -> list[str]:
    """The ten lines, in the order of `TITLES`."""
    return [
        what_was_run(facts),
        dense_accuracy(facts),
        pruned_accuracy(facts),
        guessing(facts),
        same_units(facts),
        rates(facts),
        controls(facts),
        variants(facts),
        measures(facts),
        limits(facts),
    ]


def to_markdown(facts: Facts) -> str:
    """The summary as a page; without its heading also valid reStructuredText."""
    name = facts.networks["study"][0]
    lines = zip(TITLES, summarize(facts), strict=True)
    return f"# What the study {name} found\n\n" + "".join(
        f"- **{title}:** {line}\n" for title, line in lines
    )


# --- the lines -----------------------------------------------------------------------------------


def what_was_run(facts: Facts) -> str:
    """Networks, seeds, dataset and images."""
    rows, less = facts.networks, facts.networks.filter(pl.col("rate") > 0)
    seeds = rows["seed"].n_unique()
    start = f"{count(len(rows), 'network')} on {facts.dataset} with {count(seeds, 'seed')}"
    if less.is_empty():
        start += ", none of them pruned"
    else:
        rates = [f"{rate:.0%}".replace("%", " %") for rate in sorted(set(less["rate"].to_list()))]
        words = [human(kind) for kind in gathering.present(less["retraining"])]
        start += (
            f": {len(less):,} pruned by {count(less['method'].n_unique(), 'method')} at the "
            f"{'rate' if len(rates) == 1 else 'rates'} {listed(rates)} ({listed(words)}), "
            f"{len(rows) - len(less):,} not pruned"
        )
        twice = len(less) - len(pruned(facts))
        if twice:
            start += (
                f" ({twice:,} with iterative retraining are the same as with one-shot retraining, "
                "as the former begins: they are counted once below)"
            )
    return (
        f"{start}. Accuracy is measured on {max(rows['images'].to_list()):,} validation images, "
        f"interpretability by the Machine Interpretability Score (MIS) over "
        f"{facts.probe_images:,} probe images and the metric {facts.metric}."
    )


def limits(facts: Facts) -> str:
    """What the study is too small, or too narrow, to tell."""
    seeds = facts.networks["seed"].n_unique()
    if seeds == 1:
        varies = (
            "With one seed, nothing is known of how results vary between trainings; intervals are "
            "over units or images of the networks at hand"
        )
    else:
        varies = f"{seeds} seeds tell little of how results vary between trainings"
    return (
        f"{varies}. Networks of one seed share their dense network, so tests over networks are too "
        f"optimistic. Scores hold for {facts.dataset}, {facts.probe_images:,} probe images and "
        f"the metric {facts.metric}; whether people would find these units easier to understand "
        "was not asked."
    )
