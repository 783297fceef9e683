"""The API page: one entry for GET and its POST twin, requests that are answered, in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.pages import visit
from tests.conftest import ROOT

PATHS = yaml.load((ROOT / "openapi" / "rnaget.yaml").read_text(), yaml.CSafeLoader)["paths"]


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    data: Path = tmp_path_factory.mktemp("data")
    (data / "catalog.yaml").write_text("id: x\nname: Empty\n", encoding="utf-8")
    return serve(data)


@pytest.mark.parametrize(("colours", "width"), [("light", 1400), ("dark", 390)])
def test_routes_can_be_read_and_tried_by_everybody(
    browser: Browser, server: str, colours: Literal["light", "dark"], width: int
) -> None:
    with visit(browser, server, width, colours) as seen:
        page = seen.page
        page.goto("/docs")
        twins = [path for path, item in PATHS.items() if "post" in item]
        assert all(PATHS[path]["post"]["x-same-as"] == "get" for path in twins)
        expect(page.locator(".opblock")).to_have_count(len(PATHS))
        expect(page.locator(".opblock-post")).to_have_count(0)
        page.locator(".opblock").filter(has_text="List the studies").locator(".opblock-summary-control").click()
        expect(page.locator(".opblock.is-open")).to_contain_text("By POST")
        page.locator("button.execute").click()
        expect(page.locator(".live-responses-table")).to_contain_text("200")
        expect(page.locator(".copy-to-clipboard button:not([aria-label])")).to_have_count(0)
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
        background = page.locator(".api .opblock").first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert (sum(int(part) for part in background[4:-1].split(",")) < 300) == (colours == "dark")
        seen.check()


def test_what_post_alone_takes_is_an_entry_of_its_own(browser: Browser, server: str) -> None:
    with visit(browser, server) as seen:
        seen.page.goto("/docs?api=reads")
        expect(seen.page.locator(".opblock-post")).to_have_count(1)
        seen.check()
