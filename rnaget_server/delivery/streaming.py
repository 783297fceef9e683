"""Content as HTTP responses: whole or a part of it, streamed at the pace of the client."""

from __future__ import annotations

import logging
import os
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

from rnaget_server.delivery.content import Content
from rnaget_server.delivery.prefetch import Prefetcher
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import StoreFailure, Unavailable
from rnaget_server.http.ranges import parse_range
from rnaget_server.http.request import CANCELLATION_KEY, BrokenReplyError
from rnaget_server.http.routing import run_while_wanted
from rnaget_server.model.cancellation import Cancellation, Cancelled
from rnaget_server.model.observation import stage

_log = logging.getLogger(__name__)
_GZIP = 31
_GZIP_LEVEL = 2  # see compressed_tsv


@dataclass(frozen=True)
class DownloadHeaders:
    """The headers of a reply that describe its content.

    Attributes
    ----------
    media_type
        That of the content.
    logged_name
        What it is called in the log.
    disposition
        The header Content-Disposition.
    others
        All others.
    """

    media_type: str
    logged_name: str
    disposition: str
    others: Mapping[str, str]

    def all(self, added: Mapping[str, str]) -> dict[str, str]:
        """Return the headers but the media type, with some added."""
        return {**self.others, "Content-Disposition": self.disposition, **added}


