"""Headers that are written once, and sent with any number of replies."""

from __future__ import annotations

import pytest

from rnaget_server.http.written import WrittenHeaders

PAIRS = ((b"etag", b'"a"'), (b"vary", b"Accept"))


def test_lines_are_those_of_the_headers() -> None:
    headers = WrittenHeaders.of(PAIRS).with_length(12, (b"x-request-id", b"7"))
    assert headers == (*PAIRS, (b"content-length", b"12"), (b"x-request-id", b"7"))
    assert headers.lines == b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    assert WrittenHeaders.of(PAIRS).with_length(0).lines == b'etag: "a"\r\nvary: Accept\r\ncontent-length: 0\r\n'


def test_what_a_layer_makes_of_them_is_written_anew() -> None:
    assert type([*WrittenHeaders.of(PAIRS), (b"date", b"today")]) is list
    assert not hasattr(WrittenHeaders.of(PAIRS)[:1], "lines")


@pytest.mark.parametrize("pair", [(b"a", b"b\r\nc: d"), (b"a\n", b"b"), (b"a b", b"c"), (b"a:", b"b"), (b"a", b"\0")])
def test_letters_that_no_header_may_have(pair: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="letters"):
        WrittenHeaders.of([*PAIRS, pair])
