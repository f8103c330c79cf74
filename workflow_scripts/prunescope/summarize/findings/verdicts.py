"""Whether changes are shown, shown to be too small to matter, or undecided."""

import polars as pl

from prunescope.interpret import score_variants
from prunescope.summarize.findings.facts import ALPHA, OWN, Facts, pruned, retrained
from prunescope.summarize.findings.wording import Row, listed

SAME, LESS, MORE, OPEN = "within the margin", "lower", "higher", "undecided"


def guesses(facts: Facts) -> pl.DataFrame:
    """Pruned networks whose accuracy is not shown to be above chance."""
    low = facts.statistics.filter(
        pl.col("variant").is_null(), pl.col("seed").is_not_null(), quantity="top1"
    ).select(*OWN[1:], low="low", method="pruning")
    joined = pruned(facts).join(low, on=OWN, maintain_order="left")
    return joined.filter(pl.col("low") <= 1 / facts.classes)


def verdicts(facts: Facts) -> pl.DataFrame:
    """What is shown of each retrained pruned network, against the dense one.

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
    same = rows.filter(quantity="mis_soft_equivalence").select(*OWN, same="p_holm")
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
        changed.join(same, on=OWN, maintain_order="left")
        .join(retrained(facts), on=OWN, how="semi", maintain_order="left")
        .select(*OWN, "estimate", "low", "high", verdict=verdict)
    )


def of_verdicts(found: pl.DataFrame, margin: float) -> str:
    """How many changes are within the margin, beyond it, or undecided."""
    number = {kind: int((found["verdict"] == kind).sum()) for kind in (SAME, LESS, MORE, OPEN)}
    if number[SAME] == len(found):
        return f"equivalence within {margin} is shown for all of them"
    said = []
    if number[SAME]:
        said.append(f"equivalence within {margin} is shown for {number[SAME]}")
    for kind in (LESS, MORE):
        if number[kind]:
            said.append(f"{number[kind]} {'is' if number[kind] == 1 else 'are'} {kind} by more")
    if number[OPEN]:
        said.append(f"{number[OPEN]} {'is' if number[OPEN] == 1 else 'are'} undecided")
    return listed(said)


def shown_by(row: Row, margin: float) -> str:
    """What a test of equivalence shows of a change."""
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
    """For each variant but the floor: how many networks' changes contradict the study's own.

    Returns
    -------
    polars.DataFrame
        `variant`, `networks`, `mean` (change over the networks), `decided` (networks whose interval
        lies below, within or above the margin, and so does that of the study's own score), `other`
        (those of them that lie elsewhere; intervals across an end of the margin contradict
        nothing). The study's own score is the variant `sensitivity.UNCHANGED`.
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
    shifts = rows.join(retrained(facts), on=OWN, how="semi", maintain_order="left").select(
        *OWN, "variant", "estimate", side=side
    )
    own = shifts.filter(variant=score_variants.UNCHANGED).select(*OWN, own="side")
    return (
        shifts.filter(pl.col("variant") != score_variants.PERMUTED)
        .join(own, on=OWN, maintain_order="left")
        .group_by("variant", maintain_order=True)
        .agg(
            networks=pl.len(),
            mean=pl.col("estimate").mean(),
            decided=(pl.col("side").is_not_null() & pl.col("own").is_not_null()).sum(),
            other=(pl.col("side") != pl.col("own")).sum(),
        )
    )
