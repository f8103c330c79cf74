"""What the explorer's page needs besides the units: layers, classes, networks, static files."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

PAGE = Path(__file__).resolve().with_name("static")


def layers(units: pl.DataFrame) -> list[dict[str, Any]]:
    """The layers in order, each with its kind and its number of units.

    Raises
    ------
    ValueError
        The units do not stand layer by layer, counted from 0: a fault in our code.
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
    """The names of the classes by their number; empty for one without an image."""
    names = dict(index.select("label", "class").unique().iter_rows())
    return [names.get(number, "") for number in range(max(names) + 1)]


def folder(coordinates: Mapping[str, Any]) -> str:
    """The name of a network: its folder below `networks/`."""
    return "{method}/{retraining}/rate{rate}/seed{seed}".format(**coordinates)


def overview(networks: Sequence[Mapping[str, Any]], table: pl.DataFrame) -> list[dict[str, Any]]:
    """What the page tells of each network: coordinates, accuracy, live units and mean score.

    Parameters
    ----------
    networks
        Coordinates, the rate as it stands in paths.
    table
        `networks.parquet`.
    """
    known = {
        folder(row | {"rate": f"{row['rate']:.2f}"}): row for row in table.iter_rows(named=True)
    }
    told = ("top1", "live_units", "mis_soft_live")
    named = [(folder(network), network) for network in networks]
    return [
        {**network, "name": name, **{key: known[name][key] for key in told}}
        for name, network in named
    ]


def page_files() -> dict[str, bytes]:
    """The parts of the page that are the same for all studies, by name."""
    return {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}


def page_digest() -> str:
    """SHA-256 of the parts of the page, so that a change of them makes it anew."""
    digest = hashlib.sha256()
    for name, content in page_files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
