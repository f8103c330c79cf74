"""Published numbers: the file that is shipped, the matching by hand, and files that are refused."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from prunescope.foundation import tables
from prunescope.foundation.errors import InputError
from prunescope.summarize import published, study_tables

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "resources" / "published_results.csv"
HEADER = ",".join(published.SCHEMA)
ROWS = """\
1,structured,none,,,0.2,,top1,0.30,structured,none,0.2,
5,structured,none,,,0.2,0.19,mis_soft,0.70,structured,none,0.2,of live units
5,structured,none,,,0.2,0.19,mis_hard,0.75,structured,none,0.2,
2,structured,one_shot,sgd,2,0.2,,top1_after_epoch,0.50,structured,long,0.2,
2,structured,one_shot,sgd,3,0.2,,top1_after_epoch,0.52,structured,long,0.2,
3,structured,iterative,sgd,50,,0.442,top1_before_retraining,0.10,structured,long,0.2,
3,structured,iterative,sgd,50,,0.442,top1,0.60,structured,long,0.2,
4,other,none,,,0.2,,top1,0.20,other,none,0.2,
5,dense,none,,,0,0,mis_soft,0.699678,,,,of another network
"""
# method, retraining, rate, seed, top1, mis_soft_live, mis_hard_live
NETWORKS = [
    ("structured", "none", 0.2, 0, 0.30, 0.80, None),
    ("structured", "none", 0.2, 1, 0.40, 0.60, 0.9),
    ("structured", "none", 0.4, 0, 0.99, 0.99, 0.99),
    ("structured", "long", 0.2, 0, 0.70, 0.50, 0.50),
    ("dense", "none", 0.0, 0, 0.90, 0.90, 0.90),
]
# seed, epoch, validation_top1, of structured/long/0.2
EPOCHS = [(0, 0, 0.2), (0, 1, 0.3), (0, 2, 0.4), (1, 0, 0.4), (1, 1, 0.5), (1, 2, 0.8)]


def conformed(table: tables.Table, rows: list[dict]) -> pl.DataFrame:
    blank = dict.fromkeys(table.columns, 0) | {"study": "toy"}
    schema = {key: column.dtype for key, column in table.columns.items()}
    return pl.DataFrame([blank | row for row in rows], schema=schema, strict=False)


def networks() -> pl.DataFrame:
    keys = ("method", "retraining", "rate", "seed", "top1", "mis_soft_live", "mis_hard_live")
    return conformed(study_tables.NETWORKS, [dict(zip(keys, row, strict=True)) for row in NETWORKS])


def history() -> pl.DataFrame:
    place = {"method": "structured", "retraining": "long", "rate": 0.2}
    keys = ("seed", "epoch", "validation_top1")
    return conformed(
        study_tables.HISTORIES, [place | dict(zip(keys, row, strict=True)) for row in EPOCHS]
    )


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.csv"
    path.write_text(f"{HEADER}\n{ROWS}")
    return path


def test_every_number_is_compared_with_the_mean_over_seeds(numbers: Path) -> None:
    rows = published.compare(published.read(numbers), networks(), history())
    assert rows["quantity"].to_list() == [line.split(",")[7] for line in ROWS.splitlines()]
    expected = [
        (0.30, 0.35, 0.05, 2),
        (0.70, 0.70, 0.00, 2),
        (0.75, 0.90, 0.15, 1),  # one of the two networks has no score
        (0.50, 0.60, 0.10, 2),
        (0.52, None, None, 0),  # trained for two epochs only
        (0.10, 0.30, 0.20, 2),
        (0.60, 0.70, 0.10, 1),
        (0.20, None, None, 0),
        (0.699678, None, None, 0),  # not ours, though the study has a dense network
    ]
    for row, values in zip(
        rows.select("published", "ours", "difference", "seeds").rows(), expected, strict=True
    ):
        assert row == pytest.approx(values)


def test_rates_and_epochs_are_read(numbers: Path) -> None:
    frame = published.read(numbers)
    assert frame["rate"].to_list() == [0.2, 0.2, 0.2, 0.2, 0.2, 0.442, 0.442, 0.2, 0]
    assert frame["epoch"].to_list() == [None, None, None, 2, 3, None, None, None, None]
    assert frame["note"].to_list()[:2] == ["", "of live units"]


def test_the_script_writes_the_declared_table(numbers: Path, tmp_path: Path) -> None:
    study_tables.NETWORKS.write(networks(), tmp_path / "networks.parquet")
    study_tables.HISTORIES.write(history(), tmp_path / "history.parquet")
    script: dict = {"__name__": "compare_published"}
    source = ROOT / "workflow_scripts" / "compare_published.py"
    exec(compile(source.read_text(encoding="utf-8"), source.name, "exec"), script)
    script["main"](
        SimpleNamespace(
            input=SimpleNamespace(
                published=numbers,
                networks=tmp_path / "networks.parquet",
                history=tmp_path / "history.parquet",
            ),
            output=SimpleNamespace(
                published=tmp_path / "published.parquet", page=tmp_path / "published.html"
            ),
            params=SimpleNamespace(study="toy"),
        )
    )
    written = study_tables.PUBLISHED.read(tmp_path / "published.parquet")
    assert written["study"].unique().to_list() == ["toy"]
    assert written["ours"].null_count() == 3
    assert "Published numbers beside ours" in (tmp_path / "published.html").read_text()


# --- the shipped file ------------------------------------------------------------------------


def test_the_shipped_numbers_are_whole() -> None:
    frame = published.read(SHIPPED)
    assert len(frame) == 138
    assert frame["figure"].unique().sort().to_list() == [1, 2, 3, 4, 5]
    by_figure = dict(frame.group_by("figure").agg(pl.len()).rows())
    # Nine rates; 60 epochs; five steps, before and after; 28 pruned and the dense network; 28
    # pruned networks and the dense one twice.
    assert by_figure == {1: 9, 2: 60, 3: 10, 4: 29, 5: 30}


def test_every_shipped_number_but_the_dense_scores_has_a_counterpart() -> None:
    frame = published.read(SHIPPED)
    alone = frame.filter(pl.col("our_method").is_null())
    assert alone.select("method", "quantity", "value").rows() == [
        ("dense", "mis_soft", 0.699678),
        ("dense", "mis_hard", 0.740777),
    ]
    keys = ["our_method", "our_retraining", "our_rate", "quantity", "epoch"]
    matched = frame.filter(pl.col("our_method").is_not_null())
    # Global pruning without retraining stands in figure 1 only: no number is given twice.
    assert matched.select(keys).is_unique().all()


def test_steps_of_the_shipped_iteration_are_40_percent_of_the_remainder() -> None:
    frame = published.read(SHIPPED).filter(figure=3, quantity="top1")
    expected = [round(1 - 0.6**step, 2) for step in range(1, 6)]
    assert frame["our_rate"].to_list() == expected


def test_no_placeholders_are_shipped() -> None:
    frame = published.read(SHIPPED)
    runs = frame["value"].rle().struct.unnest()
    assert runs.filter(pl.col("value") == 0.7)["len"].max() == 1


# --- files that are refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("figure,method", "figure,methods", "columns"),
        (",top1,0.30,", ",top2,0.30,", "metric 'top2'; known: top1, mis_soft"),
        (",top1,0.30,", ",top1,30,", "value 30.0 is no fraction"),
        (",top1,0.30,", ",top1,,", "empty cells in value"),
        (",top1,0.30,structured,none,", ",top1,0.30,structured,,", "together, or none"),
        (",sgd,2,0.2,", ",sgd,,0.2,", "`epochs` is empty for a top1_after_epoch"),
        (",top1,0.30,", ",top1,much,", "could not parse `much`"),
    ],
)
def test_a_bad_file_is_refused(numbers: Path, old: str, new: str, said: str) -> None:
    text = numbers.read_text()
    assert old in text
    numbers.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        published.read(numbers)
    message = str(refused.value)
    assert message.startswith(f"{numbers}: no table of published numbers: ")
    assert said in message
    assert "resources/README.md" in message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")
    with pytest.raises(InputError, match="no table of published numbers"):
        published.read(path)
