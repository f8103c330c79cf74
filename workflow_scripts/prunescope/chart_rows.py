"""What charts are drawn from: the study's tables as rows to draw, names, colours, headings."""

from dataclasses import dataclass
from itertools import cycle

import altair as alt
import polars as pl

from prunescope import theme

COORDINATES = ("study", "method", "retraining", "rate", "seed")


@dataclass(frozen=True)
class Study:
    """What the charts are drawn from.

    Attributes
    ----------
    networks
        One row per network, as in `tables.NETWORKS`. Methods and kinds of retraining take
        their colours and line styles in the order in which they first appear here.
    history
        One row per network and epoch, as in `tables.HISTORIES`.
    dataset
        Name of the dataset.
    probe_images
        Images among which the exemplars of the units were looked for.
    classes
        Classes of the dataset, equally frequent: gives the level of chance. Not drawn if None.
    published
        Published numbers as from `published.read`, drawn beside those of the study. None if
        there is nothing to compare with.
    """

    networks: pl.DataFrame
    history: pl.DataFrame
    dataset: str
    probe_images: int
    classes: int | None = None
    published: pl.DataFrame | None = None


def scored(study: Study, column: str) -> pl.DataFrame:
    """The networks with a value in `column` (it may be missing, or not a number)."""
    return study.networks.filter(pl.col(column).is_finite().fill_null(False))


def lines(
    study: Study,
    frame: pl.DataFrame,
    x: str,
    y: str,
    *,
    by_retraining: bool,
    dense: bool = False,
) -> pl.DataFrame:
    """Rows to draw as lines: x, y, seed, series (the label), ink (the colour) and style."""
    if not dense:
        frame = frame.filter(pl.col("method") != theme.DENSE)
    method = pl.col("method").replace_strict(names(study), return_dtype=pl.String)
    series, ink, style = method, method, pl.lit("solid")
    if by_retraining:
        retraining = pl.col("retraining").replace_strict(
            retraining_names(study), return_dtype=pl.String
        )
        series = pl.concat_str(method, retraining, separator=", ")
        ink = (
            pl.when(pl.col("retraining") == theme.NOT_RETRAINED).then(retraining).otherwise(method)
        )
        style = pl.col("retraining").replace_strict(styles(study), return_dtype=pl.String)
    return frame.select(
        "method",
        "retraining",
        "seed",
        x=pl.col(x),
        y=pl.col(y),
        series=series,
        ink=ink,
        style=style,
    )


