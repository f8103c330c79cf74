"""Each number that is told of published scores, computed again from the scores by NumPy alone.

The sentences are split into patterns: each number must stand in its own place, and none elsewhere.
"""

import csv
import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from small_study import PUBLISHED, published_units, scores_of, small_scores

from prunescope.summarize.published_scores import analysis, analysis_words
from prunescope.summarize.published_scores.readings import Scores

MARGIN = 0.02
NUMBER = r"([+-]?\d[\d,]*(?:\.\d+)?(?:e-\d+)?)"
Places = list[tuple[str, list[str]]]


def signed(value: float) -> str:
    return f"{value:+.3f}"


def ends(values: list[float] | np.ndarray, written: str = "+.3f") -> list[str]:
    return [format(min(values), written), format(max(values), written)]


class Again:
    """The scores, and what is told of them, from arrays alone."""

    def __init__(self, scores: Scores) -> None:
        self.soft, self.constant = scores.soft, scores.constant
        self.layers, self.channels = scores.layers, scores.types == "conv2d"
        self.rates = scores.networks["rate"].to_numpy()
        self.top1 = scores.networks["top1"].cast(pl.Float64).to_numpy()
        self.names = [tuple(row) for row in scores.networks["method", "retraining"].rows()]
        self.arms = {
            name: np.array([i for i, other in enumerate(self.names) if other == name])
            for name in dict.fromkeys(self.names)
        }
        structured = [rows for (method, _), rows in self.arms.items() if method == "structured"]
        self.pruned = np.zeros_like(self.constant)
        for place in range(4):
            rows = [arm[place] for arm in structured]
            self.pruned[rows] = self.constant[rows].all(axis=0)
        self.dead = {
            "counted": np.zeros_like(self.constant),
            "pruned": self.pruned,
            "constant": self.constant,
            "suspected": self.constant | ((self.soft > 0.99) & self.channels),
        }
        self.kinds = {
            "both": np.ones_like(self.channels), "conv2d": self.channels, "linear": ~self.channels,
        }  # fmt: skip

    def means(self, reading: str, matched: bool, kind: str) -> np.ndarray:
        dead = self.dead[reading]
        if matched:
            dead = np.tile(dead.any(axis=0), (len(dead), 1))
        kept = ~dead & self.kinds[kind]
        return np.array([np.mean(row[use]) for row, use in zip(self.soft, kept, strict=True)])

    def ways(self, kind: str) -> Iterator[np.ndarray]:
        """The means under all readings, over live units and over those that live in all."""
        for reading in self.dead:
            for matched in (False, True):
                yield self.means(reading, matched, kind)

    def within(self, means: np.ndarray, method: str | None = None) -> tuple[float, float]:
        """Mean of Spearman's rho over arms, and its p over all dealings of the rates."""
        orders = np.array(list(permutations(range(4))))
        blocks: dict[tuple, list[np.ndarray]] = {}
        for (name, retraining), rows in self.arms.items():
            if method in (None, name):
                ranks = stats.rankdata(means[rows])
                rho = [np.corrcoef(ranks, order)[0, 1] for order in orders]
                blocks.setdefault((name, retraining.rsplit("_", 1)[0]), []).append(np.array(rho))
        total = np.zeros(())
        for rhos in blocks.values():
            total = total[..., None] + np.sum(rhos, axis=0)
        number = sum(map(len, blocks.values()))
        observed = total.flat[0]
        return observed / number, np.mean(np.abs(total) > abs(observed) - 1e-9)

    def changes(self, reading: str, kind: str) -> dict[tuple, tuple[float, float, float]]:
        """Mean change of each arm, its standard error and its degrees of freedom."""
        found = {}
        for name, rows in self.arms.items():
            first, last = rows[0], rows[-1]
            kept = ~self.dead[reading][first] & ~self.dead[reading][last] & self.kinds[kind]
            change, layers = (self.soft[last] - self.soft[first])[kept], self.layers[kept]
            if kind == "linear":
                error, freedom = stats.sem(change), len(change) - 1
            else:
                clusters = np.unique(layers)
                without = np.array([change[layers != layer].mean() for layer in clusters])
                sizes = np.array([np.sum(layers == layer) for layer in clusters])
                share = (len(clusters) - 1) / len(clusters)
                error = np.sqrt(share * np.sum((without - change.mean()) ** 2))
                freedom = sizes.sum() ** 2 / np.sum(sizes**2) - 1
            found[name] = change.mean(), error, freedom
        return found

    def apart(self) -> int:
        """In how many arms the interval of the channels excludes zero."""
        found = self.changes("constant", "conv2d").values()
        return sum(
            abs(mean) > stats.t.ppf(0.975, freedom) * error for mean, error, freedom in found
        )

    def equivalent(self) -> list[tuple]:
        """The arms and kinds of units whose change is shown to stay within the margin."""
        shown = []
        for kind in ("conv2d", "linear"):
            found = self.changes("constant", kind)
            p = {name: max(stats.t.sf((MARGIN - mean) / error, freedom),
                           stats.t.cdf((-MARGIN - mean) / error, freedom))
                 for name, (mean, error, freedom) in found.items()}  # fmt: skip
            for rank, name in enumerate(sorted(p, key=lambda name: p[name])):
                if p[name] * (len(p) - rank) >= 0.05:
                    break
                shown.append((name, kind))
        return shown

    def with_accuracy(self, means: np.ndarray) -> tuple[float, float]:
        """Spearman's rho of score and accuracy, and that of score and rate given accuracy."""
        known = ~np.isnan(self.top1)
        ranks = [stats.rankdata(v[known]) for v in (means, self.rates, self.top1)]
        score, rate, top1 = ranks
        residuals = [v - np.polyval(np.polyfit(top1, v, 1), top1) for v in (score, rate)]
        return np.corrcoef(score, top1)[0, 1], np.corrcoef(*residuals)[0, 1]


