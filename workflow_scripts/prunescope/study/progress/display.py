"""Show lines on a terminal, with a part at its lower end that changes, or write them to a file."""

import os
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 24


class PatientConsole(Console):
    """A console that falls silent when nobody reads it any more. The run goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Display:
    """Lines, and below them on a terminal a bar and what runs now.

    A terminal that cannot move its cursor (`TERM=dumb`) counts as none. Colours follow `NO_COLOR`.

    Parameters
    ----------
    stream
        Where to write.
    colours
        Whether colours are allowed.
    """

    def __init__(self, stream: TextIO, colours: bool = True) -> None:
        self.is_live = stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
        self._console = PatientConsole(
            file=stream,
            force_terminal=self.is_live,
            no_color=None if colours else True,
            highlight=False,
            emoji=False,
            markup=False,
        )
        self._live: Live | None = None

    @property
    def has_colours(self) -> bool:
        """Whether lines may have colours."""
        return self.is_live and not self._console.no_color

    def say(self, lines: Sequence[str], style: str = "") -> None:
        """Write lines that stay. Long lines are left to the terminal to wrap."""
        text = Text("\n".join(lines), style=style)
        self._console.print(text, soft_wrap=True)

    def show(self, done: int, total: int, caption: str, below: Sequence[str]) -> None:
        """Draw the changing part anew: a bar with its caption, and lines below it."""
        drawing = _drawing(done, total, caption, below)
        if self._live is None:
            # The streams of this process are left alone: what is printed may go to a file.
            self._live = Live(
                drawing,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            # It hides the cursor, and a process that is killed could not show it again.
            self._console.show_cursor(True)
        self._live.update(drawing, refresh=True)

    def close(self) -> None:
        """Take the changing part away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def _drawing(done: int, total: int, caption: str, below: Sequence[str]) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=BAR_WIDTH)
    row.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    row.add_row(ProgressBar(total, done, width=BAR_WIDTH), Text(caption))
    others = (Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in below)
    return Group(row, *others)
