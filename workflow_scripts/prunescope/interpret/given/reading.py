"""Read the tables of a study whose scores were made elsewhere, and check that they fit together.

Every network must have the same units, so that the same units are compared, and every network must
have a partner that it is compared with.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from prunescope.interpret.given import columns
from prunescope.interpret.given.columns import ROW, Cell, GivenFile
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.networks.coordinates import (
    COORDINATES,
    DENSE,
    ITERATIVE,
    NOT_RETRAINED,
    UNTRAINED,
    Coordinates,
)

UNIT = ("layer", "unit")
LAYER_TYPES = ("conv2d", "linear", "hidden")
# Whether retrained networks must have a dense network that was retrained alike.
REQUIRED, OPTIONAL = "required", "optional"
_NAME = Cell(
    "a name: lower-case letters, digits and underscores, beginning with a letter",
    lambda value: value.str.contains(r"^[a-z][a-z0-9_]{0,99}$"),
)
_SCORE = Cell("a number from 0 to 1", lambda value: value.is_between(0, 1))
# Rates name networks with two decimals.
_RATE = Cell(
    "a number from 0 to below 1 with at most two decimals",
    lambda value: value.is_between(0, 1, closed="left") & ((value - value.round(2)).abs() < 1e-6),
)
_COORDINATES: Mapping[str, Cell] = {
    "method": _NAME,
    "retraining": _NAME,
    "rate": _RATE,
    "seed": Cell("a whole number, 0 or more", lambda value: value >= 0),
}
UNITS: Mapping[str, Cell] = {
    **_COORDINATES,
    "layer": Cell("the name of a layer", lambda value: value.str.len_chars() > 0),
    "layer_type": Cell("`conv2d`, `linear` or `hidden`", lambda value: value.is_in(LAYER_TYPES)),
    "unit": Cell("a whole number, 0 or more", lambda value: value >= 0),
    "constant": Cell("`true` or `false`", lambda value: value.is_not_null(), default=False),
    "mis_soft": _SCORE,
    "mis_hard": _SCORE,
}
NETWORKS: Mapping[str, Cell] = {
    **_COORDINATES,
    "top1": Cell("a fraction from 0 to 1", lambda value: value.is_between(0, 1)),
    "images": Cell("a whole number above 0", lambda value: value > 0, default=None),
}


def read(
    units: str | Path, networks: str | Path | None = None, *, partners: bool = True
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the units, and the accuracy of their networks where it is given.

    Parameters
    ----------
    units
        A CSV or Parquet file with the columns `UNITS`.
    networks
        One with the columns `NETWORKS`; None if nothing is known of accuracy.
    partners
        Whether a retrained network must have a dense network that was retrained alike, where dense
        networks are given.

    Returns
    -------
    tuple of polars.DataFrame
        `GIVEN_UNITS` and `GIVEN_NETWORKS`, in the order of the file of units.

    Raises
    ------
    InputError
        A file cannot be read, a cell is wrong, or rows do not fit together. The message names the
        file and the row.
    """
    given = columns.read(units, GIVEN_UNITS, UNITS)
    given = GivenFile(given.path, given.frame.with_columns(pl.col("rate").round(2)))
    _check_names(given)
    _check_doubled(given, (*COORDINATES, *UNIT), "this unit")
    _check_layers(given)
    _check_units(given)
    _check_partners(given)
    if partners:
        _check_retrained(given)
    known = given.frame.select(COORDINATES).unique(maintain_order=True)
    accuracy = known.with_columns(top1=pl.lit(None), images=pl.lit(None))
    if networks is not None:
        accuracy = known.join(
            _accuracy(columns.read(networks, GIVEN_NETWORKS, NETWORKS), given),
            on=COORDINATES,
            how="left",
            maintain_order="left",
        )
    return GIVEN_UNITS.conform(given.frame), GIVEN_NETWORKS.conform(accuracy)


def _name(row: Mapping[str, object]) -> str:
    """A network in words, as folders of networks are named."""
    return Coordinates.from_row(row).name


