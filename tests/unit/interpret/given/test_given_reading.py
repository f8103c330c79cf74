"""Scores that were made elsewhere: good tables are read, each bad one has one clear error."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from prunescope.foundation.errors import InputError
from prunescope.interpret.given import columns, reading
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS

HEADER = "method,retraining,rate,seed,layer,layer_type,unit,constant,mis_soft,mis_hard"
NETWORKS = [("dense", "none", 0.0, 0), ("filters", "none", 0.2, 0), ("filters", "none", 0.4, 0)]
LAYERS = [("first", "conv2d", 0), ("first", "conv2d", 1), ("last", "linear", 0)]
LINES = [
    f"{method},{retraining},{rate},{seed},{layer},{kind},{unit},false,0.7,0.8"
    for (method, retraining, rate, seed), (layer, kind, unit) in product(NETWORKS, LAYERS)
]
ACCURACY = ["method,retraining,rate,seed,top1,images"] + [
    f"{method},{retraining},{rate},{seed},0.5,100" for method, retraining, rate, seed in NETWORKS
]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that writes lines into a file of the current folder."""
    monkeypatch.chdir(tmp_path)

    def put(lines: list[str], name: str = "units.csv") -> Path:
        path = Path(name)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return put


def changed(line: int, old: str, new: str) -> list[str]:
    """The lines of a good file, one of them changed."""
    lines = [HEADER, *LINES]
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return lines


def test_a_good_file_is_read(write: Callable[..., Path]) -> None:
    units, networks = reading.read(write([HEADER, *LINES]), write(ACCURACY, "networks.csv"))
    assert units.columns == list(GIVEN_UNITS.columns)
    assert units["rate"].to_list() == [0.0] * 3 + [0.2] * 3 + [0.4] * 3
    assert networks.columns == list(GIVEN_NETWORKS.columns)
    assert networks["top1"].to_list() == [0.5] * 3
    assert networks["images"].to_list() == [100] * 3


def test_accuracy_may_be_left_out(write: Callable[..., Path]) -> None:
    path = write([HEADER, *LINES])
    _, networks = reading.read(path)
    assert networks["top1"].to_list() == [None] * 3
    some = [line.replace("0.5,100", ",") for line in ACCURACY]
    _, networks = reading.read(path, write(some, "networks.csv"))
    assert networks["images"].to_list() == [None] * 3


def test_the_column_constant_may_be_left_out(write: Callable[..., Path]) -> None:
    lines = [line.replace(",constant", "").replace(",false", "") for line in [HEADER, *LINES]]
    units, _ = reading.read(write(lines))
    assert not units["constant"].any()


def test_parquet_is_read_alike(write: Callable[..., Path]) -> None:
    of_csv, _ = reading.read(write([HEADER, *LINES]))
    # As other programs write numbers.
    of_csv.with_columns(
        pl.col("rate").cast(pl.Float32), pl.col("seed", "unit").cast(pl.Int64)
    ).write_parquet("units.parquet")
    of_parquet, _ = reading.read("units.parquet")
    assert of_parquet.equals(of_csv)
    of_csv.with_columns(mis_soft=pl.lit(1.5)).write_parquet("bad.parquet")
    with pytest.raises(InputError, match=r"bad\.parquet, row 1: `mis_soft` is 1\.5"):
        reading.read("bad.parquet")


