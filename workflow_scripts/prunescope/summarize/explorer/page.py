"""Tell the explorer's page about the study: its layers, classes and networks; and its own files.

The page finds the data of a network by `Coordinates.name`, which `app.js` takes from `overview`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.networks.coordinates import Coordinates

STATIC = Path(__file__).resolve().with_name("static")


def layers(units: pl.DataFrame) -> list[dict[str, Any]]:
    """The layers in order, each with its kind and its number of units.

    Raises
    ------
    ValueError
        The rows are not ordered layer by layer with units counted from 0: a fault in our code.
    """
    found = units.group_by("layer", maintain_order=True).agg(
        type=pl.col("layer_type").first(), units=pl.len()
    )
    counted = [n for number in found["units"] for n in range(number)]
    names = [name for name, _, number in found.iter_rows() for _ in range(number)]
    if names != units["layer"].to_list() or counted != units["unit"].to_list():
        raise ValueError("units do not stand layer by layer, counted from 0")
    return found.rename({"layer": "name"}).to_dicts()


def classes(index: pl.DataFrame) -> list[str]:
    """The names of the classes, by class index; empty for a class without an image."""
    names = dict(index.select("label", "class").unique().iter_rows())
    return [names.get(number, "") for number in range(max(names) + 1)]


def overview(networks: Sequence[Coordinates], table: pl.DataFrame) -> list[dict[str, Any]]:
    """What the page shows of each network: coordinates, accuracy, live units and mean score.

    Parameters
    ----------
    networks
        The networks, in the order in which the page lists them.
    table
        `study_tables.NETWORKS` with a row for each of them.
    """
    rows = {Coordinates.from_row(row): row for row in table.iter_rows(named=True)}
    shown = ("top1", "live_units", "mis_soft_live")
    return [
        {**vars(network), "name": network.name, **{key: rows[network][key] for key in shown}}
        for network in networks
    ]


def groups(table: pl.DataFrame, units: pl.DataFrame) -> list[dict[str, Any]]:
    """What the page shows of the groups of channels that have units.

    Parameters
    ----------
    table
        `group_tables.CHANNEL_GROUPS`.
    units
        Has a column `layer`: the layers whose units the page shows.

    Returns
    -------
    list
        A group has `number`, `pieces`, `left_whole` and `places`: rows of the table, each with
        `piece` (the first one), `pieces`, `side`, `name`, `first`, `size` and `step`.
    """
    shown = set(units["layer"].str.replace(r"@\d+$", ""))
    found = []
    for (number,), rows in table.group_by("group", maintain_order=True):
        makers = set(rows.filter(pl.col("side") == "out")["name"])
        if makers & shown:
            places = rows.select(
                "side", "name", "first", "size", "step", piece="first_piece", pieces="row_pieces"
            )
            facts = rows.select("pieces", "left_whole").row(0, named=True)
            found.append({"number": number, **facts, "places": places.to_dicts()})
    return found


def trivial_overview(units: pl.DataFrame) -> list[dict[str, Any]]:
    """What the page shows of each trivial unit: its place in the table, name, kind and score.

    Parameters
    ----------
    units
        `trivial_units.TRIVIAL_UNITS`; constant units are left out.
    """
    live = units.with_row_index("place").filter(~pl.col("constant"))
    return live.select("place", "kind", "mis_soft", name="unit").to_dicts()


def page_files() -> dict[str, bytes]:
    """The parts of the page that are the same for all studies, by name."""
    return {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()}


def page_digest() -> str:
    """SHA-256 of `page_files`: a param of the rule, so that a change of the page rebuilds it."""
    digest = hashlib.sha256()
    for name, content in page_files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
