"""Follow a page of docs/tutorials/ as a reader does: write its files, run its commands, compare."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from workspaces import PROJECT, Workspace

FOLDER = PROJECT / "docs" / "tutorials"
# What may stand in place of lines that are left out of what is printed.
LEFT_OUT = "..."


@dataclass(frozen=True)
class Block:
    """A block of code of a page, and the nearest heading above it."""

    heading: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page of docs/tutorials/, in their order."""
    found, heading = [], ""
    text = (FOLDER / page).read_text(encoding="utf-8")
    for line, language, code in re.findall(
        r"^ *(?:#+ (.+?)|```(\w+)\n(.*?)^ *```)$", text, flags=re.M | re.S
    ):
        heading = line or heading
        if language:
            found.append(Block(heading, language, dedent(code)))
    return found


def give_environment(workspace: Workspace) -> None:
    """Give a workspace the Makefile, and the environment of the tests as the one it has made."""
    workspace.path("Makefile").write_bytes((PROJECT / "Makefile").read_bytes())
    own = workspace.path(".venv")
    own.mkdir()
    for part in Path(sys.prefix).iterdir():
        (own / part.name).symlink_to(part)
    # Newer than the lock file, as after `make setup`.
    own.joinpath(".ready").unlink(missing_ok=True)
    own.joinpath(".ready").touch()


def follow(workspace: Workspace, page: str, leave_out: str = "") -> str:
    """Do what a page says, in its order.

    A block that begins with a path is written to it, `sh` blocks are run with `bash -e`, and what a
    `text` block shows must have been printed by the commands before it, line by line.

    Parameters
    ----------
    workspace
        A workspace with an environment (`give_environment`).
    page
        The name of a page of docs/tutorials/.
    leave_out
        A heading whose blocks are left out: an alternative.

    Returns
    -------
    str
        All that was printed.
    """
    everything, printed = "", ""
    for block in blocks(page):
        if block.heading == leave_out:
            continue
        if block.language == "sh":
            printed = run(workspace, block.text)
            everything += printed
        elif block.language == "text":
            assert_printed(block.text, printed)
        else:
            write(workspace, block)
    return everything


def write_files(workspace: Workspace, page: str) -> None:
    """Write the files of a page, and run nothing."""
    for block in blocks(page):
        if block.language not in ("sh", "text"):
            write(workspace, block)


def write(workspace: Workspace, block: Block) -> None:
    """Write a block to the path that it begins with."""
    path = re.match(r"# ([\w/]+\.\w+)\n", block.text)
    assert path, f"what is to be done with this block?\n{block.text}"
    file = workspace.path(path[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text, encoding="utf-8")


def run(workspace: Workspace, commands: str) -> str:
    """Run commands as a reader's shell does; returns what they print."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if "MAKE" not in name and name != "PYTHONPATH"
    }
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=workspace.folder, env=inherited, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout[-6000:]}"
    return done.stdout


def assert_printed(shown: str, printed: str) -> None:
    """What a page shows was printed: each line, or the beginning of one, in this order."""
    rest = iter(printed.splitlines())
    for line in shown.splitlines():
        if line != LEFT_OUT:
            assert any(found.strip().startswith(line.strip()) for found in rest), (
                f"{line!r} was not printed, or not in this order:\n{printed[-6000:]}"
            )
