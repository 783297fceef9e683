"""The bytes of a ticket: what one of its URLs sends."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.plan import file_of, pieces_of_ranges, pieces_of_recipe
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.delivery.pieces_content import PiecesContent
from rnaget_server.delivery.streaming import DownloadHeaders, content_response
from rnaget_server.errors import Gone, InvalidQuery
from rnaget_server.query import Parameters
from rnaget_server.reads.files import Piece

_MEDIA_TYPE = "application/octet-stream"


def get_block(context: Context, id: str) -> Response:
    """Return the bytes of a signed URL, or a part of them.

    Raises
    ------
    Gone
        If the file that its ticket was made for has been replaced.
    """
    reads = context.read_set(id)
    parameters = context.parameters("format", "version", "ranges", "regions", "pieces")
    file = file_of(reads, parameters.text("format"))
    opened = context.view.stores.open_reads(file)
    if parameters.text("version") != opened.version:
        raise Gone(f"the file of {reads.id} has been replaced since the ticket was made: ask for a new ticket")
    content = PiecesContent(opened.file, _pieces(opened, parameters))
    tag = f'"{opened.version}-{content.length}"'
    headers = DownloadHeaders(
        _MEDIA_TYPE, f"{file.id}", "attachment", {"ETag": tag, "Cache-Control": "private, max-age=3600"}
    )
    return content_response(context.request, content, headers, False, context.api.budget)


def _pieces(opened: OpenReads, parameters: Parameters) -> list[Piece]:
    try:
        ranges = parameters.text("ranges")
        if ranges is not None:
            return pieces_of_ranges(ranges, opened.file.size)
        return pieces_of_recipe(opened, parameters.text("regions") or "", parameters.text("pieces") or "")
    except ValueError:
        raise InvalidQuery("this is no URL of a ticket: ask for one, and use its URLs as they are") from None
