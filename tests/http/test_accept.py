from __future__ import annotations

import pytest

from rnaget_server.apis.rnaget.dialect import RnagetDialect, listed
from rnaget_server.http.accept import preferred

V12 = "application/vnd.ga4gh.rnaget.v1.2.0+json"
V10 = "application/vnd.ga4gh.rnaget.v1.0.0+json"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, V12),
        ("", V12),
        ("*/*", V12),
        ("*", V12),
        ("application/*", V12),
        ("application/json", "application/json"),
        ("application/json;", "application/json"),
        (f"{V10}, application/json", V10),
        ("application/json, text/xml, application/xml, */*", "application/json"),
        ("*/*, application/json", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html;q=0.1, application/json", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/json;q=0, */*", V12),
        ("application/json;q=bad", "application/json"),
        ("application/xml", None),
        ("application/json;q=0", None),
        ("application/vnd.ga4gh.rnaget.v9.0.0+json", None),
    ],
)
def test_json_negotiation(accept: str | None, expected: str | None) -> None:
    assert preferred(accept, RnagetDialect.media_types) == expected


def test_ids_in_headers_are_cut_and_encoded() -> None:
    assert listed(["a b", "é", "x,y"]) == "a b,%C3%A9,x%2Cy"
    many = listed([f"gene{number}" for number in range(10_000)])
    assert len(many) < 4200
    assert many.endswith(" more")
    assert "\n" not in listed(["a\r\nSet-Cookie: x"])