def answer(again: Again) -> Places:
    matched = again.means("constant", True, "both")
    rising = sum(matched[rows[-1]] > matched[rows[0]] for rows in again.arms.values())
    alike = again.within(matched)
    worst = max(again.within(m)[1] for kind in again.kinds for m in again.ways(kind))
    alone = again.within(matched, "connection_sparsity_random")[1]
    return [
        (rf"Over the {NUMBER} channels and logits that live in all {NUMBER} networks",
         [f"{np.sum(~again.constant.any(axis=0)):,}", str(len(again.soft))]),
        (rf"at the lowest in {NUMBER} of {NUMBER} arms", [str(rising), str(len(again.arms))]),
        (rf"fit so well \(exact permutation p = {NUMBER}\)", [f"{alike[1]:.2g}"]),
        (rf"p is at most {NUMBER} under every reading", [f"{worst:.2g}"]),
        (rf"not shown of random connections \(p = {NUMBER}\) alone", [f"{alone:.2g}"]),
    ]  # fmt: skip


def of_changes(again: Again) -> Places:
    def means(reading: str, kind: str) -> list[float]:
        return [mean for mean, _, _ in again.changes(reading, kind).values()]

    return [
        (rf"lowest to the highest rate by {NUMBER} to {NUMBER}, by arm",
         ends(means("constant", "conv2d"))),
        (rf"In {NUMBER} of {NUMBER} arms the interval", [str(again.apart()), str(len(again.arms))]),
        (rf"alone left out they change by {NUMBER} to {NUMBER},", ends(means("pruned", "conv2d"))),
        (rf"the logits in any case by {NUMBER} to {NUMBER}\.", ends(means("constant", "linear"))),
        (rf"stay within {NUMBER}, for these pairs", ["0.02"]),
    ]  # fmt: skip


def of_accuracy(again: Again) -> Places:
    found = [again.with_accuracy(means) for means in again.ways("conv2d")]
    return [
        (rf"Over the {NUMBER} networks with a published", [str(np.sum(~np.isnan(again.top1)))]),
        (rf"accuracy correlate with {NUMBER} to {NUMBER} \(Spearman", ends([a for a, _ in found])),
        (rf"the rate correlate with {NUMBER} to {NUMBER}[:.]", ends([b for _, b in found])),
    ]


def rows_of_source(**where: str) -> list[dict[str, str]]:
    with PUBLISHED.open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines)
                if all(row[key] == value for key, value in where.items())]  # fmt: skip


def details(again: Again) -> Places:
    pruned = again.pruned.sum(axis=1)
    further = (again.constant & ~again.pruned).sum(axis=1)
    known = {}
    for row in rows_of_source(metric="mis_soft", retraining="one_shot"):
        retraining = f"one_shot_{row['optimizer']}_{row['epochs']}"
        known[row["method"], retraining, float(row["rate_requested"])] = float(row["value"])
    published = np.array(
        [known.get((*name, rate), np.nan)
         for name, rate in zip(again.names, again.rates, strict=True)]
    )  # fmt: skip
    off = {reading: again.means(reading, False, "both") - published
           for reading in ("pruned", "constant")}  # fmt: skip
    worst = np.nanmax(np.abs(off["pruned"]))
    number = str(np.sum(~np.isnan(published)))
    differ = rf"the {NUMBER} published means differ by up to {NUMBER}\."
    r = [signed(np.corrcoef(again.means(reading, matched, "both"), again.rates)[0, 1])
         for reading, matched in (("counted", False), ("pruned", False), ("constant", False),
                                  ("constant", True))]  # fmt: skip
    points = [(float(row["rate_requested"]), float(row["value"]))
              for row in rows_of_source(metric="mis_soft", figure="5")
              if row["method"] != "dense"]  # fmt: skip
    (dense,) = rows_of_source(metric="mis_soft", figure="5", method="dense")
    borrowed = [*points, *[(0.0, float(dense["value"]))] * 7]
    tested = [stats.pearsonr(*zip(*these, strict=True)) for these in (borrowed, points)]
    return [
        (rf"Of the {NUMBER} networks with {NUMBER} scored units each",
         [str(len(again.soft)), f"{again.soft.shape[1]:,}"]),
        (rf"hold {NUMBER} to {NUMBER} pruned filters", ends(pruned[pruned > 0], ",")),
        (rf"structured arms, .*threshold\. {NUMBER} to {NUMBER} further units",
         ends(further[further > 0], ",")),
        (rf"all {NUMBER} published means come out to six decimals", [number])
        if worst < 5e-7
        else (differ, [number, f"{worst:.6f}"]),
        (rf"lifts them by up to {NUMBER}\.", [f"{-np.nanmin(off['constant']):.3f}"]),
        (rf"Over all {NUMBER} networks Pearson's correlation of score and rate is {NUMBER} if dead",
         [str(len(again.soft)), r[0]]),
        (rf"It is {NUMBER} with pruned filters out, and {NUMBER} with all constant units out",
         [r[1], r[2]]),
        (rf"units that live in all it is {NUMBER}\.", [r[3]]),
        (rf"rate correlate with {NUMBER} \(p = {NUMBER}, as if",
         [signed(tested[0].statistic), f"{tested[0].pvalue:.2g}"]),
        (rf"Without that value it is {NUMBER} \(p = {NUMBER}\)",
         [signed(tested[1].statistic), f"{tested[1].pvalue:.2g}"]),
    ]  # fmt: skip


