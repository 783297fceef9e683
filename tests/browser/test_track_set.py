"""Signal tracks, genes, letters and reads, as igv.js draws them on the pages of a real server."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Colour, columns_of
from tests.browser.pages import Visit, visit
from tests.pages.tracked import LETTERS, MISMATCH, write_tracked

SIGNAL: Colour = (15, 92, 99)
GENES: Colour = (90, 60, 140)
LETTER_COLOURS: dict[str, Colour] = {"A": (0, 200, 0), "C": (0, 0, 200), "G": (209, 113, 5), "T": (255, 0, 0)}
START, END = 76_940_000, 76_990_000
REGION = f"chr18:{START + 1}-{END}"


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tracked(tmp_path_factory.mktemp("tracked") / "data", shared_data)


@pytest.fixture(scope="module")
def server(data: Path, serve: Callable[..., str]) -> str:
    return serve(data)


@pytest.fixture
def opened(browser: Browser, server: str) -> Iterator[Visit]:
    with visit(browser, server) as seen:
        yield seen
        seen.check()


def show(page: Page, path: str) -> tuple[bytes, int, int]:
    """Open a page, and return the picture of its genome browser, where its tracks begin in it, and their width."""
    page.goto(path)
    return picture(page)


def picture(page: Page) -> tuple[bytes, int, int]:
    page.wait_for_selector("#browse[data-state=drawn]")
    page.wait_for_load_state("networkidle")
    browse = page.locator("#browse")
    outer, inner = browse.bounding_box(), page.locator(".igv-column .igv-viewport").last.bounding_box()
    assert outer is not None and inner is not None
    return browse.screenshot(), round(inner["x"] - outer["x"]), round(inner["width"])


def bars(png: bytes, left: int, width: int) -> NDArray[np.int64]:
    return columns_of(png, {"signal": SIGNAL})["signal"][left : left + width]


@pytest.mark.parametrize("tracks", ["er", "er_zero"], ids=["file", "regions"])
def test_the_bars_are_as_high_as_the_largest_values(opened: Visit, data: Path, tracks: str) -> None:
    png, left, width = show(opened.page, f"/tracks/{tracks}?region={REGION}&sample=ER1")
    heights = bars(png, left, width)
    with pyBigWig.open(str(data / "p" / "mcf7" / "Chr18_MCF7_ER_1.bw")) as file:
        found = file.stats("chr18", START, END, nBins=width, type="max", exact=True)
    expected = np.array([value or 0 for value in found], float)
    assert heights.max() > 60, "the highest bar fills the track"
    assert abs(int(heights.argmax()) - int(expected.argmax())) <= 2
    apart = np.abs(heights - expected / expected.max() * heights.max())
    assert np.mean(apart <= 2) > 0.9


def test_nothing_is_drawn_where_there_is_no_signal(opened: Visit) -> None:
    assert bars(*show(opened.page, "/tracks/er?region=chr18:1000001-1050000&sample=ER1")).sum() == 0


def test_the_address_and_the_links_follow_the_region(opened: Visit) -> None:
    page = opened.page
    show(page, f"/tracks/er?region={REGION}&sample=ER1")
    box = page.locator("#browse input.igv-search-input")
    box.fill("chr18:76,800,001-76,820,000")
    box.press("Enter")
    expect(page.locator("#place")).to_have_value("chr18:76800001-76820000")
    assert "region=chr18%3A76800001-76820000" in page.url and "sample=ER1" in page.url
    link = page.locator("a[data-of-region]").first.get_attribute("href")
    assert link is not None and "chr=chr18&start=76800000&end=76820000" in link
    moved = bars(*picture(page))
    again = bars(*show(page, page.url))
    assert moved.sum() > 0
    assert np.mean(np.abs(moved - again) <= 1) > 0.95


def test_letters_are_those_of_the_genome(opened: Visit) -> None:
    png, left, width = show(opened.page, "/tracks/signal?region=1:1501-1700&reads=run/r")
    import matplotlib.image  # takes a second to import

    pixels = np.rint(matplotlib.image.imread(io.BytesIO(png), "png")[..., :3] * 255)
    centres = left + ((np.arange(200) + 0.5) * width / 200).astype(int)
    codes = np.full((len(pixels), 200), "-")
    for letter, colour in LETTER_COLOURS.items():
        codes[(pixels[:, centres] == colour).all(axis=2)] = letter
    drawn = ["".join(row) for row in codes]
    assert LETTERS[1500:1700] in drawn
    # Each read over one base differs there from the genome, and nowhere else: its column alone is coloured below.
    differing = "A" if LETTERS[MISMATCH] != "A" else "C"
    below = drawn[max(row for row, text in enumerate(drawn) if text == LETTERS[1500:1700]) + 1 :]
    coloured = {at for text in below for at, letter in enumerate(text) if letter == differing}
    assert coloured == {MISMATCH - 1500}


def test_genes_are_drawn_where_they_are(opened: Visit) -> None:
    png, left, width = show(opened.page, "/genomes/g?region=chr1:1-4000")
    columns = columns_of(png, {"genes": GENES})["genes"][left : left + width]
    per_base = width / 4000
    exons, introns = (
        columns[int(1010 * per_base) : int(1290 * per_base)],
        columns[int(1400 * per_base) : int(1900 * per_base)],
    )
    assert exons.min() >= 3
    assert introns.min() >= 1 and np.median(introns) < np.median(exons)
    assert columns[: int(990 * per_base)].sum() == 0
    rows = opened.page.get_by_role("table", name="Genes in chr1:1-4000").get_by_role("row")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("link", name=re.compile("Signal")).first.click()
    opened.page.wait_for_selector("#browse[data-state=drawn]")
    expect(opened.page.locator("#place")).to_have_value("chr1:1001-3000".replace("chr1", "1"))


def test_a_track_that_breaks_is_said(browser: Browser, server: str) -> None:
    with visit(browser, server) as seen:
        seen.page.route("**/files/*", lambda route: route.fulfill(status=503, body="{}"))
        seen.page.goto("/tracks/signal?region=1:1-5000&sample=S1")
        expect(seen.page.locator("#wrong")).to_contain_text("S1")


@pytest.mark.parametrize(
    ("path", "width", "colours"),
    [
        ("/tracks/signal?region=ABC1", 1400, "light"),
        ("/tracks/signal?region=ABC1", 390, "dark"),
        ("/genomes/g", 1400, "dark"),
        ("/genomes/g", 390, "light"),
        ("/tracks/signal?region=ABC11", 390, "dark"),
    ],
)
def test_everybody_can_use_the_pages(browser: Browser, server: str, path: str, width: int, colours: str) -> None:
    with visit(browser, server, width, "dark" if colours == "dark" else "light") as seen:
        seen.page.goto(path)
        if "ABC11" not in path:
            seen.page.wait_for_selector("#browse[data-state=drawn]")
            seen.check()
        found = Axe().run(seen.page).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert not seen.foreign
