"""The table of the groups of channels of a study's architecture."""

from collections.abc import Iterable

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.architecture_files import Carried, Group, Member
from prunescope.prune.channel_groups import ChannelGroup

CARRIED = "carried"
CHANNEL_GROUPS = Table(
    "results/{study}/tables/channel_groups.parquet",
    "A place where pieces of a group of channels lie: outputs or inputs of a layer, or numbers of "
    "a parameter. Only where a method has the granularity `channel_group`.",
    {
        "group": Column(pl.Int32, "number of the group, from 0, in the order of the layers"),
        "pieces": Column(pl.Int32, "pieces of the group: what can go by itself"),
        "left_whole": Column(pl.String, "why no piece may be pruned; empty if pieces may"),
        "kinds": Column(
            pl.String,
            "kinds of the layers that make the channels, separated by commas; a method that does "
            "not prune all of them leaves the group whole",
        ),
        "first_piece": Column(pl.Int32, "number of the first piece that the row tells of, from 0"),
        "row_pieces": Column(pl.Int32, "how many pieces the row tells of, one after the other"),
        "side": Column(
            pl.String,
            "`out`: the layer makes the channels; `in`: it reads them; `carried`: a parameter that "
            "belongs to no layer has numbers for them",
        ),
        "name": Column(pl.String, "name of the layer or parameter"),
        "operation": Column(
            pl.String, "the steps in which a parameter meets the channels", nullable=True
        ),
        "axis": Column(pl.Int8, "the axis of a parameter along which they lie", nullable=True),
        "first": Column(pl.Int32, "where the first of these pieces begins, in channels from 0"),
        "size": Column(pl.Int32, "channels of a piece here"),
        "step": Column(pl.Int32, "channels from the beginning of a piece to that of the next"),
    },
)


def rows(groups: Iterable[ChannelGroup]) -> pl.DataFrame:
    """The table of some groups, in their order."""
    made = [
        {
            "group": number,
            "pieces": group.pieces,
            "left_whole": group.whole,
            "kinds": ", ".join(group.kinds),
            "first_piece": first,
            "row_pieces": run.pieces,
            **_place(one),
            "first": one.first,
            "size": one.size,
            "step": one.step,
        }
        for number, group in enumerate(groups)
        for first, run in group.first_pieces()
        for one in _places(run)
    ]
    columns = {name: column.dtype for name, column in CHANNEL_GROUPS.columns.items()}
    return pl.DataFrame(made, schema=columns)


def _places(run: Group) -> list[Member | Carried]:
    return [*run.members, *run.carried]


def _place(one: Member | Carried) -> dict[str, str | int | None]:
    if isinstance(one, Member):
        return {"side": one.side, "name": one.layer, "operation": None, "axis": None}
    return {
        "side": CARRIED, "name": one.parameter, "operation": one.operation, "axis": one.axis,
    }  # fmt: skip
