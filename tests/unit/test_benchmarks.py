"""The benchmarks run, their peers compute the same, and the summary says what was measured."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from described import create_described

from benchmarks import (
    evaluation_input,
    exemplar_pass,
    gpu,
    growth,
    run,
    scoring,
    training,
    training_input,
    whole_runs,
    workflow,
)
from benchmarks.common import Material, Measured, Target, about, interleave, require_equal
from prunescope.foundation import arrays
from prunescope.foundation.errors import InputError
from prunescope.networks import description, modules, network_files
from prunescope.study.run import environment, fork_server

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 60
DESCRIPTION = description.Description(
    "torchvision:googlenet", 10, 32, (0.3,) * 3, (0.4,) * 3, options={"init_weights": False}
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A study with two untrained networks, one of them with a pruned layer."""
    folder = tmp_path_factory.mktemp("benchmarks")
    made = Material(folder / "study", folder / "dataset", folder / "scratch", IMAGES)
    module, described = create_described(DESCRIPTION, seed=0)
    network = modules.to_network(module, described)
    mask = np.ones(network.tensors["conv1.conv.weight"].shape, dtype=bool)
    mask[:20] = False
    pruned = network.masked({"conv1.conv.weight": mask})
    for path, content in (
        ("dense/none/rate0.00", network),
        ("structured/one_shot/rate0.80", pruned),
        ("connection_sparsity/one_shot/rate0.80", pruned),
    ):
        network_files.save(
            content, made.study / "networks" / path / "seed0" / "network.safetensors"
        )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(100, 3, 32, 32), dtype=np.uint8)
    arrays.save_array(images, made.dataset / "train" / "images.npy")
    arrays.save_array(np.arange(100) % 10, made.dataset / "train" / "labels.npy")
    return made


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("module", "options"),
    [
        (scoring, {}),
        (training, {"number": 1}),
        (evaluation_input, {}),
        (training_input, {}),
    ],
)
def test_a_module_measures_its_keys(
    material: Material, module: ModuleType, options: dict[str, int]
) -> None:
    found = module.run(material, pairs=1, **options)
    assert set(found) == set(run.MODULES[module])
    assert all(measured.value > 0 for measured in found.values())


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_exemplar_pass_is_measured(material: Material) -> None:
    assert exemplar_pass.against_forward(material, pairs=1).value > 0
    assert exemplar_pass.against_argsort(material, pairs=1).value > 0


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_what_measures_a_gpu_runs_on_the_cpu() -> None:
    load = gpu.Load(torch.device("cpu"), side=32, batch=4, images=8, steps=1, pairs=1)
    found = gpu.run(load)
    assert len(found) == 9
    assert all(entry["value"] > 0 for entry in found.values())
    text = gpu.page(found, "A processor", about())
    assert all(f"| `{key}` | " in text for key in found)


def test_without_a_gpu_nothing_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    gpu.measure_and_write()
    assert "skipped, because torch sees no GPU" in capsys.readouterr().err


def test_a_loop_over_units_scores_alike() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 8))
    dealt = np.array([[rng.permutation(30)[:8] for _ in range(3)] for _ in range(4)])
    strong, weak = dealt[..., :4], dealt[..., 4:]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    deltas = scoring.mis.task_deltas(strong, weak, unit @ unit.T)
    expected = scoring.mis.sigmoid(deltas / 0.16).mean(axis=1)
    found = scoring.score_by_loop(strong, weak, vectors, 0.16)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_peer_that_differs_is_no_peer() -> None:
    assert require_equal("x", [1.0], [1.5], 1.0) == 0.5
    with pytest.raises(AssertionError, match="x: the results differ by 1"):
        require_equal("x", [1.0], [2.0], 0.5)
    with pytest.raises(AssertionError, match="differ by nan"):
        require_equal("x", [1.0], [np.nan], 0.5)


