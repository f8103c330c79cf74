"""Prepare what charts are drawn from: rows to draw, labels, colours and headings.

The labels are also the domains of the scales of colours and shapes, so rows must use the labels
of `names`, `retraining_names` and `theme`: Vega has no colour for any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import altair as alt
import polars as pl

from prunescope.interpret import score_variants, trivial_units
from prunescope.networks.coordinates import COLUMNS, DENSE, KIND, NOT_RETRAINED, UNTRAINED
from prunescope.summarize import selection, study_tables, words
from prunescope.summarize.charts import theme
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY

_PUBLISHED = {
    "method": pl.String,
    "retraining": pl.String,
    "rate": pl.Float64,
    "epoch": pl.Int32,
    "value": pl.Float64,
    "note": pl.String,
}
_REFERENCES = {
    "y": pl.Float64,
    "series": pl.String,
    "ink": pl.String,
    "style": pl.String,
    "panel": pl.String,
}


@dataclass(frozen=True)
class ChartData:
    """What the charts of a study are drawn from.

    Attributes
    ----------
    networks
        `study_tables.NETWORKS`. Methods and kinds of retraining get their colours and line
        styles in the order in which they first appear here.
    history
        `study_tables.HISTORIES`.
    dataset
        Name of the dataset.
    probe_images
        Number of the images among which the exemplars of the units were looked for; 0 where the
        scores were made elsewhere.
    classes
        Number of the classes of the dataset, equally frequent: gives the level of chance, which
        is not drawn if this is None.
    published
        Published numbers from `published.read`, drawn beside those of the study. None if there
        are none.
    statistics
        `study_tables.STATISTICS`: gives the intervals.
    units
        `study_tables.UNITS`.
    trivial
        `trivial_units.TRIVIAL_UNITS`: levels to compare scores with.
    margin
        The largest change of the score that is too small to matter, drawn as a band. Not drawn if
        None.
    granularities
        What each pruning method removes as one piece, where the config tells it.
    equal_accuracy
        `matched_tables.EQUAL_ACCURACY`.
    """

    networks: pl.DataFrame
    history: pl.DataFrame
    dataset: str
    probe_images: int
    classes: int | None = None
    published: pl.DataFrame | None = None
    statistics: pl.DataFrame = field(default_factory=study_tables.STATISTICS.empty)
    units: pl.DataFrame = field(default_factory=study_tables.UNITS.empty)
    trivial: pl.DataFrame = field(default_factory=trivial_units.TRIVIAL_UNITS.empty)
    margin: float | None = None
    granularities: Mapping[str, str] = field(default_factory=dict)
    equal_accuracy: pl.DataFrame = field(default_factory=EQUAL_ACCURACY.empty)


def has_dense(study: ChartData) -> bool:
    """Whether networks are compared with dense ones; else with those of the lowest rate."""
    return not selection.dense(study.networks).is_empty()


def why_no_accuracy(study: ChartData, otherwise: str) -> str:
    """Why a chart of accuracy shows nothing: accuracy is not known, or another reason."""
    known = scored(study, "top1").height or study.networks.is_empty()
    return otherwise if known else "the accuracy of the networks is not known"


def scored(study: ChartData, column: str) -> pl.DataFrame:
    """The networks with a value in `column`: neither null nor NaN."""
    return study.networks.filter(pl.col(column).is_finite().fill_null(False))


# --- lines and levels of reference ---------------------------------------------------------------


def lines(
    study: ChartData,
    frame: pl.DataFrame,
    x: str,
    y: str,
    *,
    by_retraining: bool,
    dense: bool = False,
    quantity: str | None = None,
) -> pl.DataFrame:
    """Rows to draw as lines.

    Parameters
    ----------
    study
        Gives labels, styles and intervals.
    frame
        Networks, or epochs of networks, with the columns `KIND`, `seed`, `x` and `y`.
    x, y
        Names of the columns to draw.
    by_retraining
        Whether kinds of retraining are lines of their own, or else only methods.
    dense
        Whether the dense networks are drawn as lines too.
    quantity
        The quantity of the statistics that `y` is; without it, there are no intervals.

    Returns
    -------
    polars.DataFrame
        `method`, `retraining`, `seed`, `x`, `y`, `series` (the label), `ink` (the label that the
        colour stands for), `style`, `low` and `high` (of the kind, so the same for all seeds; null
        without an interval), `link` (as `explorer_link` makes it).
    """
    left_out = [UNTRAINED] if dense else [DENSE, UNTRAINED]
    frame = frame.filter(~pl.col("method").is_in(left_out)).join(
        intervals(study, quantity), on=KIND, how="left", maintain_order="left"
    )
    method, retraining = method_label(study), retraining_label(study)
    series, ink, style = method, method, pl.lit("solid")
    if by_retraining:
        series = pl.concat_str(method, retraining, separator=", ")
        ink = pl.when(pl.col("retraining") == NOT_RETRAINED).then(retraining).otherwise(method)
        style = line_style(study)
    return frame.select(
        "method",
        "retraining",
        "seed",
        x=pl.col(x),
        y=pl.col(y),
        series=series,
        ink=ink,
        style=style,
        low="low",
        high="high",
        link=explorer_link(),
    )


def explorer_link() -> pl.Expr:
    """The page of the unit explorer at a network, within the explorer's folder.

    Made from the columns `COORDINATES`, as `Coordinates.name`. `chart_files` says where the folder
    is.
    """
    hundredths = (pl.col("rate") * 100).round().cast(pl.Int64)
    rate = (hundredths // 100, pl.lit("."), (hundredths % 100).cast(pl.String).str.zfill(2))
    return pl.concat_str(
        pl.lit("index.html#network="),
        pl.concat_str("method", "retraining", separator="/"),
        pl.lit("/rate"),
        *rate,
        pl.lit("/seed"),
        "seed",
    )


def intervals(study: ChartData, quantity: str | None) -> pl.DataFrame:
    """`low` and `high` of a quantity for each kind of network: over seeds, or of its one seed."""
    found = study.statistics.filter(
        pl.col("quantity").eq_missing(pl.lit(quantity, dtype=pl.String)),
        pl.col("variant").is_null(),
        pl.col("low").is_not_null(),
        pl.col("pruning").is_not_null(),
    ).select("retraining", "rate", "seed", "low", "high", method="pruning")
    seeds = study.networks.group_by(KIND).agg(seeds=pl.col("seed").n_unique())
    counted = found.join(seeds, on=KIND, maintain_order="left")
    of_kind = pl.col("seed").is_null() | (pl.col("seeds") == 1)
    return counted.filter(of_kind).select(*KIND, "low", "high")


def references(
    study: ChartData, networks: pl.DataFrame, column: str, classes: int | None
) -> pl.DataFrame:
    """Levels to compare with: the dense networks (mean over seeds) and chance.

    `panel` is the kind of retraining that a level is the control of; null for the levels that all
    panels show.
    """
    levels = (
        selection.controls(networks)
        .group_by("retraining", maintain_order=True)
        .agg(y=pl.col(column).mean())
        .select(
            "y",
            series=pl.when(pl.col("retraining") == NOT_RETRAINED)
            .then(pl.lit(DENSE))
            .otherwise(pl.lit(f"{DENSE}, ") + retraining_label(study)),
            ink=pl.lit(DENSE),
            style=line_style(study),
            panel=pl.when(pl.col("retraining") != NOT_RETRAINED).then("retraining"),
        )
    )
    return pl.concat([levels, chance(classes)])


def score_references(study: ChartData, networks: pl.DataFrame, classes: int | None) -> pl.DataFrame:
    """Levels to compare scores with.

    The dense networks, the untrained one, the floor, chance; of the trivial units the best one that
    knows nothing of classes, and the mean of the ideal detectors of classes.
    """
    untrained = networks.filter(method=UNTRAINED)["mis_soft_live"]
    permuted = study.statistics.filter(quantity="mis_soft_live", variant=score_variants.PERMUTED)[
        "estimate"
    ]
    best = trivial_units.best(study.trivial)
    levels = [
        (untrained.mean(), UNTRAINED, UNTRAINED),
        (permuted.mean(), theme.FLOOR, theme.FLOOR),
        (trivial_units.mean_detector(study.trivial), theme.DETECTORS, theme.DETECTORS),
        *([] if best is None else [(best["mis_soft"], best["unit"], theme.TRIVIAL)]),
    ]
    rows = [
        (level, name, ink, theme.FIXED_STYLES[theme.CHANCE], None)
        for level, name, ink in levels
        if level is not None
    ]
    more = pl.DataFrame(rows, schema=_REFERENCES, orient="row")
    return pl.concat([references(study, networks, "mis_soft_live", classes), more])


def chance(classes: int | None) -> pl.DataFrame:
    """The level of guessing among equally frequent classes, as a row of `references`."""
    name = theme.CHANCE
    rows = [] if classes is None else [(1 / classes, name, name, theme.FIXED_STYLES[name], None)]
    return pl.DataFrame(rows, schema=_REFERENCES, orient="row")


# --- published numbers ---------------------------------------------------------------------------


def published_values(study: ChartData, quantity: str) -> pl.DataFrame:
    """Published values of a quantity, for methods and kinds of retraining that the study has."""
    known = {
        "our_method": [key for key in names(study) if key not in theme.INKS],
        "our_retraining": list(retraining_names(study)),
    }
    if study.published is None:
        return pl.DataFrame(schema=_PUBLISHED)
    rows = study.published.filter(pl.col(name).is_in(keys) for name, keys in known.items())
    return (
        rows.filter(quantity=quantity)
        .select(pl.exclude("method", "retraining", "rate"))
        .rename({"our_method": "method", "our_retraining": "retraining", "our_rate": "rate"})
        .select(list(_PUBLISHED))
    )


def published_lines(
    study: ChartData, published: pl.DataFrame, x: str, *, by_retraining: bool
) -> pl.DataFrame:
    """The rows of `lines` for published values, with the columns `note` and `source`."""
    numbered = published.with_columns(seed=pl.lit(0))
    drawn = lines(study, numbered, x, "value", by_retraining=by_retraining)
    return drawn.with_columns(
        published["note"],
        series=pl.concat_str("series", pl.lit(theme.PUBLISHED), separator=", "),
        source=pl.lit(theme.SOURCE),
    )


def published_pairs(study: ChartData) -> pl.DataFrame:
    """Published networks of which both the accuracy and the score are known."""
    scores = published_values(study, "mis_soft").select(*KIND, mis_soft_live="value")
    pairs = published_values(study, "top1").join(scores, on=KIND, maintain_order="left")
    return pairs.select(
        method=method_label(study),
        retraining=retraining_label(study),
        rate="rate",
        top1="value",
        mis_soft_live="mis_soft_live",
        ink=pl.lit(theme.PUBLISHED),
        source=pl.lit(theme.SOURCE),
    )


# --- labels, colours and styles ------------------------------------------------------------------


def names(study: ChartData) -> dict[str, str]:
    """The label of every method, the controls last."""
    keys = pl.concat([study.networks["method"], study.history["method"]])
    controls = (DENSE, UNTRAINED)
    methods = [key for key in keys.unique(maintain_order=True) if key not in controls]
    return {key: words.human(key) for key in [*methods, *controls]}


def retraining_names(study: ChartData) -> dict[str, str]:
    """The label of every kind of retraining, `not retrained` first."""
    keys = pl.concat([study.networks["retraining"], study.history["retraining"]])
    kinds = [key for key in keys.unique(maintain_order=True) if key != NOT_RETRAINED]
    return {key: words.describe_retraining(key) for key in [NOT_RETRAINED, *kinds]}


def method_label(study: ChartData) -> pl.Expr:
    """The column `method` as labels."""
    return pl.col("method").replace_strict(names(study), return_dtype=pl.String)


def retraining_label(study: ChartData) -> pl.Expr:
    """The column `retraining` as labels."""
    return pl.col("retraining").replace_strict(retraining_names(study), return_dtype=pl.String)


def line_style(study: ChartData) -> pl.Expr:
    """The style of line of the column `retraining`."""
    return pl.col("retraining").replace_strict(styles(study), return_dtype=pl.String)


def styles(study: ChartData) -> dict[str, str]:
    """The style of line of every kind of retraining."""
    free = [style for style in theme.DASHES if style not in theme.FIXED_STYLES.values()]
    kinds = [kind for kind in retraining_names(study) if kind not in theme.FIXED_STYLES]
    return {**theme.FIXED_STYLES, **dict(zip(kinds, cycle(free), strict=False))}


def colour(study: ChartData, field: str, legend: alt.Legend | None) -> alt.Color:
    """A column as a channel of colour. All charts share one scale: methods, then the fixed inks."""
    methods = [name for name in names(study).values() if name not in theme.INKS]
    colours = dict(zip(methods, cycle(theme.PALETTE), strict=False)) | theme.INKS
    if study.published is not None:
        colours |= {theme.PUBLISHED: theme.PUBLISHED_INK}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(field, type="nominal", scale=scale, legend=legend)


# --- headings ------------------------------------------------------------------------------------


def heading(
    text: str,
    study: ChartData,
    shown: pl.DataFrame,
    *facts: str,
    images: str | None = "{} validation images",
    means: bool = True,
) -> alt.TitleParams:
    """A title, and below it the study, the dataset and the numbers of images, networks, seeds.

    Parameters
    ----------
    text
        The title: what is shown.
    study
        Gives the names of the study and of the dataset.
    shown
        The networks that are shown, or their units or epochs, with coordinates.
    facts
        What else a reader must know.
    images
        What to say of the validation images, with `{}` for their number. None says nothing.
    means
        Whether lines are means over seeds, which is said if there are several.
    """
    studies = pl.concat([study.networks["study"], study.history["study"]]).unique(
        maintain_order=True
    )
    networks = shown.select(COLUMNS).n_unique() if shown.height else 0
    told = study.networks["images"].drop_nulls()
    seeds = shown["seed"].n_unique()
    subtitle = [
        f"Study {', '.join(studies) or '(empty)'}",
        f"dataset {study.dataset}",
        *([] if images is None or told.is_empty() else [images.format(span(told))]),
        f"{networks} network{'s' * (networks != 1)}",
        f"{seeds} seed{'s' * (seeds != 1)}",
    ]
    several = means and seeds > 1
    more = [*facts, *(["lines: mean over seeds, points: single seeds"] if several else [])]
    return alt.TitleParams(text, subtitle=[*_wrapped(subtitle), *_wrapped(more)])


def interval_facts(drawn: pl.DataFrame, over: str) -> list[str]:
    """What the bars of a chart of lines mean, as facts of a heading; nothing without bars.

    Parameters
    ----------
    drawn
        From `lines`.
    over
        What the intervals of a single seed are over, such as images.
    """
    if drawn["low"].null_count() == drawn.height:
        return []
    several = drawn.group_by("series", "x").agg(pl.col("seed").n_unique())["seed"].max() != 1
    return [f"bars: 95 % intervals over {'seeds' if several else over}"]


def mis_facts(study: ChartData) -> list[str]:
    """What a reader of scores must know, as facts of a heading."""
    missing = study.networks.height - scored(study, "mis_soft_live").height
    facts = ["Machine Interpretability Score, made elsewhere"]
    if study.probe_images:
        facts = [f"Machine Interpretability Score over {study.probe_images:,} probe images"]
    if missing:
        facts.append(f"{missing} network{'s' * (missing != 1)} without a score left out")
    return facts


def source(published: pl.DataFrame, looks: str = "hollow, thin") -> list[str]:
    """Where published numbers come from and how they look, as facts of a heading."""
    return [] if published.is_empty() else [f"{looks}: published by {theme.SOURCE}"]


def span(counts: pl.Series) -> str:
    """Counts as one number, or as the smallest and the largest one."""
    values = sorted(set(counts.drop_nulls().to_list()))
    if not values:
        return "0"
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _wrapped(facts: Sequence[str]) -> list[str]:
    """Join facts into lines that are not much wider than a chart."""
    lines: list[str] = []
    for fact in facts:
        if lines and len(lines[-1]) + len(fact) <= theme.SUBTITLE_LENGTH:
            lines[-1] += f" · {fact}"
        else:
            lines.append(fact)
    return lines
