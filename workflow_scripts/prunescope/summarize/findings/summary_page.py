"""Write the summary of a study: ten lines in plain language, with all numbers from its tables.

One more line warns where trivial units tell against the score. The wording follows from the
numbers. Something is only called shown where a test shows it. An interval that lies neither within
nor outside the margin is called undecided.
"""

from prunescope.summarize import image_counts, selection
from prunescope.summarize.findings import on_trivial_units
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.findings.on_accuracy import dense_accuracy, guessing, pruned_accuracy
from prunescope.summarize.findings.on_robustness import measures, variants
from prunescope.summarize.findings.on_scores import controls, rates, same_units
from prunescope.summarize.findings.wording import count, listed, percent
from prunescope.summarize.words import describe_retraining

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
    lines = [*zip(TITLES, summarize(facts), strict=True)]
    if warning := on_trivial_units.warning(facts):
        lines.append(("Warning", warning))
    return f"# What the study {name} found\n\n" + "".join(
        f"- **{title}:** {line}\n" for title, line in lines
    )


# --- the first and the last line ------------------------------------------------------------------


def what_was_run(facts: Facts) -> str:
    """The first line: networks, seeds, dataset and images."""
    rows, pruned = facts.networks, selection.pruned(facts.networks)
    seeds = rows["seed"].n_unique()
    start = f"{count(len(rows), 'network')} on {facts.dataset} with {count(seeds, 'seed')}"
    if pruned.is_empty():
        start += ", none of them pruned"
    else:
        rates = [percent(rate, 0) for rate in sorted(set(pruned["rate"].to_list()))]
        words = [describe_retraining(kind) for kind in selection.present(pruned["retraining"])]
        start += (
            f": {len(pruned):,} pruned by {count(pruned['method'].n_unique(), 'method')} at the "
            f"{'rate' if len(rates) == 1 else 'rates'} {listed(rates)} ({listed(words)}), "
            f"{len(rows) - len(pruned):,} not pruned"
        )
        twice = len(pruned) - len(facts.pruned)
        if twice:
            start += (
                f" ({twice:,} with iterative retraining are the same as with one-shot retraining, "
                "as the former begins: they are counted once below)"
            )
    return (
        f"{start}. Accuracy is measured on {max(rows['images'].to_list()):,} validation images, "
        f"interpretability by the Machine Interpretability Score (MIS) over "
        f"{facts.probe_images:,} probe images and the metric {facts.metric}.{_damaged(facts)}"
    )


def _damaged(facts: Facts) -> str:
    """Sentences on image files that could not be read; nothing if all could."""
    told = [
        f" Of the {split} split, {lost}."
        for split in ("validation", "probe")
        if (lost := image_counts.left_out(facts.images.filter(split=split)))
    ]
    if facts.replaced:
        told.append(
            f" In training, up to {percent(facts.replaced)} of the images of an epoch stood in for "
            "others of their class, whose files are damaged."
        )
    return "".join(told)


def limits(facts: Facts) -> str:
    """The last line: what the study is too small, or too narrow, to tell."""
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
