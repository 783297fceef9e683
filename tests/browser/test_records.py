"""From the first page to a study, its matrix, a part of it and the file, in a real browser."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.pages import visit
from tests.conftest import import_matrix

PAGES = (
    "/",
    "/studies/s",
    "/matrices/tcga",
    "/matrices/tcga?acronym=LGG&gender=Female",
    "/matrices/tcga/values?attribute=disease",
    "/matrices/tcgb",
)


@pytest.fixture(scope="module")
def root(shared_data: Path, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    data, folder = tmp_path_factory.mktemp("tcga"), shared_data / "tcga"
    import_matrix(
        data,
        folder / "expression-matrix-all-samples.tsv.gz",
        *("--transpose", "--id", "tcga", "--units", "log2", "--samples", str(folder / "samples.tsv.gz")),
        *("--features", str(folder / "expression-genes.tsv.gz"), "--feature-name", "symbol"),
    )
    return serve(data)


def test_from_a_study_to_the_file_of_a_part(browser: Browser, root: str, shared_data: Path) -> None:
    folder = shared_data / "tcga"
    cells = pd.read_csv(folder / "expression-matrix-all-samples.tsv.gz", sep="\t", index_col=0).T
    cells.index = cells.index.astype(int)
    table = pd.read_csv(folder / "samples.tsv.gz", sep="\t", index_col=0).loc[cells.columns]
    disease = table["disease"].value_counts().index[1]
    chosen = table.index[table["disease"] == disease]
    with visit(browser, root) as seen:
        page = seen.page
        page.goto("/")
        page.locator(".studies h3 a").click()
        page.locator(".card h3 a").click()
        page.get_by_role("link", name=disease, exact=True).click()
        page.wait_for_selector(f"text=15 features × {len(chosen):,} samples")
        with page.expect_download() as waiting:
            page.locator(".downloads a", has_text="tsv").first.click()
        file = pd.read_csv(io.BytesIO(Path(waiting.value.path()).read_bytes()), sep="\t", index_col=0)
        pd.testing.assert_frame_equal(file, cells[chosen], check_names=False, check_exact=True)
        page.get_by_role("link", name="remove disease").click()
        page.wait_for_selector("text=15 features × 8,756 samples")
        page.locator(".samples a").first.click()
        page.wait_for_url("**/samples/tcga/**")
        for step, place in ((-1, "/matrices/tcga"), (-1, "/studies/s"), (0, "/")):  # back to the first page
            page.locator(".trail a").nth(step).click()
            page.wait_for_url(f"{root}{place}")
        seen.errors = [error for error in seen.errors if "ERR_ABORTED" not in error]  # so Chromium calls a download
        seen.check()


@pytest.mark.long
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_pages_are_accessible(browser: Browser, root: str, width: int, colours: Literal["light", "dark"]) -> None:
    with visit(browser, root, width, colours) as seen:
        for path in PAGES:
            seen.page.goto(path)
            found = Axe().run(seen.page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, path
        seen.errors = [error for error in seen.errors if "404" not in error]  # the one that is not there
        seen.check()
