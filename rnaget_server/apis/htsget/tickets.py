"""Tickets: the URLs that together send the alignments or variants that are asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.htsget import BLOCKS
from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.permitted import must_be_exact, version_for
from rnaget_server.apis.htsget.plan import (
    blocks_of,
    can_transcode,
    file_of,
    in_memory,
    may_have_whole,
    pieces_of_ranges,
    regions_of,
    transcoded_block,
)
from rnaget_server.apis.htsget.query import query_of_body, query_of_url
from rnaget_server.apis.htsget.values import Block, ReadsQuery
from rnaget_server.catalog import ReadSet, ReadsFile
from rnaget_server.datasets.controlled import READS_FILE
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.datasets.references import find_references
from rnaget_server.errors import Forbidden
from rnaget_server.http.log_once import ONCE
from rnaget_server.http.routing import answered_at_once
from rnaget_server.model.observation import note_reading
from rnaget_server.query.strings import query_string
from rnaget_server.storage.source import Presigned

_log = logging.getLogger(__name__)


def _recent_ticket(context: Context, id: str) -> Response | None:
    """Return a ticket for which no file has to be looked at, if there is one."""
    reads = context.read_set(id)
    query = query_of_url(context)
    file = file_of(reads, query.format)
    recent = context.api.recent
    opened = recent.opened(file)
    blocks = None if opened is None else recent.get(file, opened.version, query, context.view.rights)
    if opened is None or blocks is None:
        return None
    if opened.file.far and context.api.settings.object_presigned_seconds:
        return None  # to sign URLs may take a request for credentials
    note_reading(READS_FILE, file.id)  # small blocks are in the ticket itself
    return _response(context, reads, opened, query, blocks)


@answered_at_once(_recent_ticket)
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
    recent = context.api.recent
    recent.saw(opened)
    blocks = recent.get(file, opened.version, query, context.view.rights)
    if blocks is None:
        blocks = _blocks(context, reads, opened, query)
        recent.keep(file, opened.version, query, context.view.rights, blocks)
    return _response(context, reads, opened, query, blocks)


def _blocks(context: Context, reads: ReadSet, opened: OpenReads, query: ReadsQuery) -> list[Block]:
    regions = regions_of(context, reads, opened, query)
    format = opened.record.format
    exact = query.only is None and must_be_exact(reads, format, regions)
    if exact and format == "CRAM" and not can_transcode(reads.kind):
        raise Forbidden(f"{reads.id} as CRAM can be sent in containers alone, which hold more than is for you")
    if can_transcode(reads.kind) and (query.is_partial or (exact and format == "CRAM")):
        find_references(context.view, reads, opened, regions)  # refuses what could not be decoded
        return [transcoded_block(query, regions)]
    pieces = opened.pieces(regions, query.only, exact)
    settings = context.api.settings
    most = min(settings.max_block_bytes, settings.max_bytes or settings.max_block_bytes)
    if sum(piece.length for piece in pieces) <= settings.max_inline_bytes:
        pieces = in_memory(opened, pieces)
    return blocks_of(pieces, most, settings.max_inline_bytes)


def _response(
    context: Context, reads: ReadSet, opened: OpenReads, query: ReadsQuery, blocks: Sequence[Block]
) -> Response:
    file = opened.record
    version = version_for(reads, opened.version)
    presigned = _presigned(context, reads, opened)
    urls: list[dict[str, Any]] = []
    for block in blocks:
        if presigned is not None and block.ranges is not None:
            urls += _at_the_place(presigned, opened, block.kind, block.ranges)
        else:
            urls.append(_url(context, reads, file, version, block))
    ticket: dict[str, Any] = {"format": file.format, "urls": urls}
    is_whole = query.regions is None and query.only is None and not any(block.is_transcoded for block in blocks)
    if is_whole and opened.md5 is not None:
        ticket["md5"] = opened.md5
    return context.respond({"htsget": ticket}, "Ticket")


def _presigned(context: Context, reads: ReadSet, opened: OpenReads) -> Presigned | None:
    """Return how a client reads the file from object storage; None if it has to ask this server.

    Such a URL sends any part of the file, so that it is only for those who may see all of it.
    """
    seconds = context.api.settings.object_presigned_seconds
    if not seconds or not may_have_whole(reads, opened.record.format):
        return None
    try:
        return opened.file.presigned(seconds)
    except OSError as error:
        _log.warning("tickets have no presigned URLs: %s", error, extra={ONCE: f"presigned {error}"})
        return None


def _at_the_place(presigned: Presigned, opened: OpenReads, kind: str, ranges: str) -> Iterator[dict[str, Any]]:
    for piece in pieces_of_ranges(ranges, opened.file.size):
        part = f"bytes={piece.offset}-{piece.offset + piece.length - 1}"
        yield {"url": presigned.url, "headers": {**presigned.headers, "Range": part}} | _class(kind)


def _class(kind: str) -> dict[str, str]:
    return {"class": kind} if kind else {}


def _url(context: Context, reads: ReadSet, file: ReadsFile, version: str, block: Block) -> dict[str, str]:
    kind = _class(block.kind)
    if block.data is not None:
        return {"url": block.inline, **kind}
    path = f"/{reads.kind}/{BLOCKS}/{reads.id}"
    wanted = [("format", file.format), ("version", version), *block.parameters]
    parameters = context.api.signer.sign(path, wanted, context.view.principal)
    return {"url": f"{context.root}{path}?{query_string(parameters)}", **kind}