@pytest.mark.parametrize("end", ["", "\n", "\n  \n\n", "\r\n\r\n"])
def test_blank_lines_are_skipped(end: str, tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("\n".join(["", HEADER, *LINES[:4], "", *LINES[4:]]) + end, newline="")
    units, _ = reading.read(path)
    assert len(units) == 9


def test_errors_name_the_line_of_the_file(write: Callable[..., Path]) -> None:
    """Whatever blank lines and line breaks in quotation marks stand before it."""
    wrong = changed(6, "0.7", "1.7")
    path = write(["", "", *wrong[:3], "", *wrong[3:]])
    assert path.read_text().splitlines()[8] == wrong[5]
    with pytest.raises(InputError, match=r"units\.csv, line 9: `mis_soft` is '1\.7'"):
        reading.read(path)
    broken = [line.replace("first", '"fi\nrst"') for line in wrong]
    path = write(broken)
    (line,) = (n for n, text in enumerate(path.read_text().splitlines(), 1) if "1.7" in text)
    # The row begins in the line before.
    with pytest.raises(InputError, match=rf"units\.csv, line {line - 1}: `mis_soft` is '1\.7'"):
        reading.read(path)
    path = write(["", HEADER.replace("mis_hard", "hard"), *LINES])
    with pytest.raises(InputError, match=r"units\.csv, line 2: lacks the column `mis_hard`"):
        reading.read(path)
    again = ["", *LINES[:1], "", LINES[0]]
    with pytest.raises(InputError, match=r"line 5: this unit stands a .* first time in line 3\."):
        reading.read(write([HEADER, *again]))


def test_long_files_are_read_in_parts(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(changed(9, "0.7", "1.7"))
    monkeypatch.setattr(columns, "_AT_ONCE", 2)
    with pytest.raises(InputError, match="line 9: `mis_soft`"):
        reading.read(path)
    units, _ = reading.read(write([HEADER, *LINES]))
    assert len(units) == 9


def test_the_mark_of_utf_8_is_no_part_of_the_header(write: Callable[..., Path]) -> None:
    path = write([HEADER, *LINES])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(reading.read(path)[0]) == 9


def test_only_files_named_parquet_are_parquet(write: Callable[..., Path]) -> None:
    units, _ = reading.read(write([HEADER, *LINES], "units.pq"))
    assert len(units) == 9
    units.write_parquet("units.PARQUET")
    assert reading.read("units.PARQUET")[0].equals(units)


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.UInt8])
def test_numbers_of_constant_are_0_or_1(write: Callable[..., Path], kind: pl.DataType) -> None:
    units, _ = reading.read(write([HEADER, *LINES]))
    given = pl.Series("constant", [1, 0, 0] * 3).cast(kind)
    units.with_columns(given).write_parquet("good.parquet")
    assert reading.read("good.parquet")[0]["constant"].to_list() == [True, False, False] * 3
    given[3] = 2
    units.with_columns(given).write_parquet("bad.parquet")
    with pytest.raises(
        InputError, match=r"bad\.parquet, row 4: `constant` is 2(\.0)?, but must be"
    ):
        reading.read("bad.parquet")


def test_truth_values_and_dates_are_no_numbers(write: Callable[..., Path]) -> None:
    units, _ = reading.read(write([HEADER, *LINES]))
    units.with_columns(mis_soft=pl.lit(True)).write_parquet("bad.parquet")
    with pytest.raises(InputError, match="column `mis_soft` has the type Boolean"):
        reading.read("bad.parquet")
    units.with_columns(seed=pl.lit(0).cast(pl.Date)).write_parquet("bad.parquet")
    with pytest.raises(InputError, match="column `seed` has the type Date"):
        reading.read("bad.parquet")
    as_kinds = units.with_columns(pl.col("layer", "layer_type").cast(pl.Categorical))
    as_kinds.write_parquet("kinds.parquet")
    assert reading.read("kinds.parquet")[0].equals(units)


def retrained(line: str, kind: str = "one_shot") -> str:
    return line.replace(",none,", f",{kind},")


def test_a_retrained_network_needs_a_dense_one_that_was_retrained_alike(
    write: Callable[..., Path],
) -> None:
    lines = [HEADER, *LINES[:6], *map(retrained, LINES[6:])]
    with pytest.raises(InputError) as error:
        reading.read(write(lines))
    assert str(error.value) == (
        "units.csv, line 8: the network filters/one_shot/rate0.40/seed0 has no partner: no dense "
        "network that was retrained alike is given. Give its units (method `dense`, retraining "
        "`one_shot`, rate 0, seed 0). Or set unit_scores.partners to `optional`: such networks "
        "then get no verdict"
    )
    units, _ = reading.read(write(lines), partners=False)
    assert len(units) == 9
    units, _ = reading.read(write([*lines, *map(retrained, LINES[:3])]))
    assert len(units) == 12


