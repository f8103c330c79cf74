"""Write docs/tables.md: what one row of each table is, what it joins, and a question to it.

Paths and rows come from the declared schemas, as those of docs/artifacts.md do. What stands here
are the keys, the joins and the questions; tests hold them against a finished study. Run `make docs`
after a change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prunescope.foundation.tables import Table
from prunescope.study.results.all_tables import ALL_TABLES

PAGE = Path(__file__).resolve().with_name("tables.md")
NETWORK = ("method", "retraining", "rate", "seed")
UNIT = ("layer", "unit")
LONGEST_LINE = 100
# What stands for the names in braces in the examples.
EXAMPLE = {
    "study": "fashion_mnist",
    "dataset": "fashion_mnist",
    "split": "validation",
    "method": "structured",
    "retraining": "one_shot",
    "rate": "0.80",
    "seed": "0",
    "probe": "probe-4000-seed0",
}
OF_DENSE = {"method": "dense", "retraining": "none", "rate": "0.00"}


@dataclass(frozen=True)
class Sheet:
    """What the page says of a table beside its declaration.

    Attributes
    ----------
    key
        The columns that tell its rows apart; none if it has one row.
    question
        What the example answers.
    code
        An expression of polars, in which the table is read under its name.
    joins
        Other tables that have one row for each of its rows, and the columns by which it is found.
    reads
        Other tables that the example reads.
    """

    key: tuple[str, ...]
    question: str
    code: str
    joins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reads: tuple[str, ...] = ()


SHEETS = {
    "networks": Sheet(
        NETWORK,
        "Which networks keep most accuracy at the highest rate?",
        """\
networks.filter(pl.col("rate") == pl.col("rate").max()).sort("top1", descending=True).select(
    "method", "retraining", "seed", "top1", "mis_soft_live"
)""",
    ),
    "units": Sheet(
        (*NETWORK, *UNIT),
        "How do scores of live units spread in each kind of layer of the dense networks?",
        """\
units.filter(
    ~pl.col("constant"), pl.col("method") == "dense", pl.col("retraining") == "none"
).group_by("layer_type").agg(
    *(pl.col("mis_soft").quantile(at).alias(f"q{at}") for at in (0.1, 0.5, 0.9))
)""",
        {"networks": NETWORK, "layers": (*NETWORK, "layer")},
    ),
    "layers": Sheet(
        (*NETWORK, "layer"),
        "Which layers have become least like those of the dense network?",
        """\
layers.group_by("layer").agg(pl.col("cka").mean()).sort("cka").head(5)""",
        {"networks": NETWORK},
    ),
    "classes": Sheet(
        (*NETWORK, "class"),
        "Which classes lose most accuracy?",
        """\
classes.group_by("class").agg(pl.col("top1_change").mean()).sort("top1_change")""",
        {"networks": NETWORK},
    ),
    "disagreements": Sheet(
        ("method", "retraining", "rate", "image"),
        "Which images do most kinds of pruned networks see otherwise than the dense ones?",
        """\
disagreements.group_by("image", "label", "dense").len("kinds").sort(
    "kinds", "image", descending=[True, False]
).head(10)""",
        {"index": ("image",)},
    ),
    "histories": Sheet(
        (*NETWORK, "epoch"),
        "How accurate is each network after its first and after its last epoch?",
        """\
histories.sort("epoch").group_by("method", "retraining", "rate", "seed").agg(
    first=pl.col("validation_top1").first(), last=pl.col("validation_top1").last()
)""",
        {"networks": NETWORK},
    ),
    "statistics": Sheet(
        ("quantity", "comparison", "pruning", "retraining", "rate", "seed", "layer", "variant"),
        "Which estimates have an interval that leaves out zero?",
        """\
statistics.filter((pl.col("low") > 0) | (pl.col("high") < 0)).select(
    "quantity", "comparison", "estimate", "low", "high", "n"
)""",
    ),
    "images": Sheet(
        ("split", "label"),
        "How many images has each split?",
        """\
images.group_by("split").agg(pl.col("images", "damaged").sum())""",
    ),
    "trivial_units": Sheet(
        ("unit",),
        "Which score highest of the units that need no network?",
        """\
trivial_units.sort("mis_soft", descending=True).select("unit", "kind", "mis_soft").head(5)""",
    ),
    "equal_accuracy": Sheet(
        ("method", "retraining", "drop", "seed"),
        "How much has each method removed where it has lost the same accuracy, over runs?",
        """\
