"""The bytes of a ticket: what one of its URLs sends."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from tempfile import TemporaryFile

from starlette.responses import Response

from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.permitted import version_for
from rnaget_server.apis.htsget.plan import file_of, pieces_of_chunks, pieces_of_ranges, transcoded
from rnaget_server.catalog import ReadSet
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.delivery.content import Content, StreamedContent
from rnaget_server.delivery.pieces_content import PiecesContent
from rnaget_server.delivery.streaming import DownloadHeaders, content_response
from rnaget_server.errors import Gone, InvalidQuery
from rnaget_server.http.ranges import has_usable_range
from rnaget_server.model.limits import check_made_reads
from rnaget_server.query import Parameters
from rnaget_server.reads.files import Piece
from rnaget_server.storage.local import LocalFile
from rnaget_server.writers.base import Body

_MEDIA_TYPE = "application/octet-stream"
# The program that leaves out fields and tags takes about 32 MiB of `max_reply_bytes`. The budget counts up to half of
# that setting, for what is not counted within the worker; nothing of the program is there, so that half of it counts.
_TRANSCODING = 14 << 20


def get_block(context: Context, id: str) -> Response:
    """Return the bytes of a signed URL, or a part of them.

    Raises
    ------
    Gone
        If the file that its ticket was made for, or what somebody may see of it, is another.
    """
    parameters = context.parameters("format", "version", "ranges", "chunks", "regions", "kept")
    reads = context.read_set(id)
    file = file_of(reads, parameters.text("format"))
    opened = context.view.stores.open_reads(file)
    if parameters.text("version") != version_for(reads, opened.version):
        raise Gone(f"the file of {reads.id} has been replaced since the ticket was made: ask for a new ticket")
    content = _content(context, reads, opened, parameters)
    fields = {"Cache-Control": "private, max-age=3600"}
    if content.length is not None:
        fields["ETag"] = f'"{opened.version}-{content.length}"'
    headers = DownloadHeaders(_MEDIA_TYPE, file.id, "attachment", fields)
    part = has_usable_range(context.request, fields.get("ETag"))
    return content_response(context.request, content, headers, False, part, context.api.budget)


def _content(context: Context, reads: ReadSet, opened: OpenReads, parameters: Parameters) -> Content:
    most = context.api.settings.max_bytes
    try:
        kept = parameters.text("kept")
        if kept is not None:
            chunks = transcoded(context, reads, opened, parameters.text("regions") or "", kept)
            if most:
                return _made_whole(chunks, most)
            return StreamedContent(chunks, Body(chunks), _TRANSCODING, ranges=False)
        return PiecesContent(opened.file, _pieces(opened, parameters))
    except ValueError:
        raise InvalidQuery("this is no URL of a ticket: ask for one, and use its URLs as they are") from None


def _made_whole(chunks: Generator[bytes, None, None], most: int) -> PiecesContent:
    """Return content in a file that has no name, for only when it is there is its size known.

    Raises
    ------
    ResultTooLarge
        If it has more bytes than one reply may have.
    """
    size = 0
    with TemporaryFile() as file, closing(chunks):
        for chunk in chunks:
            size += len(chunk)
            check_made_reads(size, most)
            file.write(chunk)
        file.flush()
        return PiecesContent(LocalFile(os.dup(file.fileno())), [Piece("body", 0, size)])


def _pieces(opened: OpenReads, parameters: Parameters) -> list[Piece]:
    """Return the pieces that a URL is for; a ValueError says that it is none of a ticket."""
    ranges = parameters.text("ranges")
    if ranges is not None:
        return pieces_of_ranges(ranges, opened.file.size)
    return pieces_of_chunks(opened, parameters.text("chunks") or "")