def check(text: str, places: Places) -> None:
    """Each pattern fits once, with its numbers, and the text has no others."""
    # The length of retraining is part of the names of arms.
    left = re.sub(r"\d+ epochs", "", text)
    for pattern, numbers in places:
        found = list(re.finditer(pattern, left))
        assert len(found) == 1, pattern
        assert list(found[0].groups()) == numbers, pattern
        left = (
            left[: found[0].start()] + re.sub(r"\d", "", found[0].group()) + left[found[0].end() :]
        )
    assert not re.findall(r"\d", left), left


@pytest.fixture(scope="module")
def small() -> Scores:
    return small_scores()


@pytest.fixture(scope="module")
def published(published_folder: Path) -> Scores:
    return scores_of(published_units(published_folder))


@pytest.fixture(scope="module", params=["small", "published"])
def told(request: pytest.FixtureRequest) -> tuple[Again, pl.DataFrame]:
    scores: Scores = request.getfixturevalue(request.param)
    return Again(scores), analysis.analyse(scores, PUBLISHED, MARGIN)


def test_each_number_of_the_paragraph(told: tuple[Again, pl.DataFrame]) -> None:
    again, table = told
    places = [*answer(again), *of_changes(again), *of_accuracy(again)]
    check(analysis_words.paragraph(table), places)
    check(analysis_words.caption(table), places)


def test_each_number_of_the_details(told: tuple[Again, pl.DataFrame]) -> None:
    again, table = told
    check(" ".join(analysis_words.details(table)), details(again))


def test_the_arms_that_stay_within_the_margin(told: tuple[Again, pl.DataFrame]) -> None:
    again, table = told
    words = [
        f"{analysis_words.describe_arm(*name)} ({'channels' if kind == 'conv2d' else 'logits'})"
        for name, kind in again.equivalent()
    ]
    _, _, rest = analysis_words.paragraph(table).partition("for these pairs of networks alone: ")
    found = re.findall(r"[^():]+? \((?:channels|logits)\)", rest.partition(". ")[0])
    assert sorted(
        part.removeprefix(", ").removeprefix(" and ").strip() for part in found
    ) == sorted(words)


def test_a_number_from_another_cell_is_found_out(small: Scores) -> None:
    """As when the change of another reading is told, which the table has too."""
    again, table = Again(small), analysis.analyse(small, PUBLISHED, MARGIN)
    places = [*answer(again), *of_changes(again), *of_accuracy(again)]
    swap = {"constant": "counted", "counted": "constant"}
    other = table.with_columns(
        reading=pl.when(pl.col("quantity") == "mis_soft_change")
        .then(pl.col("reading").replace(swap))
        .otherwise("reading")
    )
    with pytest.raises(AssertionError):
        check(analysis_words.paragraph(other), places)
    with pytest.raises(AssertionError):
        check(f"{analysis_words.paragraph(table)} It is 3.", places)


def test_the_documents_say_what_the_published_scores_say(published: Scores) -> None:
    table = analysis.analyse(published, PUBLISHED, MARGIN)
    _, _, page = analysis_words.page(table).partition("\n\n")
    document = PUBLISHED.parents[1] / "docs" / "published_scores.md"
    _, _, rest = document.read_text(encoding="utf-8").partition("<!-- found -->\n\n")
    found, _, _ = rest.partition("\n\n<!-- end -->")
    assert found == page.replace("\n## ", "\n### ").rstrip()
    findings = (PUBLISHED.parents[1] / "docs" / "findings.md").read_text(encoding="utf-8")
    assert f"\n{analysis_words.paragraph(table)}\n" in findings
