"""A real Chromium, for tests of pages that are opened from the file system."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; skips the test where there is none."""
    found = [path for path in map(shutil.which, NAMES) if path]
    if not found:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found[0], args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page that notes what goes wrong in it and which files it asks for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def data(self, folder: Path) -> list[str]:
        """The data files that were asked for, by name, in order."""
        start = f"{folder.resolve().as_uri()}/data/"
        return [url.removeprefix(start).removesuffix(".js")
                for url in self.requests if url.startswith(start)]  # fmt: skip

    def close(self) -> None:
        self.page.context.close()
