"""Content as HTTP responses: whole or a part of it, streamed at the pace of the client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import anyio
from isal import isal_zlib
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rnaget_server.errors import RangeBeyondEnd, Unavailable
from rnaget_server.http.ahead import Ahead
from rnaget_server.http.content import Content
from rnaget_server.http.ranges import part_of, wants_part

_log = logging.getLogger(__name__)
_GZIP = 31
_GZIP_LEVEL = 1


class BrokenReplyError(BaseException):
    """The rest of a reply cannot be made: its connection has to be cut, so that nobody takes a part for the whole.

    Not an Exception, for those are turned into replies, which it is too late for, and logged with their trace.
    """


@dataclass(frozen=True)
class Label:
    """What a reply says of its content."""

    media_type: str
    filename: str
    headers: Mapping[str, str]

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers with the name of the file."""
        return {**self.headers, "Content-Disposition": f'attachment; filename="{self.filename}"'}


def content_reply(request: Request, content: Content, label: Label) -> Response:
    """Return content as a download: all of it, or the one part that the client wants and can use.

    The first bytes are made before the status is, so that a broken file is an error.

    Raises
    ------
    RangeBeyondEnd
        If the part starts beyond the last byte.
    Unavailable
        If a data file cannot be read.
    """
    tag = label.headers.get("ETag")
    told = label.all_headers
    if tag and content.ranges:
        told["Accept-Ranges"] = "bytes"
    start, stop, status = 0, content.length, 200
    if content.length is not None and wants_part(request, tag):
        try:
            part = part_of(request.headers["range"], content.length)
        except RangeBeyondEnd:
            content.close()
            raise
        if part is not None:
            start, stop, status = part.start, part.stop, 206
            told["Content-Range"] = part.told(content.length)
    if content.data is not None and request.method != "HEAD":
        return Response(content.data[start:stop], status, told, label.media_type)
    if stop is not None:
        told["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        return _head(content, label, told)
    return _streamed(content, content.read(start, stop), status, label, told)


def coded_reply(request: Request, content: Content, label: Label) -> Response:
    """Return content coded with gzip; see `content_reply`. It has no parts."""
    told = {**label.all_headers, "Content-Encoding": "gzip"}
    if request.method == "HEAD":
        return _head(content, label, told)
    if content.data is not None:
        return Response(b"".join(_coded(iter((content.data,)))), 200, told, label.media_type)
    return _streamed(content, _coded(content.read(0, None)), 200, label, told)


def unreadable(error: OSError, filename: str) -> Unavailable:
    """Return the error for the client that a file cannot be made, after telling the log."""
    _log.error("reading %s failed: %s", filename, type(error).__name__)
    return Unavailable("the data cannot be read at the moment; the provider has been told in the log")


def _head(content: Content, label: Label, headers: Mapping[str, str]) -> Response:
    content.close()
    reply = Response(media_type=label.media_type, headers=headers)
    if "Content-Length" not in headers:
        del reply.headers["Content-Length"]
    return reply


def _streamed(
    content: Content, chunks: Iterator[bytes], status: int, label: Label, headers: Mapping[str, str]
) -> Response:
    try:
        first = next(chunks, b"")
    except BaseException as error:
        content.close()
        if isinstance(error, OSError):
            raise unreadable(error, label.filename) from None
        raise
    sent = chain((first,), _cutting(chunks, label.filename))
    return _Streamed(sent, status, headers, label.media_type, content.close)


class _Streamed(StreamingResponse):
    """Chunks made in threads. What they are made from is freed as soon as they are sent, or the client has gone."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        status: int,
        headers: Mapping[str, str],
        media_type: str,
        free: Callable[[], None],
    ) -> None:
        self._ahead = Ahead(chunks)
        self._free = free
        super().__init__(self._ahead, status, headers, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._ahead.stop()
                await run_in_threadpool(self._free)


def _cutting(chunks: Iterator[bytes], filename: str) -> Iterator[bytes]:
    try:
        yield from chunks
    except Exception as error:
        _log.error("reading %s failed in mid-reply: %s", filename, type(error).__name__)
        raise BrokenReplyError from None


def _coded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()