equal_accuracy.filter(pl.col("seed").is_null()).sort("drop", "sparsity").select(
    "drop", "method", "retraining", "sparsity", "mis_soft"
)""",
    ),
    "unmatched": Sheet(
        ("method", "retraining", "drop", "seed"),
        "Why have methods no place at an accuracy?",
        """\
unmatched.group_by("reason").len()""",
    ),
    "units_pruned": Sheet(
        (*NETWORK, "measure"),
        "Were the units that went scored lower than those that stayed?",
        """\
units_pruned.filter(pl.col("measure") == "mis_soft").select(
    "method", "rate", "seed", "difference", "random_low", "random_high"
)""",
        {"networks": NETWORK},
    ),
    "channel_groups": Sheet(
        ("group", "name", "operation", "axis", "first"),
        "In how many places does each group lie?",
        """\
channel_groups.group_by("group").agg(places=pl.len(), pieces=pl.col("pieces").first()).sort(
    "places", descending=True
)""",
    ),
    "study_sizes": Sheet(
        (*NETWORK, "variant"),
        "How many bytes does each variant take?",
        """\
study_sizes.group_by("variant").agg(pl.col("bytes", "macs").mean())""",
        {"networks": NETWORK},
    ),
    "study_costs": Sheet(
        (*NETWORK, "variant", "runtime", "batch"),
        "How much faster are compact networks than the dense one, in each runtime?",
        """\
study_costs.group_by("runtime", "batch", "variant").agg(
    faster=(1 / pl.col("relative_time")).mean()
).sort("runtime", "batch", "variant")""",
        {"networks": NETWORK},
    ),
    "published": Sheet(
        ("figure", "method", "retraining", "optimizer", "rate", "epoch", "quantity"),
        "Where do our numbers differ most from the published ones?",
        """\
published.sort(pl.col("difference").abs(), descending=True).select(
    "figure", "method", "rate", "quantity", "published", "ours"
).head(5)""",
    ),
    "published_analysis": Sheet(
        ("quantity", "group", "pruning", "retraining", "rate", "layer_type", "units", "reading"),
        "What is estimated, and how often?",
        """\
published_analysis.group_by("quantity").len()""",
    ),
    "given_units": Sheet(
        (*NETWORK, *UNIT),
        "How many units of each network are live?",
        """\
given_units.group_by("method", "retraining", "rate", "seed").agg(live=(~pl.col("constant")).sum())
""",
        {"given_networks": NETWORK},
    ),
    "given_networks": Sheet(
        NETWORK,
        "How accurate are they?",
        """\
given_networks.select("method", "rate", "top1")""",
    ),
    "history": Sheet(
        ("epoch",),
        "In which epoch was it most accurate?",
        """\
history.sort("validation_top1", descending=True).head(1)""",
    ),
    "mask_updates": Sheet(
        ("step",),
        "How many weights were exchanged in all?",
        """\
mask_updates.select(pl.col("dropped", "grown").sum())""",
    ),
    "accounting": Sheet(
        (),
        "Which part of the multiplications is left?",
        """\
accounting.select(left=pl.col("effective_macs") / pl.col("macs"))""",
    ),
    "predictions": Sheet(
        ("image",),
        "Which images does it get most wrong?",
        """\
predictions.sort("loss", descending=True).head(10)""",
        {"index": ("image",)},
    ),
    "exemplars": Sheet(
        UNIT,
        "Which image of the split `probe` excites each unit most?",
        """\
exemplars.select("layer", "unit", image=pl.col("strongest").list.first())""",
    ),
    "exemplars_elsewhere": Sheet(
        UNIT,
        "How large is the strongest activation of each unit there?",
        """\
exemplars_elsewhere.select("layer", "unit", strongest=pl.col("strongest_activation").list.first())
""",
        {"exemplars": UNIT},
    ),
    "mis": Sheet(
        UNIT,
        "Which live units score lowest?",
        """\
mis.filter(~pl.col("constant")).sort("mis_soft").head(10)""",
        {"exemplars": UNIT, "measures": UNIT},
    ),
    "measures": Sheet(
        UNIT,
        "Do units that prefer one class score higher?",
        """\
