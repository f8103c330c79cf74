"""Save charts as pages, pictures and specifications.

The same chart must give the same bytes in every run, so nothing here may depend on time or order.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt

from prunescope.foundation import provenance, whole_files
from prunescope.summarize.charts.theme import ChartSettings


@dataclass(frozen=True)
class ExplorerFolders:
    """Where a page with a chart finds the unit explorer: folders, relative to that of the page.

    Attributes
    ----------
    beside
        Among the results of the study.
    in_report
        In Snakemake's report, where every page lies in a folder of its own.
    """

    beside: str
    in_report: str

    @classmethod
    def of(cls, page: str) -> "ExplorerFolders":
        """Of a study's charts; `page` is the way in a report from one page to the explorer's."""
        return cls("../explorer", page.rpartition("/")[0])


def save(
    chart: alt.TopLevelMixin,
    outputs: Mapping[str, str | Path],
    settings: ChartSettings,
    caption: str = "",
    explorer: ExplorerFolders | None = None,
) -> None:
    """Write a chart to files, each whole or not at all, with the running job's provenance.

    The same chart gives the same bytes in every run on one machine. The HTML page contains the
    code that draws it, so it opens without a network; on a narrow screen, it has one panel below
    the other. The specification (JSON and HTML) holds the provenance under `usermeta.prunescope`.

    Only the HTML page knows where it is, so only its points lead to networks in the explorer.

    Parameters
    ----------
    chart
        What a function of `all_charts.CHARTS` returned.
    outputs
        Path of the file by its format: `html`, `svg`, `png` or `json` (Vega-Lite).
    settings
        Gives the resolution of the PNG.
    caption
        What the chart shows, in words. It follows the title in the chart's description, which
        screen readers read aloud.
    explorer
        Where the points of the page lead, if they have links. Without it they lead nowhere.

    Raises
    ------
    ValueError
        A format is not one of the four.
    """
    stamped: Any = chart
    stamped = stamped.copy(deep=False)
    if caption:
        stamped.description = f"{stamped.description}. {caption}"
    stamped.usermeta = {provenance.KEY: provenance.current()}
    plain = _without_links(stamped)
    for kind, path in outputs.items():
        if kind not in _SAVE_OPTIONS:
            raise ValueError(f"{kind}: charts are saved as {', '.join(_SAVE_OPTIONS)}")
        options = dict(_SAVE_OPTIONS[kind])
        if kind == "png":
            options["scale_factor"] = settings.png_scale
        linked = kind == "html" and explorer is not None
        with whole_files.atomic(path) as temporary:
            (stamped if linked else plain).save(str(temporary), format=kind, **options)
            if kind == "html":
                page = temporary.read_text(encoding="utf-8")
                temporary.write_text(_fitted(page, explorer), encoding="utf-8")


def _without_links(chart: Any) -> Any:
    """A copy of a chart whose points lead nowhere."""
    plain = chart.copy(deep=True)
    for part in _parts(plain):
        if "href" in getattr(part.encoding, "_kwds", {}):
            part.encoding.href = alt.Undefined
    return plain


def _parts(chart: Any) -> Iterator[Any]:
    """The charts with marks that a chart consists of."""
    found = [getattr(chart, name, None) for name in ("layer", "concat", "hconcat", "vconcat")]
    inner = [part for parts in found if isinstance(parts, list) for part in parts]
    for part in inner:
        yield from _parts(part)
    if not inner:
        yield chart


# Text at the size at which it was set, and nothing wider than the screen.
_HEAD = """<head>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <style>
    #vis svg { max-width: 100%; height: auto; }
    #explained { margin: 0 12px 12px; font: 13px sans-serif; color: #555555; }
  </style>"""
_DRAW = "vegaEmbed('#vis', spec, embedOpt)"
# SVG, because a picture of pixels that is made smaller does not tell where a mouse is.
_FIT = """if (innerWidth < 700) {
    if (spec.concat) spec.columns = 1;
    for (const {layer} of spec.concat ?? []) {
      for (const {encoding} of layer ?? []) {
        if (encoding?.y?.axis?.labels === false) encoding.y.axis.labels = true;
      }
    }
    if (spec.hconcat) {
      spec.vconcat = spec.hconcat;
      delete spec.hconcat;
    }
    spec.config.legend = {...spec.config.legend, orient: "bottom", direction: "vertical"};
    if (spec.title?.subtitle) {
      spec.title.subtitle = spec.title.subtitle.flatMap((line) => line.split(" \u00b7 "));
    }
  }
  embedOpt.renderer = "svg";
"""
_LINK = """  embedOpt.loader = {baseURL: location.pathname.includes("/data/raw/") ? %s : %s};
"""
_EXPLAINED = """<p id="explained">A point leads to its network in the unit explorer.</p>
</body>"""


def _fitted(page: str, explorer: ExplorerFolders | None) -> str:
    """The page of a chart made to fit a screen, with links that find the explorer.

    Raises
    ------
    ValueError
        The page is not as Altair makes it: a fault in our code, after an upgrade.
    """
    script = f"{_FIT}  {_DRAW}"
    changes = {"<head>": _HEAD, _DRAW: script}
    if explorer is not None and '"href"' in page.rpartition("const spec = ")[2]:
        folders = (json.dumps(explorer.in_report), json.dumps(explorer.beside))
        changes |= {_DRAW: f"{_FIT}{_LINK % folders}  {_DRAW}", "</body>": _EXPLAINED}
    for old, new in changes.items():
        before, found, after = page.partition(old) if old == "<head>" else page.rpartition(old)
        if not found:
            raise ValueError(f"the page of a chart has no {old}")
        page = before + new + after
    return page


class _InPage(json.JSONEncoder):
    """JSON inside a script of a page: no text in it can end the script."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c")


_SAVE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "html": {
        "inline": True,
        # No link to the online editor, because it needs a network.
        "embed_options": {"actions": {"export": True, "source": True, "editor": False}},
        "json_kwds": {"sort_keys": True, "cls": _InPage},
    },
    "svg": {},
    "png": {},
    "json": {"json_kwds": {"sort_keys": True, "indent": 2}},
}
