"""The bytes of a ticket: what one of its URLs sends."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.plan import file_of, pieces_of_ranges, pieces_of_regions, transcoded
from rnaget_server.catalog import ReadSet
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.delivery.content import Content, StreamedContent
from rnaget_server.delivery.pieces_content import PiecesContent
from rnaget_server.delivery.streaming import DownloadHeaders, content_response
from rnaget_server.errors import Gone, InvalidQuery
from rnaget_server.http.ranges import has_usable_range
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.principal import Principal
from rnaget_server.query import Parameters
from rnaget_server.reads.files import Piece
from rnaget_server.writers.base import Body

_MEDIA_TYPE = "application/octet-stream"
# About what the program takes that leaves out fields and tags.
_TRANSCODING = 32 << 20


def get_block(context: Context, id: str) -> Response:
    """Return the bytes of a signed URL, or a part of them.

    Raises
    ------
    Gone
        If the file that its ticket was made for has been replaced.
    """
    parameters = context.parameters("format", "version", "principal", "ranges", "regions", "pieces", "kept")
    name = parameters.text("principal")
    # The signature shows that the ticket was given to this one.
    if name is not None:
        context = replace(context, request=Request({**context.request.scope, PRINCIPAL_KEY: Principal(name)}))
    reads = context.read_set(id)
    file = file_of(reads, parameters.text("format"))
    opened = context.view.stores.open_reads(file)
    if parameters.text("version") != opened.version:
        raise Gone(f"the file of {reads.id} has been replaced since the ticket was made: ask for a new ticket")
    content = _content(context, reads, opened, parameters)
    fields = {"Cache-Control": "private, max-age=3600"}
    if content.length is not None:
        fields["ETag"] = f'"{opened.version}-{content.length}"'
    headers = DownloadHeaders(_MEDIA_TYPE, file.id, "attachment", fields)
    part = has_usable_range(context.request, fields.get("ETag"))
    return content_response(context.request, content, headers, False, part, context.api.budget)


def _content(context: Context, reads: ReadSet, opened: OpenReads, parameters: Parameters) -> Content:
    try:
        kept = parameters.text("kept")
        if kept is not None:
            chunks = transcoded(context, reads, opened, parameters.text("regions") or "", kept)
            return StreamedContent(chunks, Body(chunks), _TRANSCODING, ranges=False)
        return PiecesContent(opened.file, _pieces(opened, parameters))
    except ValueError:
        raise InvalidQuery("this is no URL of a ticket: ask for one, and use its URLs as they are") from None


def _pieces(opened: OpenReads, parameters: Parameters) -> list[Piece]:
    """Return the pieces that a URL is for; a ValueError says that it is none of a ticket."""
    ranges = parameters.text("ranges")
    if ranges is not None:
        return pieces_of_ranges(ranges, opened.file.size)
    return pieces_of_regions(opened, parameters.text("regions") or "", parameters.text("pieces") or "")
