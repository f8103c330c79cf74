"""The files of the unit explorer hold what the tables hold."""

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import explorers
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.foundation import tables, whole_files
from prunescope.foundation.errors import InputError
from prunescope.interpret import mis, unit_tables
from prunescope.summarize.explorer.columns import (
    SHOWN,
    byte_planes,
    choose_tasks,
    image_columns,
    rounded,
    script,
)


def read_script(content: bytes) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """Read a data file in another way than the page does."""
    found = re.fullmatch(
        r'explorer\.deliver\((".*?"), (\{.*\}), "([\w+/=]*)"\);\n', content.decode()
    )
    assert found is not None
    header = json.loads(found[2])
    data = zlib.decompress(base64.b64decode(found[3]))
    columns, start = {}, 0
    for column in header["columns"]:
        dtype, count = np.dtype(f"<{column['type']}"), int(np.prod(column["shape"]))
        planes = np.frombuffer(data, np.uint8, count * dtype.itemsize, start)
        start += len(planes)
        values = planes.reshape(dtype.itemsize, count).T.copy().view(dtype)
        columns[column["name"]] = values.reshape(column["shape"])
    assert start == len(data)
    return json.loads(found[1]), header, columns


def test_a_data_file_gives_back_its_columns() -> None:
    columns = {
        "a": np.array([[1, 258], [3, 4]], dtype=np.uint16),
        "b": np.array([1.5, np.nan], dtype=np.float32),
        "none": np.zeros((0, 3), dtype=np.uint8),
    }
    name, header, back = read_script(script("net/scores", columns, study="</script>\u2028"))
    assert name == "net/scores"
    assert header["study"] == "</script>\u2028"
    for key, values in columns.items():
        assert back[key].dtype == values.dtype
        assert np.array_equal(back[key], values, equal_nan=key == "b")


def test_data_files_are_ascii() -> None:
    """A page that is read as another encoding than ours shows the same."""
    assert script("é", {}, study="日本\u2028").isascii()


def test_bytes_stand_in_planes() -> None:
    assert byte_planes(np.array([0x0102, 0x0304], dtype="<u2")) == bytes([2, 4, 1, 3])


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
       st.integers(6, 20))  # fmt: skip
def test_rounding_is_to_the_nearest_and_keeps_signs(value: float, bits: int) -> None:
    (near,) = rounded(np.array([value]), bits)
    if np.isfinite(near):  # the largest numbers are rounded up to infinity
        assert abs(near - value) <= abs(value) * 2.0 ** -(bits + 1)
    assert np.sign(near) == np.sign(value)


def test_rounding_keeps_what_is_no_number() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 0.0])
    assert np.array_equal(rounded(odd, 8), odd.astype(np.float32), equal_nan=True)


