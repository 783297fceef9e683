"""JSON replies as pages."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.web import json_page

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def shown(page: str) -> str:
    """Return the JSON as a reader sees it."""
    found = re.search(r'<pre class="json"[^>]*><code>(.*?)</code></pre>', page, re.DOTALL)
    assert found
    return html.unescape(re.sub(r"<[^>]*>", "", found[1]))


@given(JSON_VALUES)
def test_page_shows_the_payload_whole(payload: Any) -> None:
    page = json_page(payload, "Anything", "/rnaget/projects")
    assert shown(page) == json.dumps(payload, indent=2, ensure_ascii=False)


@given(st.text())
def test_nothing_breaks_out_of_a_string(text: str) -> None:
    page = json_page({"name": f"{text}<script>alert(1)</script>"}, f"<b>{text}", f"/rnaget/projects?{text}")
    assert "<script>alert" not in page
    assert "<b>" not in page


def test_addresses_are_links() -> None:
    url = "http://127.0.0.1:8080/rnaget/expressions/m/bytes?sampleIDList=a%20b&format=tsv"
    page = json_page({"url": url, "path": "/rnaget/projects/demo"}, "Ticket", "/rnaget/expressions/m/ticket")
    links = [html.unescape(link) for link in re.findall(r'<a class="text" href="([^"]*)"', page)]
    assert links == [url, "/rnaget/projects/demo"]


@pytest.mark.parametrize("value", ["javascript:alert(1)", "/rnagetting", "//example.org", "data:text/html,x", "/etc"])
def test_other_text_is_no_link(value: str) -> None:
    assert '<a class="text"' not in json_page([value], "List", "/rnaget/projects")


def test_page_tells_how_to_get_the_json() -> None:
    page = json_page([], "Projects", "/rnaget/projects?name=it's", address="http://127.0.0.1:8080")
    command = "curl -H 'Accept: application/json' 'http://127.0.0.1:8080/rnaget/projects?name=it'\"'\"'s'"
    assert command in html.unescape(page)
    assert 'href="/"' in page
    assert 'href="/docs"' in page


def test_long_replies_are_cut() -> None:
    page = json_page(list(range(10_000)), "Numbers", "/rnaget/projects")
    assert len(shown(page).split("\n")) == 2_000
    assert "8,002 more lines" in page
