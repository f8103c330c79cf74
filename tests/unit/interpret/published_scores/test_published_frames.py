"""Published frames are opened without running what they name."""

import hashlib
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from files import load_module
from published_frames import frame, pickled, scores
from torch import nn
from torchvision import models

from prunescope.foundation import code_digest
from prunescope.foundation.errors import InputError
from prunescope.interpret.published_scores import files, frames
from prunescope.interpret.published_scores import reading as published_reading

SMALL = scores(["conv1_conv", "conv1_bn", "fc"], ["Conv2d", "BatchNorm2d", "Linear"], [0, 0, 7],
               [0.5, 0.625, 0.75])  # fmt: skip


def whole_network() -> dict:
    """The scores of a GoogLeNet for 1,000 classes, in which a layer has 128 channels or so."""
    inner = [name for name in frames.LAYERS if name != "fc"]
    sizes = dict.fromkeys(inner, frames.CHANNELS // len(inner))
    sizes[inner[0]] += frames.CHANNELS - sum(sizes.values())
    sizes["fc"] = frames.LOGITS
    rows = [(name.replace(".", "_"), "Linear" if name == "fc" else "Conv2d", unit)
            for name, size in reversed(sizes.items()) for unit in range(size)]  # fmt: skip
    rows += [("conv1_bn", "BatchNorm2d", unit) for unit in range(frames.CHANNELS)]
    layers, types, units = zip(*rows, strict=True)
    return scores(layers, types, units, np.linspace(0.3, 1, len(rows)).tolist())


def save(content: bytes, folder: Path) -> tuple[Path, str]:
    path = folder / "structured-one_shot_sgd_10-rate0.20.pkl"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_a_small_frame() -> None:
    found = frames.unpickle(pickled(SMALL))
    assert found.to_dicts()[1:] == [
        {"layer": "conv1_bn", "layer_type": "BatchNorm2d", "unit": 0, "mis_soft": 0.625,
         "mis_hard": 1.0},
        {"layer": "fc", "layer_type": "Linear", "unit": 7, "mis_soft": 0.75, "mis_hard": 1.0},
    ]  # fmt: skip


def test_pandas_reads_what_these_tests_write() -> None:
    """It comes with statsmodels; the library itself does not use it."""
    try:
        found = pickle.loads(pickled(SMALL))["scores"]
    except ModuleNotFoundError:
        pytest.skip("pandas is not installed: statsmodels no longer brings it along")
    assert found["mis_confidence"].tolist() == [0.5, 0.625, 0.75]
    assert found["layer"].tolist() == ["conv1_conv", "conv1_bn", "fc"]


def test_a_whole_network(tmp_path: Path) -> None:
    found = frames.read(*save(pickled(whole_network()), tmp_path))
    assert found["layer"].unique(maintain_order=True).to_list() == list(frames.LAYERS)
    assert found["layer_type"].value_counts(sort=True).rows() == [
        ("conv2d", 7280),
        ("linear", 1000),
    ]
    assert found.schema == {"layer": pl.String, "layer_type": pl.String, "unit": pl.Int32,
                            "mis_soft": pl.Float64, "mis_hard": pl.Float64}  # fmt: skip


def test_layers_are_those_of_the_architecture() -> None:
    module = models.googlenet(weights=None, aux_logits=False, init_weights=False)
    kinds = nn.Conv2d | nn.Linear
    scored = [name for name, child in module.named_modules() if isinstance(child, kinds)]
    assert list(frames.LAYERS) == scored


class Evil:
    """Runs code when it is unpickled: it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_file_that_runs_code_is_not_opened(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path, _ = save(pickle.dumps({"scores": Evil(trace)}, 4), tmp_path)
    with pytest.raises(InputError, match=r"wrong checksum.*not opened"):
        frames.read(path, "0" * 64)
    assert not trace.exists()


def test_a_file_that_runs_code_is_refused_even_with_its_checksum(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(InputError, match=r"it names pathlib\.Path"):
        frames.read(*save(pickle.dumps({"scores": Evil(trace)}, 4), tmp_path))
    assert not trace.exists()
    pickle.loads(pickle.dumps(Evil(trace), 4))
    assert trace.exists(), "it would have run code"


@pytest.mark.parametrize(
    "name",
    [
        "builtins\neval",
        "os\nsystem",
        "numpy\nload",
        "copyreg\n__newobj__",
        "pandas.core.frame\nSeries",
        "functools\npartial",
    ],
)
def test_every_other_name_is_refused(name: str) -> None:
    with pytest.raises(Exception, match="it names"):
        frames.unpickle(f"c{name}\n.".encode())


def test_references_to_things_outside_are_refused() -> None:
    with pytest.raises(Exception, match="outside"):
        frames.unpickle(b"Pthing\n.")


def test_a_truncated_file(tmp_path: Path) -> None:
    whole = pickled(whole_network())
    path, _ = save(whole[: len(whole) // 2], tmp_path)
    with pytest.raises(InputError, match="wrong checksum"):
        frames.read(path, hashlib.sha256(whole).hexdigest())
    for end in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        with pytest.raises(InputError, match="no frame of the scores"):
            frames.read(*save(whole[:end], tmp_path))


INCEPTION = scores(["conv2d0_pre_relu_conv"], ["Conv2d"], [0], [0.7])


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (INCEPTION, r"conv2d0\.pre\.relu\.conv is not part of torchvision's GoogLeNet"),
        (SMALL, "1 channels and 1 logits in 2 layers"),
        ([SMALL], "no frame `scores`"),
        ({"scores": {"layer": ["fc"]}}, "no frame `scores`"),
        ({"scores": frame({"layer": ["fc"], "unit": ["0"]})}, "its columns are"),
        (scores(["fc"], ["Linear"], [0], [float("nan")]), "0 channels and 1 logits"),
    ],
)
def test_another_frame(stored: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        frames.read(*save(pickled(stored), tmp_path))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("mis_confidence", float("nan"), "no number between 0 and 1"),
        ("mis", 1.5, "no number between 0 and 1"),
        ("unit", "3", "not counted from 0 on"),
    ],
)
def test_a_wrong_value(column: str, value: object, message: str, tmp_path: Path) -> None:
    stored = whole_network()
    stored["scores"].columns[column][0] = value
    with pytest.raises(InputError, match=message):
        frames.read(*save(pickled(stored), tmp_path))


# --- the list of files ---------------------------------------------------------------------------


def test_every_network_is_one_file() -> None:
    listed = list(files.published_files())
    assert len(listed) == 24
    assert len({file.sha256 for file in listed}) == len({file.name for file in listed}) == 24
    assert {(file.arm.method, file.arm.retraining) for file in listed} == {
        ("structured", "one_shot_sgd_10"), ("structured", "one_shot_sgd_50"),
        ("structured", "one_shot_adam_10"), ("structured", "one_shot_adam_50"),
        ("connection_sparsity_random", "one_shot_sgd_10"),
        ("connection_sparsity_random", "one_shot_sgd_50"),
    }  # fmt: skip


def test_addresses_are_of_the_fixed_commit() -> None:
    file = next(files.published_files())
    assert file.url.startswith(
        f"https://raw.githubusercontent.com/{files.REPOSITORY}/{files.COMMIT}/Results/"
    )
    assert " " not in file.url


def test_a_file_may_lie_in_either_of_two_folders(tmp_path: Path) -> None:
    file = next(file for file in files.published_files() if file.arm.method == files.STRUCTURED)
    with pytest.raises(InputError, match=r"unit_scores\.folder: .* does not exist"):
        file.within(tmp_path)
    assert len(file.paths) == 2
    for path in reversed(file.paths):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
        assert file.within(tmp_path) == str(tmp_path / path)


def test_files_come_from_a_folder_or_are_fetched(tmp_path: Path) -> None:
    fetched = files.scores_for_study(None, "downloads")
    assert fetched[0] == "downloads/connection_sparsity_random-one_shot_sgd_10-rate0.20.pkl"
    with pytest.raises(InputError, match="does not exist"):
        files.scores_for_study(str(tmp_path), "downloads")
    for file in files.published_files():
        (tmp_path / file.paths[0]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.paths[0]).touch()
    given = files.scores_for_study(str(tmp_path), "downloads")
    assert len(given) == 24
    assert all(path.startswith(str(tmp_path)) for path in given)


def test_the_advice_on_a_wrong_file_fits_where_it_lies(tmp_path: Path) -> None:
    """A file of an own folder is never downloaded, so deleting it would not bring another."""
    listed = list(files.published_files())
    for file in listed:
        (tmp_path / file.paths[0]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.paths[0]).touch()
        (tmp_path / file.name).touch()
    with pytest.raises(InputError, match="wrong checksum") as own:
        published_reading.read([file.within(tmp_path) for file in listed])
    assert f"Put the file there that {listed[0].url} is" in str(own.value)
    assert "set unit_scores.folder to null" in str(own.value)
    assert "Delete" not in str(own.value)
    with pytest.raises(InputError, match="wrong checksum") as fetched:
        published_reading.read([str(tmp_path / file.name) for file in listed])
    assert "Delete it and run again: it is then downloaded anew." in str(fetched.value)
    assert "folder" not in str(fetched.value).rpartition(listed[0].name)[2]


def test_the_script_fetches_what_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_module(code_digest.SCRIPTS / "fetch_published_scores.py")
    asked = {}

    def fetch(url: str, target: Path, *, sha256: str, advice: str) -> None:
        asked.update(url=url, target=target, sha256=sha256, advice=advice)

    monkeypatch.setattr(script.downloads, "fetch", fetch)
    file = list(files.published_files())[5]
    script.main(
        SimpleNamespace(
            params=SimpleNamespace(file=file.name), output=SimpleNamespace(scores=tmp_path / "s")
        )
    )
    assert asked["url"] == file.url
    assert asked["sha256"] == file.sha256
    assert "unit_scores.folder" in asked["advice"]


# --- the published files -------------------------------------------------------------------------


def test_the_published_files_are_read(published_folder: Path) -> None:
    means = {}
    for file in files.published_files():
        found = frames.read(file.within(published_folder), file.sha256)
        assert len(found) == 8_280
        means[file.name] = found["mis_soft"].mean()
    # Nothing is dead in this arm, so its published means are over all units.
    means_of_arm = [
        round(means[f"connection_sparsity_random-one_shot_sgd_50-rate{rate:.2f}.pkl"], 6)
        for rate in files.RATES
    ]
    assert means_of_arm == [0.670764, 0.670914, 0.678927, 0.687622]


def test_the_file_with_a_wrong_name_is_of_another_network(published_folder: Path) -> None:
    (path,) = (published_folder / "Results" / "Interpretability Scores" / "Local Structured").glob(
        "SGD/10_Epochs/*natural_googlenet*"
    )
    assert path.name not in {Path(p).name for f in files.published_files() for p in f.paths}
    content = path.read_bytes()
    with pytest.raises(InputError, match="not part of torchvision's GoogLeNet"):
        frames.read(path, hashlib.sha256(content).hexdigest())
    other = frames.unpickle(content)
    assert round(other["mis_soft"].mean(), 6) == 0.699678  # the borrowed value of a dense network
    assert len(other) == 8_300


def test_files_lie_twice_in_the_repository(published_folder: Path) -> None:
    for file in files.published_files():
        for path in file.paths:
            content = (published_folder / path).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file.sha256
