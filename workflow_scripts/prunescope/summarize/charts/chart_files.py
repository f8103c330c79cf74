"""Save charts as pages, pictures and specifications.

The same chart must give the same bytes in every run, so nothing here may depend on time or order.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt

from prunescope.foundation import provenance, whole_files
from prunescope.summarize.charts.theme import ChartSettings


def save(
    chart: alt.TopLevelMixin,
    outputs: Mapping[str, str | Path],
    settings: ChartSettings,
    caption: str = "",
) -> None:
    """Write a chart to files, each whole or not at all, with the running job's provenance.

    The same chart gives the same bytes in every run on one machine. The HTML page contains the
    code that draws it, so it opens without a network. The specification (JSON and HTML) holds the
    provenance under `usermeta.prunescope`.

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
    for kind, path in outputs.items():
        if kind not in _SAVE_OPTIONS:
            raise ValueError(f"{kind}: charts are saved as {', '.join(_SAVE_OPTIONS)}")
        options = dict(_SAVE_OPTIONS[kind])
        if kind == "png":
            options["scale_factor"] = settings.png_scale
        with whole_files.atomic(path) as temporary:
            stamped.save(str(temporary), format=kind, **options)


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
