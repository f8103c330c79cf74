"""What surrounds the work of a script: its log, its failures, its provenance."""

import errno
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
import torch

from prunescope.evaluate import network_tables
from prunescope.foundation import job, provenance, tables, whole_files
from prunescope.foundation.errors import InputError, NetworkError, StoppedError, SupersededError


@dataclass
class Job:
    """What Snakemake hands to a script, as far as `job` reads it."""

    log: list[str]
    output: list[str]
    rule: str = "score_mis"
    input: list[str] = field(default_factory=list)
    threads: int = 1
    wildcards: dict[str, str] = field(default_factory=lambda: {"method": "dense", "seed": "3"})
    params: dict[str, object] = field(default_factory=lambda: {"code": "abc", "mis": {"tau": 0.2}})

    @property
    def messages(self) -> str:
        return Path(self.log[0]).read_text(encoding="utf-8")


@pytest.fixture
def smk(tmp_path: Path) -> Iterator[Job]:
    """A job; what it sets for its process is put back afterwards."""
    threads = torch.get_num_threads()
    handlers, level = list(job.log.handlers), job.log.level
    recorded = provenance.current()
    yield Job([str(tmp_path / "job.log")], [str(tmp_path / "mis.parquet")])
    for handler in [handler for handler in job.log.handlers if handler not in handlers]:
        job.log.removeHandler(handler)
        handler.close()
    job.log.setLevel(level)
    torch.set_num_threads(threads)
    provenance.set_current(recorded)


