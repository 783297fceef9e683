"""Slices as downloads: what is made, what is kept, and what is sent as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.delivery.cache import SizeLimitExceeded, SliceCache
from rnaget_server.delivery.content import (
    Content,
    FileContent,
    MemoryContent,
    StreamedContent,
    close_body,
    resume_chunks,
)
from rnaget_server.delivery.context import RequestContext
from rnaget_server.delivery.etags import EntityTag, TagBasis, file_tag, software
from rnaget_server.delivery.filenames import content_disposition, short_name
from rnaget_server.delivery.formats import ChosenFormat
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.delivery.streaming import DownloadHeaders, LargeReply, content_response, unreadable
from rnaget_server.errors import Unavailable
from rnaget_server.http.accept import accepts_gzip
from rnaget_server.http.preconditions import CONDITIONAL, check_preconditions, is_not_modified
from rnaget_server.http.ranges import has_usable_range
from rnaget_server.http.request import BEGAN_KEY, CELLS_KEY
from rnaget_server.model.limits import Limits
from rnaget_server.model.slice import ResolvedSlice
from rnaget_server.storage.checked_file import DamagedFileError
from rnaget_server.storage.places import open_file
from rnaget_server.stores.blocks import BLOCK_BYTES
from rnaget_server.writers.base import Body, Writer, nothing

_IN_MEMORY = 1 << 20
_TAG_DIGITS = 40
# Content coding makes other bytes of the same.
_GZIP_SUFFIX = "-gzip"
_IN_MEMORY_FOR_TICKET = 4 << 20
# Small slices may be made of many cells, where most are zeros that are not stored.
_MAX_CELLS_FOR_TICKET = 4_000_000
# Each cell of a text format is at least one digit and what parts it from the next.
_LEAST_BYTES_OF_CELL = 2
_BYTES_OF_POSITION = 8
# Two are on their way at least, each two to three times as long as its cells.
_BLOCKS_OF_TEXT = 4
_TEXT_TYPES = ("text/tab-separated-values", "application/json")


@dataclass(frozen=True)
class Download:
    """A slice in one format.

    Attributes
    ----------
    resolved
        The slice.
    writer
        Its format.
    basis
        All that its bytes depend on.
    began
        When the request came, in nanoseconds since 1970.
    changed
        When what the catalogue says was last changed, in nanoseconds since 1970.
    """

    resolved: ResolvedSlice
    writer: Writer
    basis: TagBasis
    began: int
    changed: int = 0

    @cached_property
    def tag(self) -> EntityTag | None:
        """The entity tag; see `TagBasis.tag`."""
        return self.basis.tag()

    @property
    def logged_name(self) -> str:
        """Its name in the log, which has nothing that a client sent."""
        return f"{short_name(self.resolved)}.{self.writer.extension}"

    @cached_property
    def disposition(self) -> str:
        """The header Content-Disposition."""
        return content_disposition(self.resolved, self.writer.extension)

    @cached_property
    def stored_file(self) -> Path | None:
        """The file of the provider that holds exactly this, if there is one; see `ResolvedSlice.stored_file`."""
        return self.resolved.stored_file(self.writer.media_types[0]) if self.resolved.may_be_stored else None

    @property
    def is_text(self) -> bool:
        """True for a text format, which is worth being compressed."""
        return self.writer.media_types[0] in _TEXT_TYPES

    @property
    def is_large(self) -> bool:
        """True if it is likely to have more bytes than are made at once, in memory."""
        return self.estimate > _IN_MEMORY

    @cached_property
    def cells(self) -> int:
        """Number of cells of one layer."""
        return prod(self.resolved.slice.shape)

    @property
    def estimate(self) -> int:
        """About how many bytes it has."""
        return self.cells * sum(layer.dtype.itemsize for layer in self.resolved.slice.layers)

    @property
    def least(self) -> int:
        """The number of bytes it has at least: those of the cells, as short as they can be."""
        return self.cells * _LEAST_BYTES_OF_CELL if self.is_text else 0

    @property
    def held(self) -> int:
        """About how many bytes are held while it is made: which cells are meant, a block, what their source holds."""
        source = max(layer.held() for layer in self.resolved.slice.layers)
        blocks = min(BLOCK_BYTES, self.estimate) * (_BLOCKS_OF_TEXT if self.is_text else 1)
        return sum(self.resolved.slice.shape) * _BYTES_OF_POSITION + blocks + source


class Delivery:
    """Turns resolved slices into replies.

    Parameters
    ----------
    cache
        Where finished slices are kept.
    limits
        How large a reply may be.
    budget
        The memory that replies may hold while they are sent.
    content_coding
        Whether texts are compressed for clients that like it.
    """

    def __init__(self, cache: SliceCache, limits: Limits, budget: ReplyBudget, content_coding: bool) -> None:
        self._cache = cache
        self._limits = limits
        self._budget = budget
        self._content_coding = content_coding
        self._software = software()

    def respond(
        self, context: RequestContext[Any], resolved: ResolvedSlice, chosen: ChosenFormat, headers: Mapping[str, str]
    ) -> Response:
        """Return the slice as a file in the format chosen, or 304 if the client has it.

        Parameters
        ----------
        context
            What asks for it.
        resolved
            The slice.
        chosen
            The format, and the media type to send.
        headers
            Further headers of the reply.

        Raises
        ------
        InvalidQuery, UnknownId
            If the format cannot hold the slice.
        ResultTooLarge
            If the slice is larger than this server sends.
        PreconditionFailed
            If the client expects another reply.
        RangeBeyondEnd
            If a part is asked for that starts beyond the last byte.
        Unavailable
            If a data file cannot be read.
        """
        rights, changed = context.view.rights, context.api.repository.live.changed
        download = self._download(context.request, resolved, chosen.writer, rights, changed)
        respond = partial(self._respond, context.request, download, chosen.media_type, headers)
        if download.stored_file is not None or not download.is_large:
            return respond()
        return LargeReply(respond, self._budget, whole_first=self._limits.reply_bytes > 0)

    def md5(self, request: Request, resolved: ResolvedSlice, writer: Writer, rights: str, quick: bool) -> str | None:
        """Return the MD5 sum of a slice in a format, None if it is unknown and would take long to find out.

        A slice of few cells is made for it, if that is `quick`. For the errors see `respond`.
        """
        download = self._download(request, resolved, writer, rights)
        try:
            if download.stored_file is not None:
                return self._md5_of_file(download, download.stored_file)
            writer.check(resolved.slice)
            return self._md5_of_slice(download, quick)
        except OSError as error:
            raise unreadable(error, download.logged_name) from None

    def content(self, download: Download, part: bool = False, in_memory: int = _IN_MEMORY) -> Content:
        """Return the bytes of a slice: kept ones, or such as are made now or while they are sent.

        Parameters
        ----------
        download
            What is wanted.
        part
            Whether a part is wanted: then the whole is made first, if it can be kept.
        in_memory
            How many bytes are made at once, in memory.

        Raises
        ------
        ResultTooLarge
            If there are more bytes than this server sends.
        OSError
            If the data cannot be read.
        RnagetError
            If the format cannot hold the slice.
        """
        # A small slice is made sooner than it is looked for.
        if download.is_large and (kept := self._kept(download)) is not None:
            return kept
        if self._limits.reply_bytes and self._limits.exceeds_reply(download.least):
            raise self._too_large(download)
        body = download.writer.write(download.resolved.slice)
        try:
            self._check(download, body.length)
            if any(layer.ahead for layer in download.resolved.slice.layers):  # other machines work for nothing refused
                close_body(body)
                body = download.writer.write(download.resolved.slice.begun())
            first: list[bytes] = []
            if (download.least if body.length is None else body.length) <= in_memory:
                left = in_memory
                for chunk in body.chunks:
                    first.append(chunk)
                    if (left := left - len(chunk)) < 0:
                        break
                else:
                    data = b"".join(first)
                    self._check(download, len(data))
                    if body.close is not nothing:
                        body.close()
                    return MemoryContent(data, len(data))
            content = self._make(download, body, resume_chunks(first, body.chunks), part)
        except BaseException:
            close_body(body)
            raise
        return content or self.content(download, False, in_memory)  # what was made for a part not made ready is gone

    def _download(
        self, request: Request, resolved: ResolvedSlice, writer: Writer, rights: str, changed: int = 0
    ) -> Download:
        # Not the media type that is sent, which may be a mere synonym: the bytes are the same.
        format = " ".join(filter(None, (writer.media_types[0], writer.extension, writer.compression)))
        basis = TagBasis(resolved.sources, resolved.slice.origin, resolved.query, format, self._software, rights)
        return Download(resolved, writer, basis, request.scope[BEGAN_KEY], changed)

    def _respond(
        self, request: Request, download: Download, media_type: str, further: Mapping[str, str], may_retry: bool = True
    ) -> Response:
        compressible = self._content_coding and download.is_text
        gzipped = compressible and accepts_gzip(request)
        headers = {**further, "Vary": "Accept, Accept-Encoding" if compressible else "Accept"}
        content: Content | None = None
        try:
            if download.stored_file is not None:
                content, tag = self._file(download, download.stored_file)
            else:
                tag = download.tag
            etag = None if tag is None else f'"{tag.key[:_TAG_DIGITS]}{_GZIP_SUFFIX if gzipped else ""}"'
            headers |= {"ETag": etag} if etag else {}
            conditional = not CONDITIONAL.isdisjoint(request.headers.keys())
            if conditional:
                check_preconditions(request, etag, max(tag.newest, download.changed) if tag is not None else None)
            if not (conditional and is_not_modified(request, etag)):
                part = conditional and not gzipped and has_usable_range(request, etag)
                if (count := request.scope.get(CELLS_KEY)) is not None and may_retry:
                    count(download.cells * len(download.resolved.slice.layers))
                content = content or self.content(download, part)
                if content.data is not None and not (part or gzipped or request.method == "HEAD"):
                    headers |= {"Accept-Ranges": "bytes"} if etag else {}
                    headers["Content-Disposition"] = download.disposition
                    return Response(content.data, 200, headers, media_type)
                described = DownloadHeaders(media_type, download.logged_name, download.disposition, headers)
                return content_response(request, content, described, gzipped, part, self._budget)
        except BaseException as error:
            if content is not None:
                content.close()
            if isinstance(error, DamagedFileError) and may_retry:  # it has been removed from the cache
                return self._respond(request, download, media_type, further, may_retry=False)
            if isinstance(error, OSError):
                raise unreadable(error, download.logged_name) from None
            raise
        if content is not None:
            content.close()
        return Response(status_code=304, headers=headers)

    def _file(self, download: Download, path: Path) -> tuple[Content, EntityTag | None]:
        """Return a file of the provider as content, and its tag."""
        file = open_file(path)
        return self._checked(download, FileContent(file)), file_tag(path, file.status())

    def _md5_of_file(self, download: Download, path: Path) -> str | None:
        content, tag = self._file(download, path)
        try:
            return self._cache.sums.of_bytes(tag.key, content.read()) if tag is not None else None
        finally:
            content.close()

    def _md5_of_slice(self, download: Download, quick: bool) -> str | None:
        if self._limits.reply_bytes or (quick and download.cells <= _MAX_CELLS_FOR_TICKET):
            content = self.content(download, in_memory=_IN_MEMORY_FOR_TICKET)
            content.close()
            if content.data is not None:
                return hashlib.md5(content.data, usedforsecurity=False).hexdigest()
        if download.tag is None:
            return None
        known = self._cache.sums.get(download.tag.key)
        kept = self._cache.get(download.tag.key) if known is None else None
        if kept is None:
            return known
        try:
            return self._cache.sums.of_bytes(download.tag.key, kept.read())
        except DamagedFileError:
            return None
        finally:
            kept.close()

    def _kept(self, download: Download) -> Content | None:
        content = self._cache.get(download.tag.key) if download.tag is not None else None
        return self._checked(download, content) if content is not None else None

    def _checked(self, download: Download, content: Content) -> Content:
        """Return content that is no larger than a reply may be; what is larger is closed."""
        try:
            self._check(download, content.length)
        except BaseException:
            content.close()
            raise
        return content

    def _make(self, download: Download, body: Body, chunks: Iterator[bytes], part: bool) -> Content | None:
        """Return what has more bytes than are made at once; None for a part that could not be made ready."""
        kept = None if download.is_large else self._kept(download)
        if kept is not None:
            close_body(body)
            return kept
        tag = download.tag
        cacheable = tag is not None and self._cache.may_hold(body.length or download.estimate)
        if self._limits.reply_bytes and body.length is None:
            return self._spool_if_allowed(download, body, chunks)
        if part and cacheable and tag is not None:
            content = None
            with self._cache.lock(tag.key), suppress(SizeLimitExceeded):
                content = self._kept(download)
                if content is None:
                    content = self._spool(download, chunks, self._cache.largest)
            close_body(body)
            return content
        if tag is not None and self._cache.on:
            # What has its length known beforehand is made faster than it is summed up: its sum can be had later, from
            # the bytes that were kept. Of what is mostly shared none are, and it has no sum.
            is_current = partial(download.basis.is_current, tag, download.began)
            keep = cacheable and not body.is_mostly_shared
            chunks = self._cache.tee(tag.key, chunks, keep, body.length is None, is_current)
        return StreamedContent(chunks, body, body.held + download.held, cacheable)

    def _spool_if_allowed(self, download: Download, body: Body, chunks: Iterator[bytes]) -> Content:
        """Return a slice made whole since its size decides whether it is sent."""
        try:
            content = self._spool(download, chunks, self._limits.reply_bytes)
        except SizeLimitExceeded:
            raise self._too_large(download) from None
        if content is None:
            raise Unavailable("the server has no room to make this reply: ask for less, or later")
        close_body(body)
        return content

    def _spool(self, download: Download, chunks: Iterator[bytes], limit: int) -> Content | None:
        """Return the slice made whole, None if there is no room for it on the disk."""
        key = download.tag.key if download.tag is not None else None
        is_current = partial(download.basis.is_current, download.tag, download.began)
        return self._cache.spool(key, chunks, limit, is_current)

    def _check(self, download: Download, length: int | None) -> None:
        if self._limits.reply_bytes:
            self._limits.check_reply(length, download.cells, download.resolved.suggest_smaller)

    def _too_large(self, download: Download) -> Exception:
        return self._limits.reply_too_large(None, download.cells, download.resolved.suggest_smaller)
