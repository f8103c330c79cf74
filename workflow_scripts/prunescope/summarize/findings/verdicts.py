"""Judge changes of the score: shown, shown to be too small to matter, or undecided.

A change is only called shown where a test shows it, after Holm's correction.
"""

import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import COORDINATES
from prunescope.summarize.findings.facts import ALPHA, Facts
from prunescope.summarize.findings.wording import be, listed
from prunescope.summarize.study_tables import Row

SAME, LESS, MORE, OPEN = "within the margin", "lower", "higher", "undecided"


def verdicts(facts: Facts) -> pl.DataFrame:
    """The verdict on each retrained pruned network: how its score differs from the dense one's.

    Returns
    -------
    polars.DataFrame
        Coordinates, `estimate`, `low`, `high` (95 %), and `verdict`: `SAME` if the equivalence
        test shows it after Holm's correction, `LESS` or `MORE` if the interval lies outside the
        margin, else `OPEN`.
    """
    against = pl.col("family").str.ends_with("against dense")
    rows = facts.statistics.filter(against, pl.col("seed").is_not_null()).with_columns(
        method="pruning"
    )
    same = rows.filter(quantity="mis_soft_equivalence").select(*COORDINATES, same="p_holm")
    changed = rows.filter(quantity="mis_soft_change_clustered")
    verdict = (
        pl.when(pl.col("same") < ALPHA)
        .then(pl.lit(SAME))
        .when(pl.col("high") < -facts.margin)
        .then(pl.lit(LESS))
        .when(pl.col("low") > facts.margin)
        .then(pl.lit(MORE))
        .otherwise(pl.lit(OPEN))
    )
    return (
        changed.join(same, on=COORDINATES, maintain_order="left")
        .join(facts.retrained, on=COORDINATES, how="semi", maintain_order="left")
        .select(*COORDINATES, "estimate", "low", "high", verdict=verdict)
    )


def count_verdicts(found: pl.DataFrame, margin: float) -> str:
    """How many changes are within the margin, beyond it, or undecided, as a clause."""
    number = {kind: int((found["verdict"] == kind).sum()) for kind in (SAME, LESS, MORE, OPEN)}
    if number[SAME] == len(found):
        return f"equivalence within {margin} is shown for all of them"
    said = []
    if number[SAME]:
        said.append(f"equivalence within {margin} is shown for {number[SAME]}")
    for kind in (LESS, MORE):
        if number[kind]:
            said.append(f"{number[kind]} {be(number[kind])} {kind} by more")
    if number[OPEN]:
        said.append(f"{number[OPEN]} {be(number[OPEN])} {OPEN}")
    return listed(said)


def judge_equivalence(row: Row, margin: float) -> str:
    """What a test of equivalence shows of a change, as a clause.

    Parameters
    ----------
    row
        The test: `p`, `p_holm`, `low` and `high` (90 %).
    margin
        The margin of the test.
    """
    if row["p_holm"] < ALPHA:
        return f"it lies within the margin of {margin}: equivalence is shown"
    if row["p"] < ALPHA:
        return (
            f"the interval lies within the margin of {margin}, but after Holm's correction "
            f"(p = {row['p_holm']:.2f}) equivalence is not shown"
        )
    if row["low"] > margin or row["high"] < -margin:
        return f"it lies outside the margin of {margin}: a change that matters is shown"
    return f"neither equivalence within the margin of {margin} nor a change beyond it is shown"


def variant_verdicts(facts: Facts) -> pl.DataFrame:
    """For each variant but the floor, how many networks it judges differently from the study's own.

    Returns
    -------
    polars.DataFrame
        `variant`; `networks`; `mean`, the mean change over these networks; `decided`, the number
        of networks for which both this variant and the study's own score are decided; `other`,
        the number of these on which the two differ. Decided is a score whose interval lies
        wholly below, within or above the margin. An interval across an end of the margin
        contradicts nothing. The study's own score is the variant `score_variants.UNCHANGED`.
    """
    rows = facts.statistics.filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_shift"
    ).with_columns(method="pruning")
    low, high, margin = pl.col("low"), pl.col("high"), facts.margin
    side = (
        pl.when(high < -margin)
        .then(-1)
        .when(low > margin)
        .then(1)
        .when((low >= -margin) & (high <= margin))
        .then(0)
    )
    shifts = rows.join(facts.retrained, on=COORDINATES, how="semi", maintain_order="left").select(
        *COORDINATES, "variant", "estimate", side=side
    )
    own = shifts.filter(variant=score_variants.UNCHANGED).select(*COORDINATES, own="side")
    return (
        shifts.filter(pl.col("variant") != score_variants.PERMUTED)
        .join(own, on=COORDINATES, maintain_order="left")
        .group_by("variant", maintain_order=True)
        .agg(
            networks=pl.len(),
            mean=pl.col("estimate").mean(),
            decided=(pl.col("side").is_not_null() & pl.col("own").is_not_null()).sum(),
            other=(pl.col("side") != pl.col("own")).sum(),
        )
    )
