"""A browser, and pages of another origin than the server's, in which igv.js reads from the server."""

from __future__ import annotations

import asyncio
import io
import shutil
from asyncio import AbstractEventLoop
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from rnaget_server.web import libraries
from tests.browser.pages import Visit, started, visit
from tests.serving import files_served

HERE = Path(__file__).parent
Colour = tuple[int, int, int]


@pytest.fixture(scope="session")
def _chromium() -> Iterator[tuple[Browser, AbstractEventLoop]]:
    """Chromium with the event loop by which it is asked, in which nothing runs while tests of other files do."""
    with started() as browser:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)


@pytest.fixture(scope="module")
def browser(_chromium: tuple[Browser, AbstractEventLoop]) -> Iterator[Browser]:
    """Chromium; `tests.browser.pages.visit` opens pages in it. After the module, other tests can run event loops."""
    browser, loop = _chromium
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


@contextmanager
def site_of(files: Path, page: str) -> Iterator[str]:
    """Serve a page with the genome browser, and the files that it needs: another origin than the server's."""
    shutil.copy(HERE / page, files)
    shutil.copy(libraries()["igv"].path, files / "igv.js")
    with files_served(files) as address:
        yield f"{address}/{page}"


@dataclass(frozen=True)
class Drawing:
    """The page once its tracks are drawn.

    Attributes
    ----------
    state
        ``drawn``, or why not.
    visit
        What was asked for, and what went wrong.
    left, width
        Where the tracks lie.
    columns
        For each colour the number of pixels that have it in each column of the page.
    found
        What the page itself has found.
    """

    state: str | None
    visit: Visit
    left: int
    width: int
    columns: Mapping[str, NDArray[np.int64]]
    found: Any


def drawn(browser: Browser, url: str, colours: Mapping[str, Colour]) -> Drawing:
    """Return what is on a page once its tracks are drawn."""
    with visit(browser, url, width=1200) as seen:
        page = seen.page
        page.goto(url)
        page.wait_for_selector("body[data-state]", state="attached")
        page.wait_for_load_state("networkidle")
        left, width = extent(page)
        return Drawing(
            page.locator("body").get_attribute("data-state"),
            seen,
            left,
            width,
            columns_of(page.screenshot(), colours),
            page.evaluate("window.found ?? null"),
        )


def extent(page: Page) -> tuple[int, int]:
    """Return where the tracks of the genome browser begin in the page, and how wide they are, in pixels."""
    box = page.locator(".igv-column .igv-viewport").last.bounding_box()
    assert box is not None
    return round(box["x"]), round(box["width"])


def columns_of(png: bytes, colours: Mapping[str, Colour]) -> dict[str, NDArray[np.int64]]:
    """Return how many pixels of each column of a picture have each colour."""
    import matplotlib.image  # takes a second to import

    pixels = np.rint(matplotlib.image.imread(io.BytesIO(png), "png")[..., :3] * 255)
    return {name: (pixels == colour).all(axis=2).sum(axis=0) for name, colour in colours.items()}
