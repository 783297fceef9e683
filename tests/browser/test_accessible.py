"""Every page by axe-core, light, and dark on a phone; printed, and in the colours that a reader chooses.

The normal run has each page in one of the two, in turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.pages import Visit, visit
from tests.browser.screenshots import PLACES

PAGES = (
    *PLACES.values(),
    "/matrices/uhlen_tissues/values?axis=sample&attribute=System",
    "/nothing",
    "/rnaget/studies",
    "/graphql",
)
"""The pages that are looked at, served from the demo."""

LIGHT, DARK = "rgb(247, 248, 248)", "rgb(18, 24, 26)"


@pytest.fixture
def page(browser: Browser, demo_root: str) -> Iterator[Visit]:
    with visit(browser, demo_root) as seen:
        yield seen


@pytest.mark.parametrize(
    ("path", "theme", "width"),
    [
        pytest.param(path, theme, width, marks=pytest.mark.long if (number + turn) % 2 else ())
        for number, path in enumerate(PAGES)
        for turn, (theme, width) in enumerate((("light", 1400), ("dark", 390)))
    ],
)
def test_axe_finds_nothing(page: Visit, path: str, theme: Literal["light", "dark"], width: int) -> None:
    page.page.emulate_media(color_scheme=theme)
    page.page.set_viewport_size({"width": width, "height": 900})
    reply = page.page.goto(path)
    assert reply is not None and reply.status == (404 if path == "/nothing" else 200)
    page.page.wait_for_load_state("networkidle")
    found = Axe().run(page.page, options={"resultTypes": ["violations"]})  # what passes takes the longest to tell
    assert found.violations_count == 0, found.generate_report()
    assert page.page.evaluate("document.documentElement.scrollWidth") == width, f"{path} is too wide"
    assert page.foreign == []
    assert [error for error in page.errors if path != "/nothing" or "404" not in error] == []


def background(page: Visit) -> str:
    return str(page.page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_reader_chooses_light_or_dark(page: Visit) -> None:
    page.page.goto("/status")
    assert background(page) == LIGHT
    button = page.page.get_by_role("button", name="Colours")
    shown = []
    for _ in range(3):
        button.click()
        page.page.goto("/")  # it is kept
        shown.append((background(page), button.get_attribute("title")))
    assert shown == [
        (LIGHT, "Colours: light. Change to: dark"),
        (DARK, "Colours: dark. Change to: as the system"),
        (LIGHT, "Colours: as the system. Change to: light"),
    ]
    page.page.emulate_media(color_scheme="dark")
    assert background(page) == DARK
    button.click()
    assert background(page) == LIGHT
    page.check()


def test_printed_pages_are_light_and_have_no_bars(page: Visit, tmp_path: Path) -> None:
    page.page.emulate_media(media="print", color_scheme="dark")
    page.page.goto("/")
    assert background(page) == "rgb(255, 255, 255)"
    for selector in (".bar", ".ways", ".skip"):
        assert not page.page.locator(selector).first.is_visible(), selector
    assert page.page.get_by_role("heading", level=1).is_visible()
    page.check()


def test_without_scripts_the_colours_are_those_of_the_system(browser: Browser, demo_root: str) -> None:
    with visit(browser, demo_root, colours="dark", scripts=False) as seen:
        seen.page.goto("/status")
        assert background(seen) == DARK
        assert not seen.page.locator("#theme").is_visible()
        assert seen.page.get_by_role("heading", level=1).is_visible()
