"""A real browser and a running app, for the few tests that look at a page.

    @pytest.mark.slow
    def test_a_question_is_answered(app_page: AppPage) -> None:
        app_page.page.get_by_role("textbox", name="Your question").fill("What is covered?")

Whatever a page does, it may ask no other host for anything and may not write an error to its console: the ``visit``
fixture looks at that when the test has ended.
"""

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from ui.server import ClientLimits, address_of, server_of

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCREENSHOTS = Path(".screenshots")
PATIENCE = 60_000
"""Milliseconds until what should be on a page counts as missing: other work may have the processor meanwhile."""
expect.set_options(timeout=PATIENCE)
_LEAVING = ("AbortError: signal is aborted", "Connection errored out")
"""What Gradio's client says of its open stream when a page is left or loaded anew."""


@dataclass
class Visit:
    """A page of the app in a browser of its own, and what went wrong on it."""

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)
    """What the console was told as an error."""
    elsewhere: list[str] = field(default_factory=list)
    """Addresses on other hosts that were asked for."""

    def open(self, path: str = "/en/") -> Page:
        """Open the app and wait until it can be used."""
        self.page.goto(self.address + path)
        self.page.locator(".welcome").wait_for()
        return self.page

    def tab(self, name: str) -> Page:
        """Change to a tab by its title."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        return self.page

    def picture(self, name: str) -> None:
        """Keep what is seen as ``.screenshots/NAME.png``."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


Visits = Callable[..., Visit]


@contextmanager
def launched(*arguments: str, **options: Any) -> Iterator[Browser]:
    """The system's Chromium, while the block runs."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("There is no chromium: apt-get install chromium")
    with (
        sync_playwright() as playwright,
        closing(
            playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments], **options)
        ) as browser,
    ):
        yield browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Not for longer: while Playwright is there, no other test can have an event loop."""
    with launched() as browser:
        yield browser


def rest(page: Page) -> None:
    """Wait until nothing of a page changes: Gradio draws in parts, and what is hidden meanwhile comes back."""
    page.evaluate("""() => new Promise((rested) => {
      let pause = setTimeout(rested, 300);
      const again = () => { clearTimeout(pause); pause = setTimeout(rested, 300); };
      new MutationObserver(again).observe(document.body, {attributes: true, childList: true, subtree: true});
    })""")


@pytest.fixture(scope="module")
def left() -> dict[str, list[BrowserContext]]:
    """What earlier tests have left of browsers, by their options: they have compiled the app, half of opening it."""
    return defaultdict(list)


@pytest.fixture
def visit(chromium: Browser, left: dict[str, list[BrowserContext]]) -> Iterator[Visits]:
    """``visit(address, width=1440, height=900, **options)``: the app as one more person sees it."""
    visits: list[Visit] = []
    used: list[tuple[str, BrowserContext]] = []

    def begin(address: str, width: int = 1440, height: int = 900, **options: object) -> Visit:
        chosen: dict[str, Any] = {"locale": "en-GB", **options}
        same = str(sorted(chosen.items()))
        context = left[same].pop() if left[same] else chromium.new_context(**chosen)
        used.append((same, context))
        context.set_default_timeout(PATIENCE)
        one = Visit(context.new_page(), address)
        one.page.set_viewport_size({"width": width, "height": height})
        # Of the one before nothing is left but the code of the app.
        context.clear_cookies()
        kept = {"origin": address, "storageTypes": "local_storage,indexeddb,cache_storage,service_workers"}
        context.new_cdp_session(one.page).send("Storage.clearDataForOrigin", kept)
        one.page.on("console", lambda message: one.errors.append(message.text) if message.type == "error" else None)
        one.page.on("pageerror", lambda error: one.errors.append(str(error)))
        one.page.on("request", lambda request: _note_elsewhere(one, request.url))
        visits.append(one)
        return one

    yield begin
    for same, context in used:
        for page in context.pages:
            page.close()
        left[same].append(context)
    elsewhere = [found for one in visits for found in one.elsewhere]
    assert not elsewhere, f"a page asked another host: {elsewhere}"
    errors = [found for one in visits for found in one.errors if not any(said in found for said in _LEAVING)]
    assert not errors, f"a page wrote errors to its console: {errors}"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of an app that runs while the block does."""
    import socket

    listening = socket.create_server(("127.0.0.1", 0))
    server = server_of(app, lambda: None, ClientLimits(), patience_seconds=1)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield address_of(listening)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the server did not end"


def _note_elsewhere(visit: Visit, address: str) -> None:
    if urlsplit(address).scheme not in ("data", "blob") and not address.startswith(visit.address):
        visit.elsewhere.append(address)
