"""The plot of single cells in a real browser: what is drawn in which colours, and what one can do with it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import anndata
import numpy as np
import pandas as pd
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import Visit, looks, visit
from tests.pages.cells_material import TYPES, catalogue_of, made_cells

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 900
SHARE = 0.92  # of the plot that the embedding takes
DRAWN = "canvas[data-drawn]"
# Colours of the pixels, each with its number, of what is drawn.
PIXELS = """canvas => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const found = {};
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] === 255) {
      const colour = `rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`;
      found[colour] = (found[colour] ?? 0) + 1;
    }
  }
  return found;
}"""
SWATCHES = """table => Object.fromEntries([...table.rows].map(
  row => [row.cells[0].textContent, row.querySelector("i").style.background]))"""
WATCHED = """window.longest = 0;
new PerformanceObserver(list => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ type: "longtask", buffered: true });"""


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    return made_cells(COUNT)


@pytest.fixture(scope="module")
def root(cells: anndata.AnnData, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return serve(catalogue_of(cells, tmp_path_factory.mktemp("cells")))


@pytest.fixture
def seen(browser: Browser, root: str) -> Iterator[Visit]:
    with visit(browser, root) as seen:
        yield seen
        seen.check()


def drawn(page: Page, address: str) -> int:
    """Open an address, and say how many cells are drawn."""
    page.goto(address)
    return drawn_now(page)


def drawn_now(page: Page) -> int:
    page.wait_for_selector(DRAWN)
    return int(page.get_attribute("canvas", "data-drawn") or 0)


def place_of(page: Page, points: np.ndarray, cell: int) -> tuple[float, float]:
    """The place on the page of a cell, in the view of all cells."""
    page.locator("canvas").scroll_into_view_if_needed()
    box = page.locator("canvas").bounding_box()
    assert box is not None
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    scale = SHARE * min(box["width"] / (high - low)[0], box["height"] / (high - low)[1])
    x, y = (points[cell] - (low + high) / 2) * scale
    return float(box["x"] + box["width"] / 2 + x), float(box["y"] + box["height"] / 2 - y)


def test_every_cell_with_a_place_is_drawn_in_the_colour_of_its_group(seen: Visit, cells: anndata.AnnData) -> None:
    page = seen.page
    assert drawn(page, "/matrices/sc/cells") == np.isfinite(cells.obsm["X_umap"]).all(axis=1).sum()
    swatches = page.locator("#legend tbody").evaluate(SWATCHES)
    assert set(swatches) == {*TYPES, "no value"}
    assert set(page.locator("canvas").evaluate(PIXELS)) == set(swatches.values())


def test_a_hidden_group_disappears_and_stays_hidden_in_the_address(seen: Visit, cells: anndata.AnnData) -> None:
    page = seen.page
    before = drawn(page, "/matrices/sc/cells")
    colour = page.locator("#legend tbody").evaluate(SWATCHES)["B cell"]
    page.get_by_role("button", name="B cell").click()
    here = (cells.obs["cell_type"] == "B cell") & np.isfinite(cells.obsm["X_umap"][:, 0])
    assert drawn_now(page) == before - here.sum()
    assert colour not in page.locator("canvas").evaluate(PIXELS)
    page.wait_for_url("**hide=B+cell**")
    assert drawn(page, page.url) == before - here.sum()
    page.get_by_role("button", name="Show all").click()
    assert drawn_now(page) == before


def test_pointing_at_a_cell_names_it_with_its_group_and_value(seen: Visit, cells: anndata.AnnData) -> None:
    page, points = seen.page, cells.obsm["X_umap"]
    drawn(page, "/matrices/sc/cells?gene=CD3D")
    cell = int(np.nanargmin(points[:, 1]))  # apart from all others
    page.mouse.move(*place_of(page, points, cell))
    page.wait_for_selector("#readout a")
    id, kind, value = cells.obs_names[cell], cells.obs["cell_type"].iloc[cell], int(cells.X[cell, 0])
    assert page.inner_text("#readout") == f"{id} cell_type: {kind} · CD3D (counts): {value}"
    link = page.get_attribute("#readout a", "href") or ""
    assert link.startswith("/samples/sc/cell%2F")


def test_a_gene_has_a_scale_that_may_be_logarithmic(seen: Visit, cells: anndata.AnnData) -> None:
    page = seen.page
    drawn(page, "/matrices/sc/cells?gene=CD3D")
    greatest = int(cells.X[:, 0].max())
    assert page.inner_text("#least") == "0"
    assert page.inner_text("#greatest") == f"{greatest} CD3D (counts)"
    linear = page.locator("canvas").evaluate(PIXELS)
    page.check("#log")
    drawn_now(page)
    assert page.inner_text("#greatest") == f"{greatest} CD3D (counts), log(1 + value)"
    assert page.locator("canvas").evaluate(PIXELS) != linear
    page.wait_for_url("**log=1**")
    drawn(page, "/matrices/sc/cells?colour=score&log=1")
    assert "negative numbers have no logarithm" in page.inner_text("#greatest")


def test_wheel_drag_and_keys_change_the_view_which_is_kept(seen: Visit) -> None:
    page = seen.page
    whole = drawn(page, "/matrices/sc/cells")
    page.locator("canvas").hover()
    page.mouse.wheel(0, -1200)
    page.wait_for_url("**view=**")
    fewer = drawn_now(page)
    assert 0 < fewer < whole
    zoom = float(parse_qs(urlsplit(page.url).query)["view"][0].split(",")[2])
    assert zoom == pytest.approx(np.exp(1.8), rel=1e-3)
    page.mouse.down()
    page.mouse.move(500, 500, steps=4)
    page.mouse.up()
    moved = drawn_now(page)
    assert drawn(page, page.url) in (fewer, moved)
    page.focus("canvas")
    page.keyboard.press("0")
    page.wait_for_selector("canvas:not(.zoomed)")
    assert drawn_now(page) == whole
    for key in ("+", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "-"):
        page.keyboard.press(key)
    page.wait_for_selector("#readout a")  # names the cell in the middle
    assert drawn_now(page) == whole


def test_png(seen: Visit, tmp_path: Path) -> None:
    page = seen.page
    drawn(page, "/matrices/sc/cells")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "sc-cells.png"
    download.value.save_as(tmp_path / "cells.png")
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")


def test_a_choice_opens_its_page(seen: Visit) -> None:
    page = seen.page
    drawn(page, "/matrices/sc/cells")
    page.select_option("#embedding", "X_pca")
    page.wait_for_url("**embedding=X_pca**")
    assert drawn_now(page) == COUNT
    page.fill("#gene", "CD3D")
    page.keyboard.press("Enter")
    page.wait_for_url("**gene=CD3D**")
    assert drawn_now(page) == COUNT
    assert page.inner_text("h2#plot-title") == "X_pca, coloured by CD3D (counts)"


def test_the_copied_commands_give_what_is_drawn(seen: Visit, cells: anndata.AnnData) -> None:
    page = seen.page
    count = drawn(page, "/matrices/sc/cells?gene=CD3D")
    command = page.locator("pre").first.inner_text()
    table = pd.read_csv(io.StringIO(requests.get(command.split("'")[1], timeout=60).text), sep="\t", index_col=0)
    assert table["x"].notna().sum() == count
    assert table["CD3D"].to_numpy().tolist() == cells.X[:, 0].toarray().ravel().tolist()
    page.click("summary")
    program = page.locator("details pre").first.inner_text()
    names: dict[str, pd.DataFrame] = {}
    exec(program, {}, names)
    assert names["cells"].equals(table)


def test_without_javascript_the_table_is_complete(browser: Browser, root: str, cells: anndata.AnnData) -> None:
    with visit(browser, root, scripts=False) as seen:
        page = seen.page
        page.goto("/matrices/sc/cells?gene=CD3D")
        assert page.locator("#plot").is_hidden()
        assert "The plot needs JavaScript" in page.inner_text("main")
        assert page.locator("#legend tbody tr").count() == len(TYPES) + 1
        page.select_option("#colour", "plate")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#legend tbody tr")).to_have_count(4)


@looks
def test_accessible(browser: Browser, root: str, width: int, colours: Literal["light", "dark"]) -> None:
    with visit(browser, root, width, colours) as seen:
        for address in ("/matrices/sc/cells", "/matrices/sc/cells?gene=CD3D&log=1"):
            drawn(seen.page, address)
            result = Axe().run(seen.page)
            assert result.violations_count == 0, result.generate_report()
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        seen.check()


@pytest.mark.long
def test_a_million_cells_never_stop_the_page(
    browser: Browser, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = serve(catalogue_of(made_cells(1_000_000), tmp_path_factory.mktemp("million")))
    with visit(browser, root) as seen:
        page = seen.page
        page.add_init_script(WATCHED)
        for address in ("/matrices/sc/cells", "/matrices/sc/cells?gene=CD3D"):
            assert drawn(page, address) == 1_000_000 - 2
            page.locator("canvas").hover()
            for _ in range(10):
                page.mouse.wheel(0, -100)
            page.wait_for_url("**view=**")
            assert 0 < drawn_now(page) < 1_000_000
            # All of it takes seconds; the page waits for none of the pieces.
            assert page.evaluate("longest") < 500
        seen.check()