def test_pairs_are_interleaved() -> None:
    calls: list[str] = []
    times = interleave(lambda: calls.append("a"), lambda: calls.append("b"), pairs=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [len(column) for column in times] == [3, 3]


# --- the workflow's overhead ----------------------------------------------------------------------

RUN = "Provided cores: 2\nFinished jobid: 1 (Rule: a)\nFinished jobid: 2 (Rule: b)\n" * 2


def make_run(folder: Path, hours: str = "10") -> list[Path]:
    """A study of two jobs, of 60 and 30 s, the second with 2 threads, in 100 s on 2 cores."""
    logs = folder / "logs" / "study"
    logs.mkdir(parents=True)
    jobs = (("train_dense", "00:10", "01:10", 900), ("measure_costs", "01:10", "01:40", 1100))
    for rule, begin, end, peak in jobs:
        (logs / f"{rule}.log").write_text(
            f"2026-01-02 {hours}:{begin},500 INFO {rule} {{}}\n"
            f"2026-01-02 {hours}:{end},500 INFO done: 1.0 s of CPU time, {peak} MiB\n"
        )
    record = folder / ".snakemake" / "log" / "2026-01-02T100010.000000.snakemake.log"
    record.parent.mkdir(parents=True)
    record.write_text(RUN)
    end_time = datetime.fromisoformat("2026-01-02 10:01:50").timestamp()
    os.utime(record, (end_time, end_time))
    return [logs]


def test_whole_runs_tell_their_time_overhead_and_largest_job(tmp_path: Path) -> None:
    made = whole_runs.last_whole_run(tmp_path, make_run(tmp_path))
    assert made.work == 60 + 2 * 30
    assert made.work_by_rule() == {"train_dense": 60, "measure_costs": 60}
    measured = whole_runs.measured([made, replace(made, wall=130)], "study")
    assert measured.keys() == set(run.WHOLE_RUNS)
    assert measured["whole_run_minutes"].samples == pytest.approx([100 / 60, 130 / 60])
    assert measured["workflow_overhead"].samples == pytest.approx([100 * 2 / 120, 130 * 2 / 120])
    assert measured["largest_job_mib"].samples == [1100, 1100]
    assert measured["largest_job_mib"].details == {"rules": ["measure_costs"] * 2}


def test_overhead_of_a_study_made_in_pieces_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make clean && make results"):
        whole_runs.last_whole_run(tmp_path, make_run(tmp_path, hours="09"))


def test_whole_runs_are_made_in_clones_with_the_environment_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, made, seen = tmp_path / "project", tmp_path / "made", tmp_path / "seen"
    for folder in (project, made):
        folder.mkdir()
    (project / "Snakefile").touch()
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *command], cwd=project, check=True)
    make_run(made)
    snakemake = tmp_path / "snakemake"
    snakemake.write_text(
        f"#!/bin/sh\nset -e\ntest -e Snakefile\necho $PWD >>{seen}\nenv >>{seen}.variables\n"
        f"cp --recursive --preserve {made}/. .\n"
    )
    snakemake.chmod(0o755)
    monkeypatch.setattr(whole_runs, "ROOT", project)
    monkeypatch.setattr(whole_runs, "SNAKEMAKE", snakemake)
    ours = {
        **fork_server.ONE_THREAD,
        **environment.MEMORY,
        "PYTHONPATH": "workflow_scripts",
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")  # the user's own
    runs = list(whole_runs.new_whole_runs(2, ["logs/study"]))
    assert [run.overhead for run in runs] == pytest.approx([100 * 2 / 120] * 2)
    folders = seen.read_text().splitlines()
    assert len(set(folders)) == 2
    assert not any(Path(folder).exists() for folder in folders)
    variables = Path(f"{seen}.variables").read_text().splitlines()
    names = {variable.partition("=")[0] for variable in variables}
    assert names & set(ours) == {"MKL_NUM_THREADS"}
    assert variables.count("MKL_NUM_THREADS=3") == 2


def test_a_study_made_in_pieces_is_no_sample_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = whole_runs.last_whole_run(tmp_path / "other", make_run(tmp_path / "other"))
    make_run(tmp_path, hours="09")
    monkeypatch.setattr(whole_runs, "ROOT", tmp_path)
    monkeypatch.setattr(whole_runs, "new_whole_runs", lambda more, _: [made] * more)
    assert list(whole_runs.whole_runs(2, ["logs/study"])) == [made, made]
    with pytest.raises(InputError, match="make clean && make results"):
        list(whole_runs.whole_runs(0, ["logs/study"]))
    make_run(tmp_path / "whole")
    monkeypatch.setattr(whole_runs, "ROOT", tmp_path / "whole")
    assert len(list(whole_runs.whole_runs(2, ["logs/study"]))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--whole-runs", "-1"], "-1 is not allowed; 0 or more"),
        (["--only", "noop_seconds", "--whole-runs", "2"], "is for whole_run_minutes"),
    ],
)
def test_whole_runs_that_nothing_asks_for_are_refused(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "take_the_environment_of_jobs", lambda: None)
    monkeypatch.setattr("sys.argv", ["run", *arguments])
    with pytest.raises(SystemExit, match="2"):
        run.main()
    assert message in capsys.readouterr().err


