"""A script in a fork of the server does what it does in a plain Python, and ends as there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunescope.study.run import fork_server

ONE_THREAD = {**os.environ, **fork_server.ONE_THREAD}
TELL = """
import json, os, sys
json.dump({
    "arguments": sys.argv[1:], "folder": os.getcwd(), "value": os.environ.get("VALUE"),
    "threads": len(os.listdir("/proc/self/task")), "torch": "torch" in sys.modules,
    "main": sys.modules["__main__"].__dict__ is globals(), "file": __file__,
    "parent": os.getppid(),
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server as a run starts it."""
    parent = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys; from prunescope.study.run import fork_server; "
            "print(fork_server.start(), flush=True); "
            "sys.stdin.read()",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(fork_server.SCRIPTS)},
    )  # fmt: skip
    assert parent.stdin is not None
    assert parent.stdout is not None
    path = parent.stdout.readline().strip()
    while not Path(path).exists():
        time.sleep(0.05)
    yield path
    parent.stdin.close()
    assert parent.wait() == 0
    wait_until(lambda: not Path(path).parent.exists())


def wait_until(true: object) -> None:
    while not true():  # type: ignore[operator]
        time.sleep(0.02)


def command(path: str, script: Path, *arguments: str) -> list[str]:
    """As Snakemake starts a script: by way of a shell."""
    prefix = fork_server.shell_prefix(path).replace("{{", "{").replace("}}", "}")
    return ["bash", "-c", " ".join([prefix, sys.executable, str(script), *arguments])]


def script(folder: Path, text: str) -> Path:
    path = folder / "job.some_rule.py"
    path.write_text(text)
    return path


def run(
    path: str, made: Path, *arguments: str, **kwargs: object
) -> subprocess.CompletedProcess[str]:
    options: dict = {"env": ONE_THREAD, "capture_output": True, "text": True, **kwargs}
    return subprocess.run(command(path, made, *arguments), **options)


def test_a_script_finds_what_it_expects(server: str, tmp_path: Path) -> None:
    made = script(tmp_path, TELL)
    done = run(server, made, "a", "'b c'", cwd=tmp_path, env={**ONE_THREAD, "VALUE": "ü"})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    told.pop("parent")
    assert told == {
        "arguments": ["a", "b c"],
        "folder": str(tmp_path),
        "value": "ü",
        "threads": 1,
        "torch": True,
        "main": True,
        "file": str(made),
    }


@pytest.mark.parametrize("path", ["/nowhere/socket", None])
def test_without_server_or_with_more_threads_python_is_a_plain_one(
    path: str | None, server: str, tmp_path: Path
) -> None:
    environment = ONE_THREAD if path else {**ONE_THREAD, "OMP_NUM_THREADS": "2"}
    done = run(path or server, script(tmp_path, TELL), env=environment)
    told = json.loads(done.stdout)
    assert not told["torch"]
    assert told["parent"] == os.getpid()


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(75)", 75, ""),
        ("import sys; sys.exit('why')", 1, "why\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os.abort()", 128 + signal.SIGABRT, ""),
        ("import atexit, sys; atexit.register(print, 'end', file=sys.stderr)", 0, "end\n"),
    ],
)
def test_the_end_is_passed_on(server: str, tmp_path: Path, text: str, status: int,
                              said: str) -> None:  # fmt: skip
    done = run(server, script(tmp_path, text))
    assert done.returncode in (status, 128 - status)
    assert done.stderr.endswith(said)
    assert bool(done.stderr) == bool(said)


WAIT = """
import signal, sys, time
caught = []
signal.signal(signal.{name}, lambda number, frame: caught.append(number))
print("ready", flush=True)
while not caught:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(40 + len(caught))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("group", [False, True])
def test_a_signal_comes_once(server: str, tmp_path: Path, name: str, group: bool) -> None:
    made = script(tmp_path, WAIT.format(name=name))
    process = subprocess.Popen(command(server, made), stdout=subprocess.PIPE, env=ONE_THREAD,
                               start_new_session=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    (os.killpg if group else os.kill)(process.pid, getattr(signal, name))
    assert process.wait() == 41
    process.stdout.close()


def test_whoever_is_killed_takes_the_script_along(server: str, tmp_path: Path) -> None:
    made = script(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    process = subprocess.Popen(command(server, made), stdout=subprocess.PIPE, env=ONE_THREAD)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    process.stdout.close()
    assert run(server, script(tmp_path, "pass")).returncode == 0


def test_a_script_outlives_the_run_and_not_the_server(tmp_path: Path) -> None:
    """As an orphan of a killed Snakemake goes on; a server that dies leaves nothing behind."""
    path = str(tmp_path / "socket")
    process = subprocess.Popen(
        [sys.executable, fork_server.__file__, path], stdin=subprocess.PIPE, env=ONE_THREAD
    )
    wait_until(Path(path).exists)
    made = script(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    job = subprocess.Popen(command(path, made), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env=ONE_THREAD, text=True)  # fmt: skip
    assert job.stdout is not None
    child = int(job.stdout.readline())
    assert process.stdin is not None
    process.stdin.close()
    time.sleep(0.3)
    assert process.poll() is None
    assert Path(f"/proc/{child}").exists()
    process.kill()
    assert job.wait() == 1
    assert job.stderr is not None
    assert "is gone" in job.stderr.read()
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    job.stdout.close()
    job.stderr.close()
    process.wait()
