"""Content as HTTP responses: whole or a part of it, streamed at the pace of the client."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread
from isal import isal_zlib
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rnaget_server.cancellation import Cancelled
from rnaget_server.errors import StoreFailure, Unavailable
from rnaget_server.http.ahead import Ahead
from rnaget_server.http.content import Content
from rnaget_server.http.ranges import part_of, wants_part
from rnaget_server.http.request import cancellation_of, services_of
from rnaget_server.http.wanted import run_while_wanted

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

    Content is closed when it has been sent; where this raises, it is not.

    Raises
    ------
    RangeBeyondEnd
        If the part starts beyond the last byte.
    """
    tag = label.headers.get("ETag")
    told = label.all_headers
    if tag and content.ranges:
        told["Accept-Ranges"] = "bytes"
    start, stop, status = 0, content.length, 200
    if content.length is not None and wants_part(request, tag):
        part = part_of(request.headers["range"], content.length)
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


class Later(Response):
    """A large reply: it is made by few threads, so that others find one free, and not if there is no room for it.

    Parameters
    ----------
    make
        Returns the reply. It may take long and need much memory while it lays out a file.
    whole_first
        Whether it makes all bytes before the first is sent, for which nobody else shall wait.
    """

    def __init__(self, make: Callable[[], Response], whole_first: bool) -> None:
        super().__init__()
        self._make = make
        self._whole_first = whole_first
        self.otherwise: Callable[[StoreFailure], Response] | None = None
        """Makes another reply, where a data file fails before the first byte is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make the reply and send it."""
        request = Request(scope)
        replies = services_of(request).replies
        replies.refuse_if_full()
        limiter = replies.making_whole if self._whole_first else replies.making
        cancellation = cancellation_of(request)
        try:
            reply = await run_while_wanted(self._make, limiter, receive, cancellation)
            if reply is not None:
                await reply(scope, receive, send)
        except Cancelled:
            return
        except StoreFailure as failure:
            if self.otherwise is None:
                raise
            other = await run_while_wanted(partial(self.otherwise, failure), limiter, receive, cancellation)
            if other is not None:
                await other(scope, receive, send)


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
    return _Streamed(_cutting(chunks, label.filename), status, headers, label, content)


class _Streamed(StreamingResponse):
    """Chunks made in threads. What they are made from is freed as soon as they are sent, or the client has gone.

    The status is sent when the first chunk has been made, so that a broken file is an error.
    """

    def __init__(
        self, chunks: Iterator[bytes], status: int, headers: Mapping[str, str], label: Label, content: Content
    ) -> None:
        self._chunks = chunks
        self._filename = label.filename
        self._content = content
        super().__init__((), status, headers, label.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            share = await services_of(Request(scope)).replies.share(self._content.held + len(scope["query_string"]))
        except BaseException:
            await self._freed()
            raise
        ahead = Ahead(self._chunks, share)
        try:
            first = await _first(ahead, self._filename)
            self.body_iterator = _joined(first, ahead)
            del first
            await super().__call__(scope, receive, send)
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await ahead.stop()
                await self._freed()
            finally:
                share.give_back()

    async def _freed(self) -> None:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(self._content.close)


async def _first(ahead: Ahead, filename: str) -> list[bytes]:
    try:
        return [await anext(ahead, b"")]
    except OSError as error:
        raise unreadable(error, filename) from None


async def _joined(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first.pop()
    async for chunk in rest:
        yield chunk


def _cutting(chunks: Iterator[bytes], filename: str) -> Iterator[bytes]:
    yield next(chunks, b"")
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