def _first_rows(given: GivenFile) -> list[dict]:
    """The first row of each network."""
    return given.frame.unique(COORDINATES, keep="first", maintain_order=True).to_dicts()


def _check_names(given: GivenFile) -> None:
    """Networks of a name that has a meaning must be what the name says."""
    for row in _first_rows(given):
        method, retraining, rate = row["method"], row["retraining"], row["rate"]
        if method == UNTRAINED and retraining != NOT_RETRAINED:
            raise given.error(
                row[ROW],
                f"the untrained network has the retraining `{retraining}`. Write `{NOT_RETRAINED}`",
            )
        # A chain of dense networks stands at the rates of the networks that it is the partner of.
        if method in (DENSE, UNTRAINED) and retraining != ITERATIVE and rate != 0:
            raise given.error(
                row[ROW],
                f"nothing is pruned from `{method}`, but its rate is {rate} ({_name(row)}). Write "
                f"0; only a dense network that was retrained `{ITERATIVE}` stands at a rate",
            )
        if method not in (DENSE, UNTRAINED) and rate == 0:
            raise given.error(
                row[ROW],
                f"the rate of a pruned network ({_name(row)}) is 0. Networks of which nothing is "
                f"pruned have the method `{DENSE}`; give others the rate that was pruned",
            )


def _check_doubled(given: GivenFile, key: tuple[str, ...], what: str) -> None:
    again = given.frame.filter(~pl.struct(key).is_first_distinct())
    if again.is_empty():
        return
    row = again.row(0, named=True)
    first = given.frame.filter(pl.col(name) == row[name] for name in key)[ROW][0]
    unit = f", layer {row['layer']}, unit {row['unit']}" if "unit" in key else ""
    raise given.error(
        row[ROW],
        f"{what} stands a second time ({_name(row)}{unit}); the first time in "
        f"{given.numbered(first)}. Remove "
        "one of the two",
    )


def _check_layers(given: GivenFile) -> None:
    """Every network must have every layer, of the same kind."""
    frame = given.frame
    networks = frame.select(COORDINATES).unique(maintain_order=True)
    layers = frame.unique([*COORDINATES, "layer"], keep="first", maintain_order=True)
    counts = layers.group_by("layer", maintain_order=True).agg(
        pl.len(), pl.col(ROW).first(), pl.col("layer_type").n_unique().alias("types")
    )
    for layer, number, row, _ in counts.filter(pl.col("len") < networks.height).iter_rows():
        own = layers.filter(layer=layer)
        lacking = networks.join(own, on=COORDINATES, how="anti", maintain_order="left")
        where = (
            f"is only in the network {_name(own.row(0, named=True))}"
            if number == 1
            else f"is in {number} of {networks.height} networks"
        )
        raise given.error(
            row,
            f"the layer {layer} {where}, not in {_name(lacking.row(0, named=True))}. Networks are "
            "compared unit by unit: give it in all of them, or in none",
        )
    for row in frame.join(layers.unique("layer", keep="first"), on="layer", suffix="_first").filter(
        pl.col("layer_type") != pl.col("layer_type_first")
    ).sort(ROW).head(1).to_dicts():  # fmt: skip
        raise given.error(
            row[ROW],
            f"the layer {row['layer']} is `{row['layer_type']}`, but `{row['layer_type_first']}` "
            f"in {given.numbered(row[f'{ROW}_first'])}. A layer is of one kind in all networks",
        )


def _check_units(given: GivenFile) -> None:
    """Every network must have every unit."""
    networks = given.frame.select(COORDINATES).unique(maintain_order=True)
    counts = given.frame.group_by(UNIT, maintain_order=True).agg(pl.len(), pl.col(ROW).first())
    for layer, unit, _, row in counts.filter(pl.col("len") < networks.height).iter_rows():
        having = given.frame.filter(layer=layer, unit=unit)
        lacking = networks.join(having, on=COORDINATES, how="anti", maintain_order="left")
        raise given.error(
            row,
            f"the unit {unit} of the layer {layer} is in the network "
            f"{_name(having.row(0, named=True))}, but missing in "
            f"{_name(lacking.row(0, named=True))}. Give it there too; a unit that was pruned away "
            "has `constant` true",
        )


