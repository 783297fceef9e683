"""Headers by which caches keep apart what different people may see."""

from __future__ import annotations

import hashlib

import pytest
from starlette.testclient import TestClient

from rnaget_server.http.privacy import private
from tests.access.marked import PEOPLE, SHARED_SEQUENCE, Client

SHARED = f"/sequence/{hashlib.md5(SHARED_SEQUENCE.encode()).hexdigest()}"
PATHS = (
    *(
        "/rnaget/projects",
        "/rnaget/expressions/m-zqox/bytes",
        "/rnaget/expressions/nothing",
        SHARED,
        "/",
        "/studies/s-zqox",
    ),
    *("/ena/portal/api/results", "/genomes/g-zqex", "/files", "/reads/r-zqox/1", "/search/suggestions?q=x", "/nothing"),
    *(SHARED, f"{SHARED}?start=1&end=3"),
)


@pytest.mark.parametrize("path", PATHS)
def test_replies_to_one_who_has_signed_in_are_for_him_alone(client: Client, path: str) -> None:
    for who in ("registered", "one grant", "operator"):
        client.principal = PEOPLE[who]
        headers = client.get(path).headers
        assert "authorization" in headers["Vary"].lower()
        parts = [part.strip() for part in headers["Cache-Control"].split(",")]
        assert "public" not in parts
        assert "private" in parts or "no-store" in parts


@pytest.mark.parametrize("path", PATHS)
def test_where_something_is_restricted_replies_to_all_say_on_what_they_depend(client: Client, path: str) -> None:
    client.principal = PEOPLE["none"]
    for _ in range(3):  # the later ones may be sent in front of all layers
        headers = client.get(path).headers
        assert "authorization" in headers["Vary"].lower()
        assert "private" not in headers.get("Cache-Control", "")


def test_an_open_server_says_nothing_of_that(_shared_client: TestClient) -> None:
    for path in ("/rnaget/projects", "/", "/rnaget/expressions/marioni_counts/bytes"):
        headers = _shared_client.get(path).headers
        assert "authorization" not in headers.get("Vary", "").lower()
        assert "private" not in headers.get("Cache-Control", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "private"),
        ("public, max-age=31536000, immutable", "private, max-age=31536000, immutable"),
        ("no-cache", "private, no-cache"),
        ("private, max-age=3600", "private, max-age=3600"),
        ("no-store", "no-store"),
    ],
)
def test_a_header_without_leave_for_shared_caches(before: str, after: str) -> None:
    assert private(before) == after
