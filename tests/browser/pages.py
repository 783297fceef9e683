"""Pages of a real server in a real browser: what they show, what they ask for, and what goes wrong in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Literal
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_LONG = pytest.mark.long
# All pages share a process, which compiles the scripts of a server once: that is two thirds of the work.
FLAGS = ["--no-sandbox", "--disable-gpu", "--process-per-site"]
# All that a page can leave behind but its files.
_LEFT = "cookies,local_storage,indexeddb,service_workers,cache_storage"
looks = pytest.mark.parametrize(
    ("width", "colours"),
    [
        (390, "dark"),
        pytest.param(390, "light", marks=_LONG),
        pytest.param(1400, "dark", marks=_LONG),
        pytest.param(1400, "light", marks=_LONG),
    ],
)
"""Marks a test of a page for phones and screens, light and dark; the normal run has the first of them."""


@dataclass
class Visit:
    """A page that is open, and what has gone wrong in it; `foreign` are the addresses of other servers it asked."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Fail if there was an error, or a request that left the server."""
        assert not self.errors, self.errors
        assert not self.foreign, self.foreign


@contextmanager
def started() -> Iterator[Browser]:
    """Start Debian's Chromium, without a window."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: Browser,
    root: str,
    width: int = 1400,
    colours: Literal["light", "dark"] = "light",
    scripts: bool = True,
) -> Iterator[Visit]:
    """Open a page of the server at `root`; addresses given to ``goto`` are relative to it."""
    context = _reader(browser)
    seen = Visit(context.new_page())
    try:
        _make_ready(seen, root)
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.page.emulate_media(color_scheme=colours)
        if not scripts:
            context.new_cdp_session(seen.page).send("Emulation.setScriptExecutionDisabled", {"value": True})
        yield seen
    finally:
        # Of a test that failed, too: all have the same reader.
        context.new_cdp_session(seen.page).send("Storage.clearDataForOrigin", {"origin": root, "storageTypes": _LEFT})
        context.clear_cookies()
        seen.page.close()


def _make_ready(seen: Visit, root: str) -> None:
    """Have the page take addresses of `root`, and the visit note what goes wrong."""
    go = seen.page.goto
    # Readers that each have a base of their own would each have a process of their own.
    seen.page.goto = lambda url, **options: go(urljoin(root, url), **options)  # type: ignore[method-assign]
    home = urlsplit(root).netloc

    def ask(url: str) -> None:
        if urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).netloc != home:
            seen.foreign.append(url)

    def failed(url: str, failure: str) -> None:
        # The browser asks for the icon by itself, and gives up when the page is left.
        if not (url.endswith("/favicon.svg") and "ERR_ABORTED" in failure):
            seen.errors.append(f"{url}: {failure}")

    seen.page.on("request", lambda request: ask(request.url))
    seen.page.on("requestfailed", lambda request: failed(request.url, str(request.failure)))
    seen.page.on("console", lambda said: said.type in ("error", "warning") and seen.errors.append(said.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))


@cache
def _reader(browser: Browser) -> BrowserContext:
    """Return the one reader, whose pages share the files that they load, and a process.

    An empty page keeps the process while no other is open. To Chromium, all ports of an address are one site.
    """
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(60_000)
    empty = context.new_page()
    empty.route("**", lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
    empty.goto("http://127.0.0.1/")
    return context
