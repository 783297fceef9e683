"""Requests by HTTP, and bodies that are complete or fail."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, InvalidURL
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

from rnaget.connections import Connections, KeepingHandler, KeepingSecureHandler
from rnaget.errors import ClientError, one_line

TIMEOUT = 300.0
_PIECE = 1 << 18
_ERROR_BYTES = 1 << 20
_GZIP = ("gzip", "x-gzip")
_HARMLESS = ("Accept", "Range", "If-range", "Content-type")
"""Headers that another server may see after a redirect, as the standard library writes them."""

_MESSAGE = 2000
"""Letters of a server's message that are shown."""

_MESSAGE_KEYS = ("message", "detail", "error", "title")
# All that may be in an address as it is; anything else, such as a blank or a letter with an accent, is encoded.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class StatusError(ClientError):
    """A reply that refuses or is no file; `code` is its status."""

    def __init__(self, code: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retry_after = retry_after


class BrokenError(ClientError):
    """A server that cannot be reached at the moment, or a reply that broke off: trying again may help."""


class NotJSONError(ClientError):
    """A reply that should be JSON or a file and is a page, or should be JSON and is something else."""


class _Redirects(HTTPRedirectHandler):
    """Follows redirects; what a ticket asks to send along stays with the server that the ticket names."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if req.data is not None and code != HTTPStatus.SEE_OTHER:
            # Not by GET, as the standard library has it: without its body the request would mean everything.
            request: Request | None = Request(newurl, req.data, dict(req.headers))
        else:
            request = super().redirect_request(req, fp, code, msg, cast(Any, headers), newurl)
        if request and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.headers = {name: value for name, value in request.headers.items() if name in _HARMLESS}
        return request


def check_address(root: str) -> None:
    """Refuse what cannot be the address of an RNAget API.

    Raises
    ------
    ClientError
        If it cannot.
    """
    if not root.lower().startswith(("http://", "https://")):
        raise ClientError(
            f"{root or 'an empty text'} is not the address of an RNAget API: it must begin with http:// or https://"
        )
    try:
        parts = urlsplit(root)
    except ValueError as error:
        raise ClientError(f"{root} is not the address of an RNAget API: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ClientError("the address of an RNAget API cannot have a user or a password in it")
    if parts.query or parts.fragment or not parts.hostname:
        wrong = "no host is named" if not parts.hostname else "nothing may come after the path"
        raise ClientError(f"{root} is not the address of an RNAget API: {wrong}")


def http_opener(connections: Connections | None = None) -> OpenerDirector:
    """Return what opens addresses of the web and nothing else; with `connections`, over those."""
    # Without the handlers of file:, ftp: and data:, so that no ticket and no redirect leads there.
    opener = OpenerDirector()
    opener.addheaders = [("User-Agent", "rnaget")]
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        HTTPHandler() if connections is None else KeepingHandler(connections),
        HTTPSHandler() if connections is None else KeepingSecureHandler(connections),
        HTTPDefaultErrorHandler(),
        _Redirects(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def open_url(
    url: str,
    headers: Mapping[str, str],
    timeout: float,
    place: str,
    *,
    body: bytes | None = None,
    expected: tuple[int, ...] = (HTTPStatus.OK,),
    opener: OpenerDirector | None = None,
) -> HTTPResponse:
    """Return the reply of `url`, whose status is one of those expected; messages call it `place`.

    Raises
    ------
    StatusError
        If the server answers anything else.
    BrokenError
        If it cannot be reached.
    ClientError
        If the address cannot be one.
    """
    try:
        _ = urlsplit(url).port  # one that is too high raises ValueError; the system would take it modulo 65,536
        request = Request(quote(url, safe=_SAFE), body, {**headers})
        reply = cast(HTTPResponse, (opener or http_opener()).open(request, None, timeout))
    except HTTPError as error:
        with error:
            if error.code in expected:  # 304, which the standard library takes for a failure
                return cast(HTTPResponse, error.fp)
            raise StatusError(error.code, _message(error), retry_after(error.headers)) from None
    except URLError as error:
        raise _unreached(f"{place}{_proxy(request)}", error.reason) from None
    except ValueError as error:
        raise ClientError(f"{place} cannot be reached: {error}") from None
    except (OSError, HTTPException) as error:
        raise _unreached(f"{place}{_proxy(request)}", error) from None
    if reply.status not in expected:
        with reply:
            raise StatusError(reply.status, f"{place} sends no complete reply ({reply.reason})")
    return reply


def _proxy(request: Request) -> str:
    """Return which proxy a request went to, for a message; nothing of who uses it."""
    return f", by the proxy {request.host}," if request.has_proxy() or getattr(request, "_tunnel_host", None) else ""


def _unreached(place: str, reason: object) -> ClientError:
    text = f"{place} cannot be reached: {str(reason) or type(reason).__name__}"
    is_lasting = isinstance(reason, (socket.gaierror, ssl.SSLCertVerificationError, InvalidURL, str))
    return ClientError(text) if is_lasting else BrokenError(text)


def retry_after(headers: Message) -> float | None:
    """Return the seconds that a server asks to wait, which it says as a number or as a time."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def read_body(reply: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of `reply` by pieces, decoded; raise ClientError if it ends before it is complete."""
    coding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in _GZIP:
        return _gunzipped(received(reply))
    if coding not in ("", "identity"):
        raise ClientError(f"the reply is coded as {coding}, which was not asked for")
    return _checked_by_content(received(reply)) if ends_unmarked(reply) else received(reply)


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
                raise BrokenError(f"the reply is damaged ({error}): try again") from None
            piece = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
            yield text

    def finish(self) -> bytes:
        """Return the rest of the text; raise ClientError if the last member ended too early."""
        rest = self._decoder.flush()
        if not self._decoder.eof:
            raise BrokenError("the reply broke off within its gzip data: try again")
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
        raise BrokenError("the reply broke off before its first byte: try again")
    if reader:
        reader.finish()


def received(reply: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of `reply` as it is sent; raise BrokenError if it ends before it is complete."""
    expected, count = reply.length, 0
    try:
        while piece := reply.read1(_PIECE):
            count += len(piece)
            yield piece
        if reply.length == 0:  # before, the standard library does not see that the reply has ended
            reply.read()
    except (OSError, HTTPException) as error:
        raise BrokenError(f"the reply broke off after {count:,} bytes ({error}): try again") from None
    # The standard library takes a closed connection for the end of the body, regardless of Content-Length.
    if expected is not None and count != expected:
        raise BrokenError(f"the reply broke off after {count:,} of {expected:,} bytes: try again")


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
        body = body["htsget"] if isinstance(body.get("htsget"), dict) else body
        texts = [body[key] for key in _MESSAGE_KEYS if isinstance(body.get(key), str) and body[key].strip()]
        return one_line(texts[0])[:_MESSAGE]
    except (OSError, HTTPException, ValueError, RecursionError, AttributeError, IndexError):
        return error.reason or _phrase(error.code)


def _redirect_fault(error: HTTPError) -> str:
    location = error.headers.get("Location")
    if "infinite loop" in str(error.reason):
        return "in a circle"
    return f"to {location.partition('?')[0]}" if location else "to no address"


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "no reason given"


def is_html(reply: HTTPResponse) -> bool:
    """Return whether a reply says that it is a page."""
    return bool(re.match(r"\s*(text/html|application/xhtml\+xml)\b", reply.headers.get("Content-Type", ""), re.I))