def test_rules_with_several_threads_are_known() -> None:
    texts = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = {
        part.partition(":")[0]: part for part in texts.split("\nrule ")[1:] if "script:" in part
    }
    several = {name for name, text in rules.items() if "threads: 1\n" not in text}
    # Other studies than the default one run these, or run them with several threads.
    training = {"train_dense", "retrain_network", "prune_gradually", "regrow_network"}
    others = {"pack_sample", "copy_train_images", "embed_probe", *training}
    assert several - others == set(whole_runs.THREADS)


def test_a_study_grows_by_seeds(tmp_path: Path) -> None:
    grown = yaml.safe_load(workflow.large_config(ROOT / "config.yaml", 3, tmp_path).read_text())
    assert grown["seeds"] == [0, 1, 2]
    assert grown["study"] == "many_jobs"


# --- summary --------------------------------------------------------------------------------------


def entry(key: str, value: float = 2.0, target: float = 3.0, at_most: bool = False) -> dict:
    measured = Measured("ratio", key, [value, value + 1, value - 1], Target(target, at_most))
    return measured.entry(about())


def test_an_entry_says_what_it_was_taken_on() -> None:
    found = json.loads(json.dumps(entry("x")))
    assert (found["value"], found["met"], found["target_is"]) == (2.0, False, "at least")
    assert entry("x", at_most=True)["met"]
    assert found["machine"]["cores"] >= 1
    assert {"python", "torch", "snakemake"} <= set(found["versions"])
    assert found["commit"] or not (ROOT / ".git").exists()


def test_the_table_and_the_chart_show_every_number() -> None:
    summary = {key: entry(key) for key in run.KEYS}
    text = run.table(summary)
    assert all(f"| `{key}` | 2 | 1 to 3, n = 3 | at least 3 | **no** |" in text for key in run.KEYS)
    values = run.chart(summary).to_dict()["datasets"].values()
    drawn = {row["key"] for rows in values for row in rows if "key" in row}
    assert drawn == set(run.KEYS)


def test_the_page_keeps_what_is_around_the_numbers() -> None:
    page = f"before\n{run.BEGIN}old\n{run.END}after\n"
    assert run.write_into(page, "new\n") == f"before\n{run.BEGIN}new\n{run.END}after\n"
    assert run.BEGIN in run.PAGE.read_text()


def test_a_study_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    nothing = Material(tmp_path, tmp_path, tmp_path)
    with pytest.raises(InputError, match=r"network.safetensors is missing: .* make results"):
        nothing.network()


def test_exponents() -> None:
    assert growth.exponent([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2)
    assert growth.steps_up_to(1000) == [62, 125, 250, 500, 1000]