def published_values(study: Study, quantity: str) -> pl.DataFrame:
    """Published values of a quantity for pruned methods and retraining that the study has."""
    known = {
        "our_method": [key for key in names(study) if key != theme.DENSE],
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


_PUBLISHED = {
    "method": pl.String,
    "retraining": pl.String,
    "rate": pl.Float64,
    "epoch": pl.Int32,
    "value": pl.Float64,
    "note": pl.String,
}


def published_lines(
    study: Study, published: pl.DataFrame, x: str, *, by_retraining: bool
) -> pl.DataFrame:
    """Rows as of `lines` for published values, with their source and what is noted on them."""
    numbered = published.with_columns(seed=pl.lit(0))
    drawn = lines(study, numbered, x, "value", by_retraining=by_retraining)
    return drawn.with_columns(
        published["note"],
        series=pl.concat_str("series", pl.lit(theme.PUBLISHED), separator=", "),
        source=pl.lit(theme.SOURCE),
    )


def published_pairs(study: Study) -> pl.DataFrame:
    """Published networks of which both accuracy and score are known."""
    key = ("method", "retraining", "rate")
    scores = published_values(study, "mis_soft").select(*key, mis_soft_live="value")
    pairs = published_values(study, "top1").join(scores, on=key, maintain_order="left")
    return pairs.select(
        method=pl.col("method").replace_strict(names(study), return_dtype=pl.String),
        retraining=pl.col("retraining").replace_strict(
            retraining_names(study), return_dtype=pl.String
        ),
        rate="rate",
        top1="value",
        mis_soft_live="mis_soft_live",
        ink=pl.lit(theme.PUBLISHED),
        source=pl.lit(theme.SOURCE),
    )


def references(
    study: Study, networks: pl.DataFrame, column: str, classes: int | None
) -> pl.DataFrame:
    """Levels to compare with: the dense networks (mean over seeds) and chance."""
    kinds = retraining_names(study)
    levels = (
        networks.filter(method=theme.DENSE)
        .group_by("retraining", maintain_order=True)
        .agg(y=pl.col(column).mean())
        .select(
            "y",
            series=pl.when(pl.col("retraining") == theme.NOT_RETRAINED)
            .then(pl.lit("dense"))
            .otherwise(pl.lit("dense, ") + pl.col("retraining").replace_strict(kinds)),
            ink=pl.lit("dense"),
            style=pl.col("retraining").replace_strict(styles(study), return_dtype=pl.String),
        )
    )
    return pl.concat([levels, chance(classes)])


def chance(classes: int | None) -> pl.DataFrame:
    """The level of guessing among equally frequent classes, as a row of `references`."""
    name = theme.CHANCE
    rows = [] if classes is None else [(1 / classes, name, name, theme.FIXED_STYLES[name])]
    columns = {"y": pl.Float64, "series": pl.String, "ink": pl.String, "style": pl.String}
    return pl.DataFrame(rows, schema=columns, orient="row")


def names(study: Study) -> dict[str, str]:
    """Label of every method, the dense network last."""
    keys = pl.concat([study.networks["method"], study.history["method"]])
    methods = [key for key in keys.unique(maintain_order=True) if key != theme.DENSE]
    return {key: theme.human(key) for key in [*methods, theme.DENSE]}


def retraining_names(study: Study) -> dict[str, str]:
    """Label of every kind of retraining, none of it first."""
    keys = pl.concat([study.networks["retraining"], study.history["retraining"]])
    kinds = [key for key in keys.unique(maintain_order=True) if key != theme.NOT_RETRAINED]
    return {
        key: theme.RETRAINING_NAMES.get(key, theme.human(key))
        for key in [theme.NOT_RETRAINED, *kinds]
    }


def styles(study: Study) -> dict[str, str]:
    """Style of line of every kind of retraining."""
    free = [style for style in theme.DASHES if style not in theme.FIXED_STYLES.values()]
    kinds = [kind for kind in retraining_names(study) if kind not in theme.FIXED_STYLES]
    return {**theme.FIXED_STYLES, **dict(zip(kinds, cycle(free), strict=False))}


def colour(study: Study, field: str, legend: alt.Legend | None) -> alt.Color:
    """The one scale of colours: methods in order of appearance, then the fixed inks."""
    methods = [name for key, name in names(study).items() if key != theme.DENSE]
    colours = dict(zip(methods, cycle(theme.PALETTE), strict=False)) | theme.INKS
    if study.published is not None:
        colours |= {theme.PUBLISHED: theme.PUBLISHED_INK}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(field, type="nominal", scale=scale, legend=legend)


def heading(
    text: str,
    study: Study,
    shown: pl.DataFrame,
    *facts: str,
    images: str = "{} validation images",
    means: bool = True,
) -> alt.TitleParams:
    """What is shown; below it the study, the dataset and the numbers behind it."""
    studies = pl.concat([study.networks["study"], study.history["study"]]).unique(
        maintain_order=True
    )
    networks = shown.select(COORDINATES).n_unique() if shown.height else 0
    seeds = shown["seed"].n_unique()
    subtitle = [
        f"Study {', '.join(studies) or '(empty)'}",
        f"dataset {study.dataset}",
        images.format(_span(study.networks["images"])),
        f"{networks} network{'s' * (networks != 1)}",
        f"{seeds} seed{'s' * (seeds != 1)}",
    ]
    more = [*facts, *(["lines: mean over seeds, points: single seeds"] if means else [])]
    lines = [subtitle, more] if seeds > 1 else [subtitle, facts]
    return alt.TitleParams(text, subtitle=[" · ".join(line) for line in lines if line])


def source(published: pl.DataFrame, looks: str = "hollow, thin") -> list[str]:
    """Where published numbers come from and how they look: a fact of a heading."""
    return [] if published.is_empty() else [f"{looks}: published by {theme.SOURCE}"]


def _span(counts: pl.Series) -> str:
    values = sorted(set(counts.drop_nulls().to_list()))
    if not values:
        return "0"
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def mis_facts(study: Study) -> list[str]:
    """What a reader of scores must know, as facts of a heading."""
    missing = study.networks.height - scored(study, "mis_soft_live").height
    facts = [f"Machine Interpretability Score over {study.probe_images:,} probe images"]
    if missing:
        facts.append(f"{missing} network{'s' * (missing != 1)} without a score left out")
    return facts