def _check_partners(given: GivenFile) -> None:
    """Every pruned network needs one to be compared with, of the same kind in all runs.

    That is the dense network of the run. Where no run has one, it is the network of the lowest
    rate of the same method and retraining.
    """
    rows = _first_rows(given)
    dense = {
        row["seed"] for row in rows if (row["method"], row["retraining"]) == (DENSE, NOT_RETRAINED)
    }
    pruned = [row for row in rows if row["method"] not in (DENSE, UNTRAINED)]
    if dense:
        for row in rows:
            if row["seed"] not in dense:
                raise given.error(
                    row[ROW],
                    f"the network {_name(row)} has no partner: its run (seed {row['seed']}) has no "
                    f"dense network, but that of seed {min(dense)} has one. Give the dense network "
                    "of every run, or of none",
                )
        return
    for row, problem in _without_lower(pruned):
        raise given.error(
            row[ROW],
            f"the network {_name(row)} has no partner: no dense network is given, and {problem}. "
            f"Give the dense network (method `{DENSE}`, retraining `{NOT_RETRAINED}`, rate 0), or "
            "a lower rate",
        )


def _check_retrained(given: GivenFile) -> None:
    """Where there are dense networks, retrained networks need one that was retrained alike."""
    rows = _first_rows(given)
    known = {Coordinates.from_row(row) for row in rows}
    if not any(network.is_dense for network in known):
        return
    for row in rows:
        network = Coordinates.from_row(row)
        if network.method in (DENSE, UNTRAINED) or network.retraining == NOT_RETRAINED:
            continue
        if network.control not in known and network.chain_control not in known:
            raise given.error(
                row[ROW],
                f"the network {_name(row)} has no partner: no dense network that was retrained "
                f"alike is given. Give its units (method `{DENSE}`, retraining "
                f"`{network.retraining}`, rate 0, seed {network.seed}). Or set "
                "unit_scores.partners to `optional`: such networks then get no verdict",
            )


def _without_lower(pruned: list[dict]) -> Iterator[tuple[dict, str]]:
    """The networks without one of a lower rate, where each chain of rates must have two."""
    for row in pruned:
        kind = [other for other in pruned if _chain(other) == _chain(row)]
        own = {other["rate"] for other in kind if other["seed"] == row["seed"]}
        lowest = min(other["rate"] for other in kind)
        if len(own) == 1:
            yield (
                row,
                f"no other rate of {row['method']}, {row['retraining']} is given in its run",
            )
        elif min(own) != lowest:
            yield row, f"its run lacks the lowest rate of other runs, {lowest}"


def _chain(row: Mapping[str, object]) -> tuple[object, object]:
    return row["method"], row["retraining"]


def _accuracy(given: GivenFile, units: GivenFile) -> pl.DataFrame:
    """The accuracy of every network of the file of units."""
    given = GivenFile(given.path, given.frame.with_columns(pl.col("rate").round(2)))
    _check_doubled(given, COORDINATES, "this network")
    networks = units.frame.select(COORDINATES).unique(maintain_order=True)
    unknown = given.frame.join(networks, on=COORDINATES, how="anti", maintain_order="left")
    for row in unknown.head(1).to_dicts():
        raise given.error(
            row[ROW],
            f"the network {_name(row)} has no units in {units.path}. Remove this row, or give its "
            "units",
        )
    lacking = networks.join(given.frame, on=COORDINATES, how="anti", maintain_order="left")
    for row in lacking.join(units.frame, on=COORDINATES, maintain_order="left").head(1).to_dicts():
        raise units.error(
            row[ROW],
            f"the network {_name(row)} is not in {given.path}. Add a row there; its accuracy may "
            "be empty",
        )
    return given.frame.drop(ROW)
