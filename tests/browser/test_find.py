"""The search box in a real browser: suggestions while one types, chosen by keys or by the pointer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.pages import Visit, looks, visit

GENE = "/genes/ENSG00000206172"
BOX = "input[role=combobox]"
OPTION = "[role=listbox] [role=option]"


@pytest.fixture
def seen(browser: Browser, demo_root: str) -> Iterator[Visit]:
    with visit(browser, demo_root) as seen:
        seen.page.goto("/search")
        yield seen


def typed(page: Page, text: str) -> None:
    page.locator(BOX).press_sequentially(text)
    page.wait_for_selector(f"{OPTION}.all:has-text('“{text}”')")


def check(seen: Visit) -> None:
    """Fail if anything went wrong but requests that the page itself has ended, since they came too late."""
    seen.errors = [error for error in seen.errors if not error.endswith("ERR_ABORTED")]
    seen.check()


def empty_page(page: Page, address: str) -> None:
    """Answer for a page of a gene, which other tests look at."""
    page.route(f"**{address}*", lambda route: route.fulfill(content_type="text/html", body="<title>gene</title>"))


def test_a_gene_is_chosen_by_keys(seen: Visit) -> None:
    page = seen.page
    empty_page(page, GENE)
    page.locator(BOX).focus()
    typed(page, "hba1")
    expect(page.locator(f"{OPTION} >> nth=0")).to_contain_text("HBA1")
    expect(page.locator(BOX)).to_have_attribute("aria-expanded", "true")
    assert page.locator(BOX).get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowDown")
    active = page.locator(BOX).get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{GENE}")
    check(seen)


def test_enter_at_once_leads_to_the_gene(seen: Visit) -> None:
    page = seen.page
    page.locator(BOX).fill("HBA1")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{GENE}")
    expect(page.locator("h1")).to_contain_text("HBA1")
    check(seen)


@pytest.mark.parametrize("width", [390, 1400])
def test_the_box_of_the_first_page_suggests_as_well(browser: Browser, demo_root: str, width: int) -> None:
    with visit(browser, demo_root, width) as seen:
        page = seen.page
        empty_page(page, GENE)
        page.goto("/")
        box = page.get_by_label("Find a gene, a sample or a study")
        box.press_sequentially("hba1")
        choice = page.locator("form.search").locator("[role=option]").first
        expect(choice).to_contain_text("HBA1")
        expect(page.locator("form.find [role=listbox]")).to_be_hidden()
        above, below = box.bounding_box(), choice.bounding_box()
        assert above is not None and below is not None and below["y"] >= above["y"] + above["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size"
        ) == page.evaluate("document.querySelectorAll('[id]').length")
        violations = Axe().run(page).response["violations"]
        assert not violations, json.dumps(violations)[:2000]
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{GENE}")
        page.goto("/")
        box.fill("HBA1")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{GENE}")
        check(seen)


def test_arrows_go_round_and_escape_closes(seen: Visit) -> None:
    page = seen.page
    typed(page, "kidney")
    count = page.locator(OPTION).count()
    assert 3 <= count <= 11
    page.keyboard.press("ArrowUp")
    expect(page.locator(f"{OPTION}[aria-selected=true]")).to_have_class("all")
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"{OPTION}[aria-selected=true]")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("[role=listbox]")).to_be_hidden()
    expect(page.locator(BOX)).to_have_attribute("aria-expanded", "false")
    assert page.locator(BOX).input_value() == "kidney"
    page.keyboard.press("ArrowDown")
    expect(page.locator("[role=listbox]")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("[role=listbox]")).to_be_hidden()
    check(seen)


def test_all_results_by_the_pointer(seen: Visit) -> None:
    page = seen.page
    typed(page, "liver")
    page.locator(f"{OPTION}.all").click()
    page.wait_for_url(re.compile(r"/search\?q=liver$"))
    expect(page.locator("h1")).to_contain_text("liver")
    check(seen)


def test_a_late_reply_is_not_shown(seen: Visit) -> None:
    page = seen.page
    late: list[Route] = []
    page.route("**/search/suggestions?q=h", lambda route: late.append(route))
    with page.expect_request("**/search/suggestions?q=h"):
        page.locator(BOX).press_sequentially("h")
    page.locator(BOX).press_sequentially("b")
    expect(page.locator(f"{OPTION}.all")).to_contain_text("“hb”")
    assert len(late) == 1
    # Its request was ended by the page; a reply to it is not waited for.
    expect(page.locator(f"{OPTION}.all")).not_to_contain_text("“h”")


def test_names_are_shown_as_text(seen: Visit) -> None:
    page = seen.page
    result = {"label": "<img src=x>" + "L" * 300, "note": "<b>n</b>", "address": "/genes/x"}
    body = {"query": "q", "complete": False, "groups": [{"kind": "gene", "heading": "Genes", "results": [result]}]}
    page.route("**/search/suggestions?q=q", lambda route: route.fulfill(json=body))
    typed(page, "q")
    expect(page.locator(f"{OPTION} >> nth=0")).to_contain_text("<img src=x>")
    assert page.locator("[role=listbox] img, [role=listbox] b").count() == 0
    expect(page.locator(".suggested p")).to_be_visible()
    check(seen)


@looks
def test_accessible(browser: Browser, demo_root: str, width: int, colours: str) -> None:
    with visit(browser, demo_root, width, colours) as seen:  # type: ignore[arg-type]
        for address in ("/search?q=liver", "/search?q=HBA9"):
            seen.page.goto(address)
            violations = Axe().run(seen.page).response["violations"]
            assert not violations, json.dumps(violations)[:2000]
        typed(seen.page, "kid")
        seen.page.keyboard.press("ArrowDown")
        violations = Axe().run(seen.page).response["violations"]
        assert not violations, json.dumps(violations)[:2000]
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        check(seen)


def test_without_scripts_the_form_finds(browser: Browser, demo_root: str) -> None:
    with visit(browser, demo_root, scripts=False) as seen:
        page = seen.page
        page.goto("/")
        page.locator("#find").fill("liver")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=liver&go=1")
        expect(page.locator("h1")).to_contain_text("liver")