def test_without_dense_networks_retrained_ones_need_none(write: Callable[..., Path]) -> None:
    units, _ = reading.read(write([HEADER, *map(retrained, LINES[3:])]))
    assert len(units) == 6


def test_a_chain_of_dense_networks_stands_at_rates(write: Callable[..., Path]) -> None:
    chain = [retrained(line, "iterative") for line in LINES[6:]]
    partner = [line.replace("filters", "dense") for line in chain]
    units, _ = reading.read(write([HEADER, *LINES[:3], *chain, *partner]))
    assert len(units) == 9


NO_DENSE = [HEADER, *LINES[3:]]
BAD = {
    "a score above 1": (
        changed(3, "0.7", "1.7"),
        "units.csv, line 3: `mis_soft` is '1.7', but must be a number from 0 to 1",
    ),
    "a score below 0": (changed(3, "0.8", "-0.1"), "line 3: `mis_hard` is '-0.1'"),
    "a score that is no number": (changed(4, "0.7", "nan"), "line 4: `mis_soft` is 'nan'"),
    "a missing score": (changed(4, "0.7", ""), "line 4: `mis_soft` is empty"),
    "a word for a number": (changed(2, "0,first", "zero,first"), "line 2: `seed` is 'zero'"),
    "a fraction of a unit": (changed(3, "conv2d,1", "conv2d,1.5"), "line 3: `unit` is '1.5'"),
    "a percentage": (changed(5, "0.2", "20"), "line 5: `rate` is '20'"),
    "a rate with three decimals": (changed(5, "0.2", "0.125"), "at most two decimals"),
    "a name that is no name": (changed(5, "filters", "Filters L1"), "`method` is 'Filters L1'"),
    "an unknown kind of layer": (changed(2, "conv2d", "conv"), "`layer_type` is 'conv'"),
    "neither true nor false": (changed(2, "false", "dead"), "line 2: `constant` is 'dead'"),
    "no layer": (changed(2, "first", ""), "line 2: `layer` is empty"),
    "a missing column": (
        [line.rpartition(",")[0] for line in [HEADER, *LINES]],
        "units.csv, line 1: lacks the column `mis_hard`",
    ),
    "an unknown column": (
        [f"{HEADER},colour", *(f"{line},red" for line in LINES)],
        "line 1: has the column `colour`, which no table of this kind has",
    ),
    "a row that is too long": (
        [HEADER, *LINES[:4], f"{LINES[4]},1", *LINES[5:]], "line 6: has 11 cells"
    ),
    "no rows": ([HEADER], "units.csv: has no rows"),
    "a doubled unit": (
        [HEADER, *LINES, LINES[1]],
        "line 11: this unit stands a second time (dense/none/rate0.00/seed0, layer first, unit 1); "
        "the first time in line 3",
    ),
    "a missing unit": (
        [HEADER, *LINES[:4], *LINES[5:]],
        "line 3: the unit 1 of the layer first is in the network dense/none/rate0.00/seed0, but "
        "missing in filters/none/rate0.20/seed0",
    ),
    "a layer in one network only": (
        [HEADER, *LINES, LINES[0].replace("first", "middle")],
        "line 11: the layer middle is only in the network dense/none/rate0.00/seed0",
    ),
    "a layer that one network lacks": (
        [HEADER, *LINES[:-1]], "line 4: the layer last is in 2 of 3 networks, not in filters"
    ),
    "a layer of two kinds": (
        changed(10, "linear", "conv2d"),
        "line 10: the layer last is `conv2d`, but `linear` in line 4",
    ),
    "a network without a partner": (
        [HEADER, *LINES[3:6]],
        "line 2: the network filters/none/rate0.20/seed0 has no partner: no dense network is given",
    ),
    "a run without its dense network": (
        [HEADER, *LINES, *(line.replace(",0,", ",1,", 1) for line in LINES[3:])],
        "line 11: the network filters/none/rate0.20/seed1 has no partner: its run (seed 1) has no "
        "dense network, but that of seed 0 has one",
    ),
    "a run without the lowest rate": (
        [
            *NO_DENSE,
            *(line.replace("0.2,0,", "0.4,1,").replace("0.4,0,", "0.6,1,") for line in LINES[3:]),
        ],
        "its run lacks the lowest rate of other runs, 0.2",
    ),
    "a pruned network of rate 0": (changed(5, "0.2", "0"), "line 5: the rate of a pruned network"),
    "a retrained dense network that is pruned": (
        [HEADER, *LINES, *(retrained(line).replace("0.0", "0.4", 1) for line in LINES[:3])],
        "line 11: nothing is pruned from `dense`, but its rate is 0.4 "
        "(dense/one_shot/rate0.40/seed0). Write 0",
    ),
    "a column that stands twice": (
        [line + "," + line.rpartition(",")[2] for line in [HEADER, *LINES]],
        "line 1: has the column `mis_hard` twice",
    ),
    "a row that is too short": (
        [HEADER, *LINES[:4], LINES[4].rpartition(",")[0], *LINES[5:]], "line 6: has 9 cells"
    ),
    "quotation marks that do not end": (
        changed(5, "first", '"first'), "line 5: no row of a CSV table"
    ),
    "an empty file": ([], "units.csv: no CSV table in UTF-8 (it is empty)"),
    "a dense network that is pruned": (
        [line.replace("dense,none,0.0", "dense,none,0.3") for line in [HEADER, *LINES]],
        "line 2: nothing is pruned from `dense`, but its rate is 0.3",
    ),
    "an untrained network that was retrained": (
        [line.replace("filters,none,0.4", "untrained,once,0") for line in [HEADER, *LINES]],
        "line 8: the untrained network has the retraining `once`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_of_units_is_refused(name: str, write: Callable[..., Path]) -> None:
    lines, message = BAD[name]
    path = write(lines)
    with pytest.raises(InputError) as error:
        reading.read(path)
    assert message in str(error.value)
    assert str(error.value).startswith("units.csv")
    assert "\n" not in str(error.value)


BAD_ACCURACY = {
    "a percentage": (
        [line.replace("0.5,", "50,") for line in ACCURACY],
        "networks.csv, line 2: `top1` is '50', but must be a fraction from 0 to 1",
    ),
    "no images": ([line.replace(",100", ",0") for line in ACCURACY], "line 2: `images` is '0'"),
    "a doubled network": (
        [*ACCURACY, ACCURACY[1]], "networks.csv, line 5: this network stands a second time"
    ),
    "a network without units": (
        [*ACCURACY, "filters,none,0.6,0,0.5,100"],
        "networks.csv, line 5: the network filters/none/rate0.60/seed0 has no units in units.csv",
    ),
    "a network that is not there": (
        ACCURACY[:-1],
        "units.csv, line 8: the network filters/none/rate0.40/seed0 is not in networks.csv",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ACCURACY)
def test_a_bad_table_of_networks_is_refused(name: str, write: Callable[..., Path]) -> None:
    lines, message = BAD_ACCURACY[name]
    units, networks = write([HEADER, *LINES]), write(lines, "networks.csv")
    with pytest.raises(InputError) as error:
        reading.read(units, networks)
    assert message in str(error.value)


def test_files_that_cannot_be_read_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"gone\.csv: No such file"):
        reading.read("gone.csv")
    with pytest.raises(InputError, match=r"units\.parquet: no Parquet file"):
        reading.read(write([HEADER], "units.parquet"))
    Path("latin.csv").write_bytes(f"{HEADER}\n".encode() + b"d\xe9nse,none,0,0,a,conv2d,0,0,1,1\n")
    with pytest.raises(InputError, match=r"latin\.csv: no CSV table in UTF-8"):
        reading.read("latin.csv")


def test_without_a_dense_network_the_lowest_rate_is_the_partner(
    write: Callable[..., Path],
) -> None:
    units, _ = reading.read(write(NO_DENSE))
    assert units["rate"].unique().to_list() == [0.2, 0.4]