measures.join(mis, on=["layer", "unit"]).select(
    pl.corr("class_selectivity", "mis_soft", method="spearman")
)""",
        {"mis": UNIT},
        ("mis",),
    ),
    "alignment": Sheet(
        ("layer",),
        "Which layer is least like that of the dense network?",
        """\
alignment.sort("cka").head(1)""",
    ),
    "variants": Sheet(
        ("variant", *UNIT),
        "How much does the mean score depend on how it is computed?",
        """\
variants.filter(~pl.col("constant")).group_by("variant").agg(pl.col("mis_soft").mean())""",
        {"mis": UNIT},
    ),
    "ablation": Sheet(
        UNIT,
        "Which units would be missed most?",
        """\
ablation.sort("loss_rise", descending=True).head(5)""",
        {"mis": UNIT},
    ),
    "compaction": Sheet(
        ("layer",),
        "Which layers kept the smallest part of their weights?",
        """\
compaction.select("layer", left=pl.col("weights_kept") / pl.col("weights")).sort("left").head(5)""",
    ),
    "sizes": Sheet(
        ("variant",),
        "How large is each variant?",
        """\
sizes.select("variant", "parameters", "bytes")""",
    ),
    "costs": Sheet(
        ("variant", "runtime", "batch"),
        "How long does a batch take?",
        """\
costs.select("variant", "runtime", "batch", "seconds")""",
    ),
    "index": Sheet(
        ("image",),
        "How many images has each class?",
        """\
index.group_by("class").len()""",
    ),
    "report": Sheet(
        ("file", "kind"),
        "What was found in image files, and what was done?",
        """\
report.group_by("kind", "action").len()""",
    ),
    "copies": Sheet(
        ("image",),
        "How many bytes do the copies take, and how many images are damaged?",
        """\
copies.select(pl.col("bytes").sum(), damaged=(pl.col("bytes") == 0).sum())""",
    ),
}  # fmt: skip

POLARS = """\
import polars as pl

networks = pl.read_parquet("results/fashion_mnist/tables/networks.parquet")
answer = (
    networks.filter(pl.col("retraining") == "one_shot")
    .group_by("method", "rate")
    .agg(pl.col("top1", "mis_soft_live").mean())
    .sort("method", "rate")
)
print(answer)
"""
PANDAS = """\
import pandas as pd

networks = pd.read_parquet("results/fashion_mnist/tables/networks.parquet")
answer = (
    networks[networks["retraining"] == "one_shot"]
    .groupby(["method", "rate"], as_index=False)[["top1", "mis_soft_live"]]
    .mean()
)
print(answer)
"""
DUCKDB = """\
SELECT method, rate, avg(top1) AS top1, avg(mis_soft_live) AS mis_soft_live
FROM 'results/fashion_mnist/tables/networks.parquet'
WHERE retraining = 'one_shot'
GROUP BY method, rate
ORDER BY method, rate
"""
R = """\
networks <- nanoparquet::read_parquet("results/fashion_mnist/tables/networks.parquet")
answer <- aggregate(
  cbind(top1, mis_soft_live) ~ rate + method,
  data = subset(networks, retraining == "one_shot"),
  FUN = mean
)
print(answer)
"""
JOINED = """\
import polars as pl

TABLES = "results/fashion_mnist/tables"
NETWORK = ["study", "method", "retraining", "rate", "seed"]

units = pl.scan_parquet(f"{TABLES}/units.parquet").filter(~pl.col("constant"))
networks = pl.scan_parquet(f"{TABLES}/networks.parquet").select(*NETWORK, "top1")
answer = (
    units.join(networks, on=NETWORK)
    .group_by(NETWORK)
    .agg(pl.col("top1").first(), pl.col("mis_soft").mean())
    .collect()
)
print(answer)
"""
OF_NETWORKS = """\
import polars as pl

FILES = "results/fashion_mnist/networks/**/accounting.parquet"
PLACE = r"networks/(?<method>[^/]+)/(?<retraining>[^/]+)/rate(?<rate>[^/]+)/seed(?<seed>[^/]+)/"

answer = (
    pl.scan_parquet(FILES, include_file_paths="path")
    .with_columns(pl.col("path").str.extract_groups(PLACE).alias("place"))
    .unnest("place")
    .with_columns(pl.col("rate").cast(pl.Float64), pl.col("seed").cast(pl.Int64))
    .select("method", "retraining", "rate", "seed", "sparsity_conv", "effective_macs")
    .collect()
)
print(answer)
"""

INTRODUCTION = f"""\
# Tables: a data sheet

