"""Pages of tables: what they hold, and that nothing of a table becomes markup."""

from html.parser import HTMLParser

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.summarize import pages, study_tables

TABLE = Table(
    "results/{study}/tables/toy.parquet",
    "A toy.",
    {
        "study": Column(pl.String, "name of the study"),
        "kind": Column(pl.String, "`kind` of toy"),
        "share": Column(pl.Float64, "how much", "fraction", nullable=True),
        "number": Column(pl.Int64, "how many"),
    },
)
FRAME = pl.DataFrame(
    {
        "study": ["s", "s", "s"],
        "kind": ["<b>bold</b>", "plain", "plain"],
        "share": [0.123456, None, 1.0],
        "number": [1234, 2, 3],
    }
)


class Reader(HTMLParser):
    """Collects the cells of each row, the options, and what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.options: list[str] = []
        self.loaded: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.loaded += [value for key, value in attrs if key in ("src", "href") and value]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "option":
            self.options.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.inside == "option":
            self.options[-1] += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_a_page_holds_every_row_and_needs_no_other_file() -> None:
    reader = read(pages.table_page("Toys", FRAME, TABLE))
    assert reader.rows == [
        ["kind", "share", "number"],
        ["<b>bold</b>", "0.1235", "1,234"],
        ["plain", "", "2"],
        ["plain", "1", "3"],
    ]
    assert reader.options == ["all", "<b>bold</b>", "plain"]
    assert reader.loaded == []


def test_a_page_explains_its_columns() -> None:
    page = pages.table_page("Toys", FRAME, TABLE)
    assert "<h1>Toys of the study s</h1>" in page
    assert "<dt><b>share</b> (fraction)</dt><dd>how much</dd>" in page
    assert "results/s/tables/toy.parquet" in page


def test_a_config_is_shown_whole() -> None:
    page = pages.config_page("s", {"seeds": [0, 1], "study": "<s>"})
    assert "<h2>seeds</h2>\n<pre>[\n  0,\n  1\n]</pre>" in page
    assert "&lt;s&gt;" in page
    assert read(page).loaded == []


def test_the_real_tables_have_a_study_to_leave_out() -> None:
    for table in (study_tables.STATISTICS, study_tables.NETWORKS, study_tables.PUBLISHED):
        assert "study" in table.columns
