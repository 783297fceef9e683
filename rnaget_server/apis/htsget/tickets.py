"""Tickets: the URLs that together send the alignments or variants that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.htsget import BLOCKS
from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.plan import (
    Block,
    blocks_of,
    can_transcode,
    file_of,
    in_memory,
    regions_of,
    transcoded_block,
)
from rnaget_server.apis.htsget.query import ReadsQuery, query_of_body, query_of_url
from rnaget_server.catalog import ReadSet
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.principal import ANYONE
from rnaget_server.query.strings import query_string


def get_ticket(context: Context, id: str) -> Response:
    """Return the ticket for what a URL asks for."""
    return _ticket(context, id, query_of_url)


def post_ticket(context: Context, id: str) -> Response:
    """Return the ticket for what the body of a request asks for."""
    return _ticket(context, id, query_of_body)


def _ticket(context: Context, id: str, parse: Callable[[Context], ReadsQuery]) -> Response:
    reads = context.read_set(id)
    query = parse(context)
    file = file_of(reads, query.format)
    opened = context.view.stores.open_reads(file)
    regions = regions_of(context, reads, opened, query)
    if query.is_partial and can_transcode(reads.kind):
        url = _url(context, reads, opened, transcoded_block(query, regions))
        return context.respond({"htsget": {"format": file.format, "urls": [url]}}, "Ticket")
    pieces = opened.pieces(regions, query.only)
    settings = context.api.settings
    most = min(settings.max_block_bytes, settings.max_bytes or settings.max_block_bytes)
    if sum(piece.length for piece in pieces) <= settings.max_inline_bytes:
        pieces = in_memory(opened, pieces)
    blocks = blocks_of(pieces, regions, most, settings.max_inline_bytes)
    ticket: dict[str, Any] = {"format": file.format, "urls": [_url(context, reads, opened, block) for block in blocks]}
    if regions is None and query.only is None and file.md5 is not None:
        ticket["md5"] = file.md5
    return context.respond({"htsget": ticket}, "Ticket")


def _url(context: Context, reads: ReadSet, opened: OpenReads, block: Block) -> dict[str, str]:
    kind = {"class": block.kind} if block.kind else {}
    if block.data is not None:
        return {"url": block.inline, **kind}
    path = f"/{reads.kind}/{BLOCKS}/{reads.id}"
    name = context.request.scope.get(PRINCIPAL_KEY, ANYONE).name
    # Its URLs are fetched without the token that the ticket was asked for with.
    rights = () if name is None else (("principal", name),)
    parameters = context.api.signer.sign(
        path, [("format", opened.record.format), ("version", opened.version), *rights, *block.parameters]
    )
    return {"url": f"{context.root}{path}?{query_string(parameters)}", **kind}