def test_a_job_that_succeeds_says_what_it_does(
    smk: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    with job.running(smk):
        job.log.info("working")
    lines = smk.messages.splitlines()
    assert "score_mis {'method': 'dense', 'seed': '3'}" in lines[0]
    assert lines[1].endswith("INFO working")
    assert "INFO done: " in lines[-1]
    assert capsys.readouterr().err == ""


def test_a_log_starts_anew(smk: Job) -> None:
    Path(smk.log[0]).write_text("of the last time\n")
    with job.running(smk):
        pass
    assert "of the last time" not in smk.messages


def test_bad_input_is_told_without_a_traceback(
    smk: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, job.running(smk):
        raise InputError("tasks: 30 is too many. Lower it.\nSecond line.")
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err == "score_mis: tasks: 30 is too many. Lower it.\nSecond line.\n"
    assert said.out == ""
    assert "ERROR tasks: 30 is too many. Lower it." in smk.messages
    assert smk.messages.splitlines()[-1].endswith(f"INFO {job.FOR_GOOD}")
    assert "Traceback" not in smk.messages
    assert "done" not in smk.messages


@pytest.mark.parametrize(
    "error",
    [StoppedError("asked to stop after step 3; saved"), NetworkError("net.pth: timed out")],
)
def test_a_job_that_was_interrupted_wants_another_try(
    smk: Job, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    with pytest.raises(SystemExit) as ended, job.running(smk):
        raise error
    assert ended.value.code == os.EX_TEMPFAIL
    assert capsys.readouterr().err == f"score_mis: {error}\n"
    assert job.FOR_GOOD not in smk.messages
    assert "Traceback" not in smk.messages


@pytest.mark.parametrize("finished", [False, True])
def test_a_late_job_ends_well_only_if_the_result_is_there(smk: Job, finished: bool) -> None:
    """Snakemake deletes the outputs of a script that fails, also those of another job."""
    if finished:
        Path(smk.output[0]).write_text("whole")
    status = None
    try:
        with job.running(smk):
            raise SupersededError("another job trains this network: x. This one stops.")
    except SystemExit as ended:
        status = ended.code
    assert status == (None if finished else os.EX_TEMPFAIL)
    assert "another job trains this network" in smk.messages
    assert not Path(f"{smk.log[0]}.sha256").exists()


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of signals are put back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks(handlers: None, number: signal.Signals) -> None:
    asked = job.catch_signals()
    assert not asked()
    os.kill(os.getpid(), number)
    assert asked()


def test_a_second_ctrl_c_ends_the_job(handlers: None) -> None:
    job.catch_signals()
    os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL


def test_a_scheduler_may_ask_more_than_once(handlers: None) -> None:
    """SLURM does: a job that a second SIGTERM ended could not save its state."""
    asked = job.catch_signals()
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
    assert asked()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a fault of ours"),
        KeyError("gone"),
        OSError(errno.EACCES, "Permission denied", "file"),
        FileNotFoundError(errno.ENOENT, "No such file", "file"),
        KeyboardInterrupt(),
        SystemExit(4),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_failures_go_on_and_leave_their_traceback_in_the_log(
    smk: Job, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised, job.running(smk):
        raise error
    assert raised.value is error
    assert "ERROR failed\nTraceback" in smk.messages
    assert type(error).__name__ in smk.messages
    assert "done" not in smk.messages
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_without_a_traceback(
    smk: Job, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    with pytest.raises(SystemExit) as ended, job.running(smk):
        raise OSError(number, "No space left on device", "big.npy")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("score_mis: no ")
    assert "big.npy" in said
    assert "run again" in said
    assert said.removeprefix("score_mis: ").strip() in smk.messages
    assert "Traceback" not in smk.messages


def test_a_full_disk_names_the_outputs_where_the_system_names_no_file(
    smk: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), job.running(smk), Path("/dev/full").open("wb") as full:
        full.write(b"0" * 100_000)
    assert smk.output[0] in capsys.readouterr().err


def test_a_full_gpu_is_told_with_what_to_do_and_tried_again(
    smk: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB."
    with pytest.raises(SystemExit) as ended, job.running(smk):
        raise torch.OutOfMemoryError(told)
    assert ended.value.code == os.EX_TEMPFAIL
    said = capsys.readouterr().err
    assert said.startswith("score_mis: CUDA out of memory. Let one job at a time use the GPU")
    assert "`recipes.<name>.accumulate`" in said
    assert "Traceback" not in smk.messages
    assert job.FOR_GOOD not in smk.messages


def test_artifacts_written_in_a_job_say_where_they_come_from(smk: Job, tmp_path: Path) -> None:
    with job.running(smk):
        assert provenance.current() == provenance.record(
            "score_mis", {"method": "dense", "seed": "3"}, {"code": "abc", "mis": {"tau": 0.2}}
        )
        row = {key: [0] for key in network_tables.ACCOUNTING.columns}
        network_tables.ACCOUNTING.write(
            network_tables.ACCOUNTING.conform(pl.DataFrame(row)), tmp_path / "accounting.parquet"
        )
    assert '"rule": "score_mis"' in tables.read_provenance(tmp_path / "accounting.parquet")


def test_torch_is_kept_to_the_threads_of_the_job(smk: Job) -> None:
    for threads in (2, 1):
        smk.threads = threads
        with job.running(smk):
            assert torch.get_num_threads() == threads


def test_the_files_of_a_folder_get_their_checksums(smk: Job, tmp_path: Path) -> None:
    smk.output.append(str(tmp_path / "explorer"))
    with job.running(smk):
        Path(smk.output[0]).write_bytes(b"table")
        (tmp_path / "explorer" / "data").mkdir(parents=True)
        (tmp_path / "explorer" / "data" / "study.js").write_bytes(b"page")
    assert whole_files.load_checksums(f"{smk.log[0]}.sha256") == {
        path: whole_files.checksum(path)
        for path in (smk.output[0], str(tmp_path / "explorer" / "data" / "study.js"))
    }


def test_a_manifest_says_how_its_files_were_made(smk: Job) -> None:
    smk.input = ["b", "a"]
    with job.running(smk):
        Path(smk.output[0]).write_bytes(b"scores")
    manifest = f"{smk.log[0]}.sha256"
    assert whole_files.load_description(manifest) == {
        **provenance.record(smk.rule, smk.wildcards, smk.params), "input": ["a", "b"]
    }  # fmt: skip
    assert list(whole_files.load_checksums(manifest)) == smk.output