What one row of each table is, by which columns it joins other tables, and a question that it
answers. [artifacts.md](artifacts.md) has what each column holds, with its type and unit,
[method.md](method.md) what the quantities mean. This page is written by `docs/make_tables.py`;
tests run its examples, and compare keys and joins with a finished study.

- [One question in four languages](#one-question-in-four-languages)
- [Join two tables](#join-two-tables)
- [Read a file of every network](#read-a-file-of-every-network)
- [Tables of the study](#tables-of-the-study)
- [Tables of one network](#tables-of-one-network)
- [Tables of images](#tables-of-images)

All tables are Parquet files, compressed with zstd. A network is named by four columns, `method`,
`retraining`, `rate` and `seed`, and by `study` where tables of several studies are put together.
Examples of single tables begin with `import polars as pl`, and show paths of the default study;
where a table says *only*, that study does not have it. Within one study, `study` may be left out of
a join. A run is a `seed`: networks of one seed come from one dense network, so compare within
seeds, and count runs, not units. Accuracies, scores and rates are fractions, never percent. Leave
*constant* units out of means of scores: no image moves them.

## One question in four languages

How accurate are networks of each method and rate after one-shot retraining, and what do their live
units score, on average over runs?

polars, which is in the environment (`.venv/bin/python`):

```python
{POLARS}```

pandas, which reads Parquet with the package `pyarrow`; that is not in the environment:

```python
{PANDAS}```

DuckDB, in its shell or by `duckdb.sql(...)`:

```sql
{DUCKDB}```

R, with the package `nanoparquet`, or with `arrow::read_parquet`:

```r
{R}```

Tests run the first three where the packages are installed, and compare the answers. They were the
same with pandas 3.1.1, pyarrow 26.0.1 and duckdb 2.0.1. R 4.2.2 gave
it too, from the table as CSV: its first line, which needs a package for Parquet, was not run.

## Join two tables

`units` has many rows for one of `networks`. With the accuracy of their network beside them:

```python
{JOINED}```

## Read a file of every network

Files of single networks do not repeat what their path says. All of one kind, with the coordinates
as columns:

```python
{OF_NETWORKS}```

Networks that are equal by construction are made once, and have one folder. In the tables of the
study each of them has its rows.
"""
PARTS = {
    "Tables of the study": "results/{study}/",
    "Tables of one network": "results/{study}/networks/",
    "Tables of images": "results/datasets/",
}


def path_of(name: str) -> str:
    """The path of a table in the examples. Units are silenced in dense networks only."""
    stands_for = EXAMPLE | OF_DENSE if name == "ablation" else EXAMPLE
    return ALL_TABLES[name].path.format(**stands_for)


def code_of(name: str) -> str:
    """The example of a table, as printed."""
    names = (name, *SHEETS[name].reads)
    return "\n".join([*map(_reading, names), SHEETS[name].code.rstrip()])


def _reading(name: str) -> str:
    """A line that reads a table, or three as `ruff format` writes them."""
    line = f'{name} = pl.read_parquet("{path_of(name)}")'
    whole = len(line) <= LONGEST_LINE
    return line if whole else f'{name} = pl.read_parquet(\n    "{path_of(name)}"\n)'


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for heading, folder in PARTS.items():
        names = [name for name in SHEETS if _part_of(ALL_TABLES[name]) == folder]
        parts += [f"## {heading}\n", *map(_sheet, names)]
    return "\n".join(parts)


def _part_of(table: Table) -> str:
    return max((folder for folder in PARTS.values() if table.path.startswith(folder)), key=len)


def _sheet(name: str) -> str:
    table, sheet = ALL_TABLES[name], SHEETS[name]
    anchor = "".join(sign for sign in table.path if sign.isalnum() or sign in "_-")
    row = f"{table.description[0].lower()}{table.description[1:]}"
    lines = [
        f"### {name}",
        "",
        f"[`{table.path}`](artifacts.md#{anchor}): one row is {row}",
        "",
        f"- Key: {_columns(sheet.key) if sheet.key else 'none, it has one row'}",
    ]
    for other in sheet.joins:
        lines.append(f"- Joins [{other}](#{other}) by {_columns(sheet.joins[other])}")
    lines += ["", sheet.question, "", "```python", code_of(name), "```", ""]
    return "\n".join(lines)


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
