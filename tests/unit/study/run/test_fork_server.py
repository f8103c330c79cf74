"""A script in a fork of the server does what it does in a plain Python, and ends as there."""

import json
import os
import shlex
import signal
import socket
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
    name = parent.stdout.readline().strip()
    wait_until(lambda: listens(name))
    yield name
    parent.stdin.close()
    assert parent.wait() == 0
    wait_until(lambda: not listens(name))


def listens(name: str) -> bool:
    """Whether a server of this name is ready."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(f"\0{name}") == 0


def wait_until(true: object) -> None:
    while not true():  # type: ignore[operator]
        time.sleep(0.02)


def command(name: str, script: Path, *arguments: str) -> list[str]:
    """As Snakemake starts a script: by way of a shell."""
    words = [fork_server.command(name), shlex.quote(str(script)), *arguments]
    return ["bash", "-c", f"set -euo pipefail; {' '.join(words)}"]


def script(folder: Path, text: str) -> Path:
    path = folder / "job.some_rule.py"
    path.write_text(text)
    return path


def run(
    name: str, made: Path, *arguments: str, **kwargs: object
) -> subprocess.CompletedProcess[str]:
    options: dict = {"env": ONE_THREAD, "capture_output": True, "text": True, **kwargs}
    return subprocess.run(command(name, made, *arguments), **options)


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


def runs_plainly(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a plain Python ran `TELL`, and nothing else was said."""
    assert done.returncode == 0
    assert done.stderr == ""
    told = json.loads(done.stdout)
    return not told["torch"] and told["parent"] == os.getpid()


@pytest.mark.parametrize("name", ["nobody", None])
def test_without_server_or_with_more_threads_python_is_a_plain_one(
    name: str | None, server: str, tmp_path: Path
) -> None:
    environment = ONE_THREAD if name else {**ONE_THREAD, "OMP_NUM_THREADS": "2"}
    assert runs_plainly(run(name or server, script(tmp_path, TELL), env=environment))


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
AS_ANOTHER = "import os, socket, sys; os.setgid(65534); os.setuid({user})\n"
ASK = """
client = socket.socket(socket.AF_UNIX)
client.connect(chr(0) + sys.argv[1])
content = b'{"arguments": ["/dev/null"], "environment": {}, "folder": "/"}'
try:
    socket.send_fds(client, [len(content).to_bytes(8, "little")], [0, 1, 2])
    client.sendall(content)
    print(len(client.recv(4)))
except (BrokenPipeError, ConnectionResetError):
    print(0)
"""
LISTEN = """
listener = socket.socket(socket.AF_UNIX)
listener.bind(chr(0) + sys.argv[1])
listener.listen(1)
print("ready", flush=True)
print(listener.accept()[0].recv(8))
"""


@ROOT_ONLY
@pytest.mark.parametrize(("user", "answer"), [(0, "4\n"), (65534, "0\n")])
def test_a_server_answers_its_own_user_only(server: str, user: int, answer: str) -> None:
    ask = AS_ANOTHER.format(user=user) + ASK
    done = subprocess.run([sys.executable, "-c", ask, server], capture_output=True, text=True)
    assert done.stdout == answer, done.stderr


@ROOT_ONLY
def test_a_job_tells_nothing_to_the_server_of_another_user(tmp_path: Path) -> None:
    """Whoever has read the name may take it before the server is ready."""
    name = "prunescope-taken"
    listen = AS_ANOTHER.format(user=65534) + LISTEN
    thief = subprocess.Popen(
        [sys.executable, "-c", listen, name], stdout=subprocess.PIPE, text=True
    )
    assert thief.stdout is not None
    assert thief.stdout.readline() == "ready\n"
    assert runs_plainly(run(name, script(tmp_path, TELL)))
    assert thief.communicate()[0] == "b''\n"


@pytest.mark.parametrize("folder", ["my {tmp}" + "t" * 120, "gone"])
def test_the_temporary_folder_may_be_any(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have a long name, braces in it, or be gone; nothing is left in it."""
    if folder != "gone":
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import signal, time; from prunescope.study.run import fork_server; "
            "from test_fork_server import listens, wait_until; name = fork_server.start(); "
            "wait_until(lambda: listens(name)); signal.raise_signal(signal.SIGKILL)",
        ],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{fork_server.SCRIPTS}:{Path(__file__).parent}"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "", "")
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / folder] == []


@pytest.mark.parametrize("seconds", [0, 0.1, 0.5])
def test_a_run_that_ends_before_the_server_is_ready_leaves_no_word(seconds: float) -> None:
    """Nor does Ctrl-C, which comes to the whole group of the run."""
    run_of_jobs = (
        "import os, signal, time; from prunescope.study.run import fork_server; "
        f"print(fork_server.start(), flush=True); time.sleep({seconds}); "
        "signal.signal(signal.SIGINT, signal.SIG_IGN); os.killpg(0, signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", run_of_jobs],
        capture_output=True, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(fork_server.SCRIPTS)},
    )  # fmt: skip
    # `capture_output` waits until the server, too, has closed its streams, or has none of ours.
    assert done.returncode == 0
    assert done.stderr == ""
    wait_until(lambda: not listens(done.stdout.strip()))


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


def test_python_and_the_workflow_may_lie_below_any_folder(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's {study} {0} {} $(x)"
    folder.mkdir()
    for name, target in (("python", sys.executable), ("client.py", fork_server.LAUNCHER)):
        (folder / name).symlink_to(target)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(fork_server, "LAUNCHER", folder / "client.py")
    made = script(folder, TELL)
    done = run(server, made, "a")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["torch"], told["arguments"], told["file"]) == (True, ["a"], str(made))


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
    name = "prunescope-alone"
    process = subprocess.Popen(
        [sys.executable, fork_server.__file__, name], stdin=subprocess.PIPE, env=ONE_THREAD
    )
    wait_until(lambda: listens(name))
    made = script(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    job = subprocess.Popen(command(name, made), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
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
