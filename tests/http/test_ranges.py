"""Range headers are read as RFC 9110 (14.1.2) wants: position by position, and not by any other header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from rnaget_server.errors import RangeBeyondEnd
from rnaget_server.http.ranges import ByteRange, has_usable_range, parse_range

TAG = '"abc"'
_numbers = st.one_of(st.integers(0, 30), st.integers(0, 10**30)).map(str)
_pieces = st.sampled_from(
    ["bytes", "Bytes", "=", "-", "--", ",", " ", "\t", "0", "5", "19", "20", "99", "x", "items", "+1"]
)
_garbled = st.one_of(st.lists(_pieces, max_size=8).map("".join), st.text(max_size=12))


def request(method: str = "GET", **headers: str) -> Request:
    raw_headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": raw_headers})


def positions(part: ByteRange) -> list[int]:
    return list(range(part.start, part.stop))


@given(first=_numbers, last=_numbers | st.just(""), length=st.integers(1, 25))
def test_a_range_is_the_positions_from_first_to_last(first: str, last: str, length: int) -> None:
    header = f"bytes={first}-{last}"
    named = [at for at in range(length) if int(first) <= at and (not last or at <= int(last))]
    if last and int(last) < int(first):
        assert parse_range(header, length) is None
    elif named:
        part = parse_range(header, length)
        assert part is not None and positions(part) == named
        assert part.content_range(length) == f"bytes {named[0]}-{named[-1]}/{length}"
    else:
        with pytest.raises(RangeBeyondEnd) as error:
            parse_range(header, length)
        assert error.value.length == length


@given(count=st.integers(0, 40), length=st.integers(1, 25))
def test_a_suffix_is_the_last_positions(count: int, length: int) -> None:
    named = list(range(length))[::-1][:count][::-1]
    if named:
        part = parse_range(f"bytes=-{count}", length)
        assert part is not None and positions(part) == named
    else:
        with pytest.raises(RangeBeyondEnd):
            parse_range(f"bytes=-{count}", length)


@given(header=_garbled, length=st.integers(1, 25))
def test_no_header_breaks_it(header: str, length: int) -> None:
    try:
        part = parse_range(header, length)
    except RangeBeyondEnd:
        return
    assert part is None or (0 <= part.start < part.stop <= length and "bytes" in header.lower())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=5-", ByteRange(5, 20)),
        ("bytes=-5", ByteRange(15, 20)),
        ("bytes=-50", ByteRange(0, 20)),
        ("bytes=19-400", ByteRange(19, 20)),
        ("BYTES=1-2", ByteRange(1, 3)),
        ("bytes=1-2,", ByteRange(1, 3)),
        ("bytes= 1-2", ByteRange(1, 3)),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=1-2,4-5", None),
        ("bytes=2-1", None),
        ("bytes=-", None),
        ("bytes", None),
        ("items=1-2", None),
        ("bytes=+1-2", None),
        ("bytes=1-2-3", None),
        ("bytes=\u0661-\u0662", None),
    ],
)
def test_examples(header: str, expected: ByteRange | None) -> None:
    assert parse_range(header, 20) == expected


@pytest.mark.parametrize("header", ["bytes=20-", "bytes=20-30", "bytes=-0", "bytes=99999999999999999999-"])
def test_what_lies_beyond_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeBeyondEnd, match="20 bytes"):
        parse_range(header, 20)


def test_a_part_is_sent_of_what_the_client_has_a_part_of_only() -> None:
    assert has_usable_range(request(range="bytes=1-2"), TAG)
    assert has_usable_range(request(range="bytes=1-2", if_range=TAG), TAG)
    assert not has_usable_range(request(range="bytes=1-2", if_range='"other"'), TAG)
    assert not has_usable_range(request(range="bytes=1-2", if_range=f"W/{TAG}"), TAG)
    assert not has_usable_range(request(range="bytes=1-2", if_range="Wed, 21 Oct 2015 07:28:00 GMT"), TAG)
    assert not has_usable_range(request(range="bytes=1-2"), None)
    assert not has_usable_range(request("HEAD", range="bytes=1-2"), TAG)
    assert not has_usable_range(request(range="nonsense"), TAG)
    assert not has_usable_range(request(), TAG)
