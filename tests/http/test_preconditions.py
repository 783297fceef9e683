"""Conditions are judged as RFC 9110 (13) wants: strongly where bytes count, in its order, where they can be."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from rnaget_server.errors import PreconditionFailed
from rnaget_server.http.accept import accepts_gzip
from rnaget_server.http.preconditions import check_preconditions, is_not_modified
from rnaget_server.http.ranges import has_usable_range

TAG = '"abc"'
CHANGED = 1_445_412_480_500_000_000  # half a second after Wed, 21 Oct 2015 07:28:00 GMT
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
BEFORE = "Wed, 21 Oct 2015 07:27:59 GMT"


def request(*headers: tuple[str, str], method: str = "GET") -> Request:
    given = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": method, "headers": given})


@pytest.mark.parametrize(
    ("headers", "tag", "holds"),
    [
        ([("If-Match", TAG)], TAG, True),
        ([("If-Match", "*")], TAG, True),
        ([("If-Match", " * ")], TAG, True),
        ([("If-Match", "*")], None, True),
        ([("If-Match", '"x"')], TAG, False),
        ([("If-Match", TAG)], None, False),
        ([("If-Match", "abc")], TAG, False),
        ([("If-Match", "")], TAG, False),
        ([("If-Match", f"W/{TAG}")], TAG, False),
        ([("If-Match", f'"x", {TAG}')], TAG, True),
        ([("If-Match", f'"x",{TAG},')], TAG, True),
        ([("If-Match", '"x"'), ("If-Match", TAG)], TAG, True),
        ([("If-Match", '"x"'), ("If-Match", '"y"')], TAG, False),
        ([("If-Match", '"a,b"')], '"a,b"', True),
        ([("If-Match", '"a,b"')], '"b"', False),
        ([("If-Unmodified-Since", DATE)], TAG, True),
        ([("If-Unmodified-Since", BEFORE)], TAG, False),
        ([("If-Unmodified-Since", "yesterday")], TAG, True),
        ([("If-Unmodified-Since", BEFORE), ("If-Unmodified-Since", BEFORE)], TAG, True),
        # The tag alone counts where there is one.
        ([("If-Match", TAG), ("If-Unmodified-Since", BEFORE)], TAG, True),
        ([("If-Match", '"x"'), ("If-Unmodified-Since", DATE)], TAG, False),
    ],
)
def test_what_a_client_expects(headers: list[tuple[str, str]], tag: str | None, holds: bool) -> None:
    for method in ("GET", "HEAD"):
        if holds:
            check_preconditions(request(*headers, method=method), tag, CHANGED)
        else:
            with pytest.raises(PreconditionFailed):
                check_preconditions(request(*headers, method=method), tag, CHANGED)
    check_preconditions(request(*headers, method="POST"), tag, CHANGED)


def test_a_date_says_nothing_where_none_is_known() -> None:
    check_preconditions(request(("If-Unmodified-Since", BEFORE)), TAG, None)


@pytest.mark.parametrize(
    ("headers", "has_it"),
    [
        ([("If-None-Match", TAG)], True),
        ([("If-None-Match", f"W/{TAG}")], True),
        ([("If-None-Match", "*")], True),
        ([("If-None-Match", '"x"')], False),
        ([("If-None-Match", '"x"'), ("If-None-Match", TAG)], True),
        ([("If-None-Match", '"x,abc"')], False),
        ([], False),
    ],
)
def test_what_a_client_has(headers: list[tuple[str, str]], has_it: bool) -> None:
    assert is_not_modified(request(*headers), TAG) is has_it
    assert is_not_modified(request(*headers, method="HEAD"), TAG) is has_it
    assert not is_not_modified(request(*headers, method="POST"), TAG)


def test_lines_of_one_header_are_one_list() -> None:
    assert accepts_gzip(request(("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")))
    assert not accepts_gzip(request(("Accept-Encoding", "gzip;q=0"), ("Accept-Encoding", "identity")))
    # Neither of these is a list that may come in two lines.
    assert not has_usable_range(request(("Range", "bytes=0-1"), ("Range", "bytes=2-3")), TAG)
    assert not has_usable_range(request(("Range", "bytes=0-1"), ("If-Range", TAG), ("If-Range", '"x"')), TAG)