def content_response(
    request: Request, content: Content, headers: DownloadHeaders, gzipped: bool, part: bool, budget: ReplyBudget
) -> Response:
    """Return content as a download: all of it, or the one part that the client wants and can use.

    Content is closed when it has been sent; where this raises, it is not.

    Parameters
    ----------
    request
        What asks for it.
    content
        The bytes.
    headers
        What the reply says of them.
    gzipped
        Whether they are compressed on the way; then there are no parts.
    part
        Whether the client asks for a part that it can use, see `has_usable_range`.
    budget
        The memory that is held meanwhile.

    Raises
    ------
    RangeBeyondEnd
        If the part starts beyond the last byte.
    """
    if gzipped:
        return _gzipped_response(request, content, headers, budget)
    fields = headers.all({"Accept-Ranges": "bytes"} if "ETag" in headers.others and content.ranges else {})
    start, stop, status = 0, content.length, 200
    if part and content.length is not None:
        wanted = parse_range(request.headers["range"], content.length)
        if wanted is not None:
            start, stop, status = wanted.start, wanted.stop, 206
            fields["Content-Range"] = wanted.content_range(content.length)
    if content.data is not None and request.method != "HEAD":
        return Response(content.data[start:stop], status, fields, headers.media_type)
    if stop is not None:
        fields["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        return _head_response(content, status, headers.media_type, fields)
    chunks = _cut_on_error(content.read(start, stop), headers.logged_name)
    return _StreamedReply(chunks, status, fields, headers, content, budget)


def send_content(
    request: Request, content: Content, status: int, headers: DownloadHeaders, budget: ReplyBudget
) -> Response:
    """Return content of a known length as it is, with these headers and no others; it is closed when it has been sent.

    For the parameters see `content_response`; `status` is 200 or 206.
    """
    fields = {**headers.others, "Content-Length": str(content.length)}
    if request.method == "HEAD":
        return _head_response(content, status, headers.media_type, fields)
    chunks = _cut_on_error(content.read(), headers.logged_name)
    return _StreamedReply(chunks, status, fields, headers, content, budget)


def _gzipped_response(request: Request, content: Content, headers: DownloadHeaders, budget: ReplyBudget) -> Response:
    fields = headers.all({"Content-Encoding": "gzip"})
    if request.method == "HEAD":
        return _head_response(content, 200, headers.media_type, fields)
    if content.data is not None:
        return Response(b"".join(_compressed(iter((content.data,)))), 200, fields, headers.media_type)
    chunks = _cut_on_error(_compressed(content.read()), headers.logged_name)
    return _StreamedReply(chunks, 200, fields, headers, content, budget)


class LargeReply(Response):
    """A large reply: it is made by few threads, so that others find one free, and not if there is no room for it.

    Parameters
    ----------
    make
        Returns the reply. It may take long and need much memory while it lays out a file.
    budget
        The memory that replies hold, and the threads in which they are made.
    whole_first
        Whether it makes all bytes before the first is sent, for which no other request should wait.
    """

    def __init__(self, make: Callable[[], Response], budget: ReplyBudget, whole_first: bool) -> None:
        super().__init__()
        self._make = make
        self._budget = budget
        self._limiter = budget.making_whole if whole_first else budget.making
        self.otherwise: Callable[[StoreFailure], Response] | None = None
        """Makes another reply, where a data file fails before the first byte is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make the reply and send it."""
        self._budget.refuse_if_full()
        cancellation: Cancellation = scope[CANCELLATION_KEY]
        try:
            with stage("make reply"):
                reply = await run_while_wanted(self._make, self._limiter, receive, cancellation)
            if reply is not None:
                await reply(scope, receive, send)
        except Cancelled:
            return
        except StoreFailure as failure:
            if self.otherwise is None:
                raise
            other = await run_while_wanted(partial(self.otherwise, failure), self._limiter, receive, cancellation)
            if other is not None:
                await other(scope, receive, send)


def unreadable(error: OSError, filename: str) -> Unavailable:
    """Return the error for the client that a file cannot be made, and write why to the log."""
    _log.error("reading %s failed: %s", filename, _cause(error))
    return Unavailable("the data cannot be read at the moment: see the server log")


def _cause(error: Exception) -> str:
    """Return what went wrong for the log, without the words of the error, which may name a path or a token."""
    number = error.errno if isinstance(error, OSError) else None
    return type(error).__name__ + (f" ({os.strerror(number)})" if number else "")


def _head_response(content: Content, status: int, media_type: str, headers: Mapping[str, str]) -> Response:
    content.close()
    response = Response(status_code=status, media_type=media_type, headers=headers)
    if "Content-Length" not in headers:
        del response.headers["Content-Length"]
    return response


class _StreamedReply(StreamingResponse):
    """Chunks made in threads. What they are made from is freed as soon as they are sent, or the client is gone.

    The status is sent when the first chunk has been made, so that a broken file is an error.
    """

    def __init__(
        self,
        chunks: Iterator[bytes | memoryview],
        status: int,
        fields: Mapping[str, str],
        headers: DownloadHeaders,
        content: Content,
        budget: ReplyBudget,
    ) -> None:
        self._filename = headers.logged_name
        self._chunks = chunks
        self._content = content
        self._budget = budget
        super().__init__((), status, fields, headers.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            share = await self._budget.share(self._content.held + len(scope["query_string"]))
        except BaseException:
            await self._close()
            raise
        prefetcher = Prefetcher(self._chunks, share)
        try:
            first = await _first(prefetcher, self._filename)
            self.body_iterator = _joined(first, prefetcher)
            del first
            await super().__call__(scope, receive, send)
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await prefetcher.stop()
                await self._close()
            finally:
                share.give_back()

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(self._content.close)


async def _first(prefetcher: Prefetcher, filename: str) -> list[bytes | memoryview]:
    try:
        return [await anext(prefetcher, b"")]
    except OSError as error:
        raise unreadable(error, filename) from None


async def _joined(
    first: list[bytes | memoryview], rest: AsyncIterator[bytes | memoryview]
) -> AsyncIterator[bytes | memoryview]:
    yield first.pop()
    async for chunk in rest:
        yield chunk


def _cut_on_error(chunks: Iterator[bytes | memoryview], filename: str) -> Iterator[bytes | memoryview]:
    yield next(chunks, b"")
    try:
        yield from chunks
    except Exception as error:
        _log.error("reading %s failed in mid-reply: %s", filename, _cause(error))
        raise BrokenReplyError from None


def _compressed(chunks: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    packer = isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()
