"""One block of a file, across broken connections: what has arrived is kept, and only the rest is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPResponse
from itertools import chain
from typing import NamedTuple

from rnaget.blocks import Block, shown_url
from rnaget.errors import ClientError
from rnaget.outputs import Output
from rnaget.session import Session
from rnaget.transport import BrokenError, NotJSONError, StatusError, ends_unmarked, is_html, read_body, received

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class NotModified(Exception):
    """The server still has what the client has."""


class ChangedError(ClientError):
    """The file on the server is another one than the part that has arrived."""

    def __init__(self) -> None:
        super().__init__("the file has changed on the server while it was sent: try again")


class Stopped(Exception):
    """The download of which a transfer is part has ended."""


class Transfer:
    """The bytes of one block on their way into an output.

    Parameters
    ----------
    session
        What asks.
    output
        Where the bytes go; what it has already is the beginning of the block.
    body
        What is sent by POST, if anything.
    etag
        Of a copy that the client has: NotModified is raised if it is still right.
    on_piece
        Called with each piece before it is written, and with nothing for each that has come before.
    on_reply
        Called with each reply that is of the same file as what the output has, before its bytes are written.
    inspect
        Called with a reply and its body; returns the body.
    """

    def __init__(
        self,
        session: Session,
        output: Output,
        *,
        body: bytes | None = None,
        etag: str | None = None,
        on_piece: Callable[[bytes], None] = lambda _: None,
        on_reply: Callable[[HTTPResponse], None] = lambda _: None,
        inspect: Callable[[HTTPResponse, Iterator[bytes]], Iterator[bytes]] = lambda _, pieces: pieces,
    ) -> None:
        self._session, self._output, self._body, self._etag = session, output, body, etag
        self._on_piece, self._on_reply, self.inspect = on_piece, on_reply, inspect
        self._is_coded = False
        self.headers: Mapping[str, str] = {}

    def run(self, block: Block) -> None:
        """Ask for the block, or for the rest of it.

        Raises
        ------
        BrokenError, StatusError
            If it did not arrive to its end; another run goes on from there.
        ChangedError
            If what arrives is the rest of another file.
        """
        if block.data is not None:
            self._output.restart()
            self._write(block.data)
            return
        if self._output.count and self._output.count == _length_of(block):  # what broke off was the end of the reply
            return
        headers, start = self._request(block)
        is_part = "Range" in headers
        expected = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.OK) if is_part else (HTTPStatus.OK,)
        if "If-None-Match" in headers:
            expected = (*expected, HTTPStatus.NOT_MODIFIED)
        try:
            reply = self._session.open(block.url, headers, body=self._body, expected=expected)
        except StatusError as error:
            if error.code in (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, HTTPStatus.PRECONDITION_FAILED) and start:
                raise ChangedError from None
            raise
        if reply.status == HTTPStatus.NOT_MODIFIED:  # without a body, and closed already
            raise NotModified
        with reply:
            self._take(reply, block, start)

    def _request(self, block: Block) -> tuple[dict[str, str], int]:
        """Return the headers of the next request, and from which byte of the file on it asks."""
        headers = {name: value for name, value in block.headers.items() if name.lower() != "range"}
        count = self._output.count
        first, last = _range_of(block)
        can_go_on = count and self._output.validator and not self._is_coded and self._body is None
        can_go_on = can_go_on and (block.range is None or first is not None)
        if can_go_on:
            headers["Range"] = f"bytes={(first or 0) + count}-{'' if last is None else last}"
            headers["If-Range"] = self._output.validator or ""
            return headers, (first or 0) + count
        if block.range is not None:
            headers["Range"] = block.range
        elif self._etag and not count:
            headers["If-None-Match"] = self._etag
        return headers, first or 0

    def _take(self, reply: HTTPResponse, block: Block, start: int) -> None:
        if is_html(reply) and not block.url.partition("?")[0].endswith((".html", ".htm")):
            raise NotJSONError(f"{shown_url(block.url)} sends a page instead of data: is the address right?")
        part = self._checked_part(reply, block, start)
        pieces = received(reply) if part else _begun(self.inspect(reply, read_body(reply)))
        is_rest = part is not None and start > (_range_of(block)[0] or 0)
        validator = validator_of(reply)
        self._check_version(validator, is_rest)
        self._output.validator, self.headers = validator, dict(reply.headers.items())
        self._is_coded = reply.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")
        self._on_reply(reply)
        before, length = self._output.count if is_rest else 0, _length_of(block)
        for piece in pieces if is_rest else self._beyond(pieces, ends_unmarked(reply)):
            self._write(piece)
            if length is not None and self._output.count > length:
                raise ClientError(f"{shown_url(block.url)} sends the whole file where a part was asked for")
        if part and self._output.count - before != part.length:
            raise BrokenError(f"{shown_url(block.url)} sends a part of another length than it says: try again")
        if part and not part.is_all:
            raise BrokenError(f"{shown_url(block.url)} sends less of the file than was asked for: try again")

    def _check_version(self, validator: str | None, is_rest: bool) -> None:
        """Raise ChangedError if a reply is of another version of the file than what the output has."""
        known = self._output.validator
        if self._output.count and validator and known not in (None, validator):
            raise ChangedError
        if is_rest and validator is None and known is not None and known.startswith('"'):
            self._output.validator = None  # the next reply is compared from its beginning
            raise BrokenError("the server sends the rest of a file and does not say of which version: try again")

    def _write(self, piece: bytes) -> None:
        self._on_piece(piece)
        self._output.write(piece)

    def _beyond(self, pieces: Iterator[bytes], is_unmarked: bool) -> Iterator[bytes]:
        """Yield what comes after the bytes that the output has, which have to be the same."""
        if not self._output.count:
            yield from pieces
            return
        prefix = self._output.prefix()
        for piece in pieces:
            if prefix.left:
                self._on_piece(b"")
                is_same, piece = prefix.take(piece)
                if not is_same:
                    raise ChangedError
            if piece:
                yield piece
        if prefix.left and is_unmarked:
            raise BrokenError("the reply broke off, though nothing says so: try again")
        if prefix.left:
            raise ChangedError

    def _checked_part(self, reply: HTTPResponse, block: Block, start: int) -> _Part | None:
        """Return the part of the file that a reply is; raise ClientError if it is another than was asked for."""
        first, last = _range_of(block)
        if reply.status != HTTPStatus.PARTIAL_CONTENT:
            if block.range is not None and first != 0:
                raise ClientError(f"{shown_url(block.url)} sends the whole file where a part was asked for")
            return None
        match = _CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", "").strip())
        if match is None:
            raise ClientError(f"{shown_url(block.url)} sends a part of a file and does not say which")
        begin, end, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
        if block.range is not None and first is None:  # such as the last bytes, of a file whose length is not known
            return _Part(end - begin + 1, is_all=True)
        ends = [one for one in (last, None if total is None else total - 1) if one is not None]
        if begin != start or (last is not None and end > last):
            raise ClientError(f"{shown_url(block.url)} sends another part of the file than was asked for")
        return _Part(end - begin + 1, is_all=total is None or end >= min(ends))


class _Part(NamedTuple):
    """The part of a file that a reply says it is: its bytes, and whether they go as far as was asked for."""

    length: int
    is_all: bool


def _range_of(block: Block) -> tuple[int | None, int | None]:
    match = _RANGE.fullmatch((block.range or "").replace(" ", ""))
    return (int(match[1]), int(match[2]) if match[2] else None) if match else (None, None)


def _length_of(block: Block) -> int | None:
    """Return the number of bytes that the range of a block has, if it says so."""
    first, last = _range_of(block)
    return None if first is None or last is None else last - first + 1


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Return the same pieces, of which the first has arrived: a ticket is seen before anything else is judged."""
    first = next(pieces, None)
    return iter(()) if first is None else chain((first,), pieces)


def validator_of(reply: HTTPResponse) -> str | None:
    """Return what proves that a later part is of the same file: a strong ETag, else the time of its last change.

    A file that was changed in the second in which it was sent may change once more in that second: such a time proves
    nothing.
    """
    etag = (reply.headers.get("ETag") or "").strip()
    if etag.startswith('"'):
        return etag
    modified = (reply.headers.get("Last-Modified") or "").strip()
    try:
        age = parsedate_to_datetime(reply.headers.get("Date") or "") - parsedate_to_datetime(modified)
        return modified if age.total_seconds() >= 1 else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