def test_tasks_are_chosen_by_delta() -> None:
    delta = np.array([[0.3, -0.1, 0.2, 0.2, 0.5], [5, 4, 3, 2, 1]])
    assert choose_tasks(delta).tolist() == [[1, 3, 4], [4, 2, 0]]
    assert choose_tasks(delta[:, :1]).tolist() == [[0], [0]]
    assert choose_tasks(delta[:, :2]).tolist() == [[1, 0], [1, 0]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> explorers.Small:
    made = explorers.make_small(tmp_path_factory.mktemp("small"))
    explorers.build(made)
    return made


def data_of(small: explorers.Small, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    path = Path(small.job.output.explorer) / "data" / f"{name}.js"
    read, header, columns = read_script(path.read_bytes())
    assert read == name
    return header, columns


@pytest.mark.parametrize("number", range(len(explorers.NETWORKS)))
def test_tasks_are_those_of_the_score(small: explorers.Small, number: int) -> None:
    """Unit by unit, from what the page gets: tasks, deltas and the score that they make."""
    name = explorers.name_of(explorers.NETWORKS[number])
    columns = data_of(small, f"{name}/images")[1] | data_of(small, f"{name}/tasks")[1]
    exemplars, scores = small.exemplars[number], small.scores[number]
    drawn = mis.draw_tasks(*(tables.matrix(exemplars[side]) for side in ("strongest", "weakest")),
                           mis.ScoreSettings(**explorers.MIS))  # fmt: skip
    live = np.flatnonzero(~exemplars["constant"])
    assert len(columns["delta"]) == len(live)
    similarity = small.similarity.astype(np.float64)
    for place, unit in enumerate(live):
        for shown, task in enumerate(columns["task"][place]):
            positive, negative = (
                columns["positive"][place, shown],
                columns["negative"][place, shown],
            )
            assert positive.tolist() == drawn[0][unit, task].tolist()
            assert negative.tolist() == drawn[1][unit, task].tolist()
            strong, weak = (
                similarity[query, positive[1:]].mean() - similarity[query, negative[1:]].mean()
                for query in (positive[0], negative[0])
            )
            assert columns["delta"][place, task] == pytest.approx(strong - weak, rel=3e-3, abs=1e-6)
        ordered = columns["delta"][place, columns["task"][place]]
        assert (np.diff(ordered) >= 0).all()
    soft = mis.sigmoid(columns["delta"] / explorers.MIS["tau"]).mean(axis=1)
    assert np.allclose(soft, scores["mis_soft"].to_numpy()[live], atol=2e-3)
    hard = (columns["delta"] > 0).mean(axis=1)
    assert np.array_equal(hard, scores["mis_hard"].to_numpy()[live])


def test_exemplars_are_those_of_the_table(small: explorers.Small) -> None:
    number = explorers.NETWORKS.index(explorers.PRUNED)
    _, columns = data_of(small, f"{explorers.name_of(explorers.PRUNED)}/images")
    live = small.exemplars[number].filter(~pl.col("constant"))
    for side in ("strongest", "weakest"):
        assert np.array_equal(columns[side], tables.matrix(live[side])[:, :SHOWN])
        activations = tables.matrix(live[f"{side}_activation"])[:, :SHOWN]
        assert np.allclose(columns[f"{side}_activation"], activations, rtol=1e-3)


def test_scores_are_those_of_the_tables(small: explorers.Small) -> None:
    number = explorers.NETWORKS.index(explorers.PRUNED)
    _, columns = data_of(small, f"{explorers.name_of(explorers.PRUNED)}/scores")
    assert np.flatnonzero(columns["constant"]).tolist() == list(explorers.CONSTANT)
    assert np.allclose(columns["mis_soft"], small.scores[number]["mis_soft"], atol=2e-5)
    measures = unit_tables.MEASURES.read(small.job.input.measures[number])
    expected = measures["label_purity"].fill_null(float("nan")).to_numpy()
    assert np.allclose(columns["label_purity"], expected, atol=2e-5, equal_nan=True)
    assert np.isnan(expected[list(explorers.CONSTANT)]).all()


def test_the_study_lists_layers_classes_and_networks(small: explorers.Small) -> None:
    header, columns = data_of(small, "study")
    assert header["classes"] == explorers.CLASSES
    assert [(layer["name"], (layer["type"], layer["units"])) for layer in header["layers"]] == list(
        explorers.LAYERS.items()
    )
    assert [network["name"] for network in header["networks"]][
        4
    ] == "structured/none/rate0.80/seed0"
    assert header["networks"][4]["live_units"] == 36
    assert columns["label"].tolist() == [n % 4 for n in range(explorers.IMAGES)]


def test_trivial_units_have_scores_and_images_but_no_measures(small: explorers.Small) -> None:
    scores = (Path(small.job.output.explorer) / "data" / "trivial" / "scores.js").read_bytes()
    name, _, columns = read_script(scores)
    assert name == "trivial/scores"
    assert columns["mis_soft"] == pytest.approx(small.trivial["mis_soft"].to_numpy(), abs=1e-4)
    assert columns["constant"].tolist() == small.trivial["constant"].to_list()
    assert np.isnan(columns["monosemanticity"]).all()
    study = (Path(small.job.output.explorer) / "data" / "study.js").read_bytes()
    shown = read_script(study)[1]["trivial"]
    live = small.trivial.with_row_index("place").filter(~pl.col("constant"))
    assert [unit["place"] for unit in shown] == live["place"].to_list()
    assert [unit["name"] for unit in shown] == live["unit"].to_list()
    assert 0 < len(shown) < len(small.trivial)


def test_scores_of_other_tasks_are_refused(small: explorers.Small) -> None:
    settings = mis.ScoreSettings(**explorers.MIS | {"seed": 5})
    with pytest.raises(InputError, match=r"mis\.parquet: its scores come of other tasks"):
        image_columns(small.exemplars[0], small.scores[0], small.similarity, settings)


def test_a_network_may_have_no_live_unit(small: explorers.Small) -> None:
    dead = small.exemplars[0].with_columns(constant=pl.lit(True))
    columns = image_columns(
        dead, small.scores[0], small.similarity, mis.ScoreSettings(**explorers.MIS)
    )
    shapes = {name: values.shape for name, values in columns.items()}
    assert shapes["strongest"] == (0, 9)
    assert shapes["delta"] == (0, 5)
    assert shapes["positive"] == (0, 3, 4)
    read_script(script("dead/images", columns))


def test_the_same_study_gives_the_same_bytes(small: explorers.Small) -> None:
    folder = Path(small.job.output.explorer)

    def digests() -> dict[str, str]:
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in whole_files.files_of(folder)
        }

    before = digests()
    assert len(before) == 3 + 1 + 1 + 3 * (len(explorers.NETWORKS) + 1)
    explorers.build(small)
    assert digests() == before


def test_the_copy_for_the_report_holds_the_same_files_but_fewer(small: explorers.Small) -> None:
    """All networks are of one run; the images of tasks are those of the two that are opened."""
    whole, copy = (Path(vars(small.job.output)[name]) for name in ("explorer", "in_report"))
    files = {file.relative_to(whole).as_posix() for file in whole_files.files_of(whole)}
    opened = {explorers.name_of(network) for network in (explorers.DENSE, explorers.OPENED)}
    left_out = {f"data/{explorers.name_of(network)}/tasks.js" for network in explorers.NETWORKS} - {
        f"data/{name}/tasks.js" for name in opened
    }
    copied = {file.relative_to(copy).as_posix() for file in whole_files.files_of(copy)}
    assert copied == files - left_out
    for name in copied - {"data/study.js"}:
        assert (copy / name).read_bytes() == (whole / name).read_bytes()
    (told, of_whole) = (read_script((folder / "data/study.js").read_bytes())[1]
                        for folder in (copy, whole))  # fmt: skip
    assert told["copy"] == {
        "whole": f"{whole}/index.html", "networks": 6, "tasks": sorted(opened)
    }  # fmt: skip
    assert of_whole["copy"] is None
    assert told["opening"] == of_whole["opening"]
