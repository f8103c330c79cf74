"""Write tables and the config as pages that open without a network and without other files.

All text from outside must pass through `escape`.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import polars as pl

from prunescope.foundation import provenance
from prunescope.foundation.tables import Table

STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 "Liberation Sans", Arial, Helvetica, sans-serif; margin: 24px; color: #222; }
h1 { font-size: 20px; } h2 { font-size: 16px; margin-top: 28px; }
p, dl { max-width: 72em; color: #444; }
pre { background: #f6f5f2; padding: 12px 16px; overflow-x: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12px; width: max-content; }
th, td { padding: 3px 10px; border-bottom: 1px solid #e4e4e4; }
th, td { text-align: left; vertical-align: top; max-width: 24em; }
th { position: sticky; top: 0; background: #fff; border-bottom: 2px solid #888; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
label { display: inline-block; max-width: 100%; margin-right: 18px; }
input, select { font: inherit; padding: 2px 6px; width: 24em; max-width: 100%; }
"""

# Hides the rows that do not match while the user types. All rows stay in the page, so that a
# browser can search and copy them.
FILTER = r"""
const words = document.getElementById("words");
const first = document.getElementById("first");
const shown = document.getElementById("shown");
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());
function filter() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let number = 0;
  rows.forEach((row, i) => {
    const fits = wanted.every((word) => texts[i].includes(word))
      && (first.value === "" || row.cells[0].textContent === first.value);
    row.hidden = !fits;
    number += fits;
  });
  shown.textContent = `${number.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
}
words.addEventListener("input", filter);
first.addEventListener("change", filter);
filter();
"""


def table_page(title: str, frame: pl.DataFrame, table: Table) -> str:
    """The page of a table, with a filter and the meanings of the columns.

    Parameters
    ----------
    title
        Heading of the page.
    frame
        At least one row of `table`, all of one study. The study is shown in the heading only.
    table
        The declaration: gives the meanings of the columns.
    """
    shown = frame.drop("study")
    first = shown.columns[0]
    options = "".join(
        f"<option>{escape(str(value))}</option>"
        for value in shown[first].unique(maintain_order=True)
    )
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in shown.columns)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown.iter_rows())
    meanings = "".join(
        f"<dt><b>{escape(name)}</b>{f' ({escape(column.unit)})' if column.unit else ''}</dt>"
        f"<dd>{escape(column.description.replace('`', ''))}</dd>"
        for name, column in table.columns.items()
        if name != "study"
    )
    path = table.path.format(study=frame["study"][0])
    return _page(
        f"{title} of the study {frame['study'][0]}",
        f"""<p>Each row: {escape(table.description)} The file with all digits: {escape(path)}.</p>
<p><label>Rows that contain <input id=words type=search></label>
<label>{escape(first)} <select id=first><option value="">all</option>{options}</select></label>
<span id=shown role=status></span></p>
<div class=wide><table><thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody></table></div>
<h2>Columns</h2>
<dl>{meanings}</dl>
{_provenance()}
<script>{FILTER}</script>""",
    )


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        return f"<td class=number>{value:.4g}</td>"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td class=number>{value:,}</td>"
    return f"<td>{escape(str(value))}</td>"


def config_page(study: str, config: Mapping[str, Any]) -> str:
    """The page of a study's whole config, section by section."""
    sections = "\n".join(
        f"<h2>{escape(key)}</h2>\n<pre>{escape(json.dumps(value, indent=2))}</pre>"
        for key, value in config.items()
    )
    return _page(f"Configuration of the study {study}", f"{sections}\n{_provenance()}")


def _provenance() -> str:
    """The provenance of the running job. Its params are left out: they may be the whole config."""
    described = {key: value for key, value in provenance.current().items() if key != "params"}
    return f"<h2>Made by</h2>\n<pre>{escape(json.dumps(described, indent=2))}</pre>"


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang=en>
<head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""
