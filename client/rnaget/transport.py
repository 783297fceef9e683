"""Requests by HTTP, and bodies that are complete or fail."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from rnaget.errors import ClientError, one_line

TIMEOUT = 300.0
_PIECE = 1 << 20
_ERROR_BYTES = 1 << 20
_GZIP = ("gzip", "x-gzip")
_MESSAGE_KEYS = ("message", "detail", "error", "title")
# All that may be in an address as it is; anything else, such as a blank or a letter with an accent, is encoded.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class StatusError(ClientError):
    """A reply that refuses or is no file; `code` is its status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class NotJSONError(ClientError):
    """A reply that should be JSON and is not."""


class _Redirects(HTTPRedirectHandler):
    """Follows redirects; what a ticket asks to send along stays with the server that the ticket names."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        request = super().redirect_request(req, fp, code, msg, cast(Any, headers), newurl)
        if request and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.headers = {name: value for name, value in request.headers.items() if name == "Accept"}
        return request


def _http_opener() -> OpenerDirector:
    # Without the handlers of file:, ftp: and data:, so that no ticket and no redirect leads there.
    opener = OpenerDirector()
    opener.addheaders = [("User-Agent", "rnaget")]
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        _Redirects(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def open_url(url: str, headers: Mapping[str, str], timeout: float, place: str) -> HTTPResponse:
    """Return the reply of `url`, which is 200; messages call it `place`.

    Raises
    ------
    StatusError
        If the server answers anything else.
    ClientError
        If it cannot be reached, or does not speak HTTP.
    """
    try:
        request = Request(quote(url, safe=_SAFE), headers={**headers})
        reply = cast(HTTPResponse, _http_opener().open(request, None, timeout))
    except HTTPError as error:
        with error:
            raise StatusError(error.code, _message(error)) from None
    except URLError as error:
        raise ClientError(f"{place} cannot be reached: {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise ClientError(f"{place} cannot be reached: {error or type(error).__name__}") from None
    if reply.status != HTTPStatus.OK:
        with reply:
            raise StatusError(reply.status, f"{place} sends no complete reply ({reply.reason})")
    return reply


def read_body(reply: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of `reply` by pieces, decoded; raise ClientError if it ends before it is complete."""
    coding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in _GZIP:
        return _gunzipped(_received(reply))
    if coding not in ("", "identity"):
        raise ClientError(f"the reply is coded as {coding}, which was not asked for")
    return _checked_by_content(_received(reply)) if ends_unmarked(reply) else _received(reply)


def ends_unmarked(reply: HTTPResponse) -> bool:
    """Return whether nothing but the end of the connection says where the body ends."""
    return reply.length is None and not reply.chunked


class _GzipReader:
    """Decodes gzip that arrives by pieces, of any number of members."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what the next piece adds to the text; none is longer than a piece."""
        while piece:
            if self._decoder.eof:
                piece = piece.lstrip(b"\0")  # zeros may fill up a file
                if not piece:
                    return
                self._decoder = zlib.decompressobj(wbits=31)
            try:
                text = self._decoder.decompress(piece, _PIECE)
            except zlib.error as error:
                raise ClientError(f"the reply is damaged ({error}): try again") from None
            piece = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
            yield text

    def finish(self) -> bytes:
        """Return the rest of the text; raise ClientError if the last member ended too early."""
        rest = self._decoder.flush()
        if not self._decoder.eof:
            raise ClientError("the reply broke off within its gzip data: try again")
        return rest


def _gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    reader = _GzipReader()
    for piece in pieces:
        yield from filter(None, reader.feed(piece))
    yield reader.finish()


def _checked_by_content(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `pieces` as they are; raise ClientError if they are nothing, or a gzip file that ends too early."""
    reader, received = None, 0
    for piece in pieces:
        if not received and piece[:2] in (b"\x1f\x8b", b"\x1f"):
            reader = _GzipReader()
        received += len(piece)
        if reader:
            for _ in reader.feed(piece):
                pass
        yield piece
    if not received:  # or headers that broke off, which the standard library takes for all headers
        raise ClientError("the reply broke off before its first byte: try again")
    if reader:
        reader.finish()


def _received(reply: HTTPResponse) -> Iterator[bytes]:
    expected, received = reply.length, 0
    try:
        while piece := reply.read(_PIECE):
            received += len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise ClientError(f"the reply broke off after {received:,} bytes ({error}): try again") from None
    # The standard library takes a closed connection for the end of the body, regardless of Content-Length.
    if expected is not None and received != expected:
        raise ClientError(f"the reply broke off after {received:,} of {expected:,} bytes: try again")


def parse_json(text: bytes, place: str) -> Any:
    """Return the value of a JSON text that came from `place`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise NotJSONError(f"{place} is no JSON: is this the address of an RNAget API?") from None


def _message(error: HTTPError) -> str:
    if error.code in (301, 302, 303, 307, 308):
        return f"the request is redirected, but {_redirect_fault(error)}"
    try:
        body = json.loads(error.read(_ERROR_BYTES))
        texts = [body[key] for key in _MESSAGE_KEYS if isinstance(body.get(key), str) and body[key].strip()]
        return one_line(texts[0])
    except (OSError, HTTPException, ValueError, RecursionError, AttributeError, IndexError):
        return error.reason or _phrase(error.code)


def _redirect_fault(error: HTTPError) -> str:
    location = error.headers.get("Location")
    if "infinite loop" in str(error.reason):
        return "in a circle"
    return f"to {location}" if location else "to no address"


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "no reason given"


def is_html(reply: HTTPResponse) -> bool:
    """Return whether a reply says that it is a page."""
    return bool(re.match(r"\s*(text/html|application/xhtml\+xml)\b", reply.headers.get("Content-Type", ""), re.I))
