"""The bytes that answer a query: pieces of a file, and the URLs that send them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby

from rnaget_server.apis.htsget.compact import (
    MOST_CHUNK_BYTES,
    MOST_LETTERS,
    chunk_numbers,
    chunks_in,
    chunks_text,
    json_in,
    json_text,
    regions_in,
    regions_text,
)
from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.permitted import must_be_exact
from rnaget_server.apis.htsget.query import UNPLACED
from rnaget_server.apis.htsget.values import Block, ReadsQuery, RequestedRegion
from rnaget_server.catalog import ReadSet, ReadsFile
from rnaget_server.catalog.models import ReadsKind
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.datasets.references import find_references
from rnaget_server.errors import Forbidden, InvalidQuery, UnknownId, UnsupportedFormat, shown, unknown_name
from rnaget_server.model.limits import check_ticket_url
from rnaget_server.reads.bgzf import MOST_IN_BLOCK, WITHIN
from rnaget_server.reads.files import Piece, Region

_MOST_RANGES = 64
_MOST_MADE = 4 << 20
"""Bytes that were made and stand in a ticket; where there are more, URLs have what to make them from."""


def file_of(reads: ReadSet, format: str | None) -> ReadsFile:
    """Return the file in a format, or in the usual one.

    Raises
    ------
    UnsupportedFormat
        If there is none.
    """
    if format is None:
        return reads.files[0]
    found = reads.formats.get(format)
    if found is None:
        raise UnsupportedFormat(f"{reads.id} is not available as {format}, only as {' and '.join(reads.formats)}")
    return found


def regions_of(context: Context, reads: ReadSet, opened: OpenReads, query: ReadsQuery) -> list[Region] | None:
    """Return the regions of a query by the names that the file has for its references.

    Raises
    ------
    UnknownId
        If it has none of them.
    InvalidQuery
        If a name and a digest are of two sequences, or the file has no index.
    """
    if query.regions is None:
        return None
    if not opened.has_index:
        raise InvalidQuery(f"regions of {reads.id} cannot be found, since it has no index here: ask for all of it")
    return [
        Region(_reference(context, reads, opened, requested), requested.start, requested.end)
        for requested in dict.fromkeys(query.regions)
    ]


def _reference(context: Context, reads: ReadSet, opened: OpenReads, requested: RequestedRegion) -> str:
    if requested.md5 is not None:
        names = (
            opened.names_by_md5.get(requested.md5) or context.view.references_of(reads, requested.md5) & opened.names
        )
        if not names:
            raise UnknownId(
                f"{reads.id} has no reference of the MD5 digest {shown(requested.md5)}: ask by referenceName"
            )
        if requested.name is None:
            return min(names)
        if requested.name not in names:
            raise InvalidQuery(
                f"referenceName is {shown(requested.name)}, and referenceMD5 is of {min(names)}: give one"
            )
    name = requested.name or ""
    if name != UNPLACED and name not in opened.names:
        raise UnknownId(unknown_name("reference", name, opened.names))
    return name


def blocks_of(pieces: Sequence[Piece], most: int, inline: int) -> list[Block]:
    """Return what the URLs of a ticket are for.

    Parameters
    ----------
    pieces
        The whole reply.
    most
        Most bytes of one URL.
    inline
        Most bytes of a ticket that has all within itself, of which those of the file are read elsewhere.
    """
    if not any(piece.kind == "header" for piece in pieces):
        # Both are in one block of the file, so that no URL is of one of them.
        return [replace(block, kind="") for block in _blocks_of(pieces, most, inline)]
    return _blocks_of(pieces, most, inline)


def _blocks_of(pieces: Sequence[Piece], most: int, inline: int) -> list[Block]:
    made = sum(piece.length for piece in pieces if piece.data is not None)
    if made > max(_MOST_MADE, inline) and any(piece.parts for piece in pieces):
        return list(_made_later(pieces, most))
    blocks: list[Block] = []
    for (kind, is_made), run in groupby(pieces, key=lambda piece: (piece.kind, piece.data is not None)):
        if is_made:
            blocks.append(Block(kind, b"".join(piece.data or b"" for piece in run)))
        else:
            blocks += (Block(kind, None, (("ranges", text),)) for text in _ranges(list(run), most))
    return blocks


def _ranges(pieces: Sequence[Piece], most: int) -> Iterator[str]:
    """Yield byte ranges, of so many bytes and so few ranges together that a URL can have them."""
    group: list[str] = []
    size = 0
    for offset, length in _split(_joined(pieces), most):
        if group and (size + length > most or len(group) == _MOST_RANGES):
            yield ".".join(group)
            group, size = [], 0
        group.append(f"{offset}-{offset + length}")
        size += length
    if group:
        yield ".".join(group)


def _joined(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Return the ranges of pieces of a file, of those that meet one."""
    joined: list[tuple[int, int]] = []
    for piece in pieces:
        if joined and sum(joined[-1]) == piece.offset:
            joined[-1] = joined[-1][0], joined[-1][1] + piece.length
        elif piece.length:
            joined.append((piece.offset, piece.length))
    return joined


def _split(ranges: Sequence[tuple[int, int]], most: int) -> Iterator[tuple[int, int]]:
    for offset, length in ranges:
        for start in range(offset, offset + length, most):
            yield start, min(most, offset + length - start)


def _made_later(pieces: Sequence[Piece], most: int) -> Iterator[Block]:
    """Yield blocks that say from which ranges bytes are made again, of so many ranges that a URL can have them."""
    run: list[tuple[int, int]] = []
    size = letters = 0
    for piece in pieces:
        chunks = list(_chunks_of(piece, most))
        if not chunks:
            if run:
                yield _chunks_block(run)
                run, size, letters = [], 0, 0
            if piece.data is not None:
                yield Block(piece.kind, piece.data)
            else:
                yield from (Block(piece.kind, None, (("ranges", text),)) for text in _ranges([piece], most))
        for chunk, length in chunks:
            more = len(chunk_numbers(chunk, run[-1][1] if run else 0))
            if run and (size + length > most or letters + more > MOST_CHUNK_BYTES):
                yield _chunks_block(run)
                run, size, letters = [], 0, 0
                more = len(chunk_numbers(chunk, 0))
            run.append(chunk)
            size, letters = size + length, letters + more
    if run:
        yield _chunks_block(run)


def _chunks_of(piece: Piece, most: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the ranges of virtual offsets of a piece, if it has some, and about how many bytes of a reply each is."""
    if piece.data is None and piece.kind == "body" and piece.length <= most:
        yield (piece.offset << 16, piece.offset + piece.length << 16), piece.length
    for begin, end in piece.parts:
        within = end - begin if begin >> 16 == end >> 16 else MOST_IN_BLOCK - (begin & WITHIN)
        yield (begin, end), within


def _chunks_block(chunks: Sequence[tuple[int, int]]) -> Block:
    return Block("body", None, (("chunks", chunks_text(chunks)),))


def transcoded_block(query: ReadsQuery, regions: Sequence[Region] | None) -> Block:
    """Return the one URL that sends reads without some of their fields and tags.

    Raises
    ------
    ResultTooLarge
        If a URL cannot have so many regions or tags.
    """
    text, kept = regions_text(regions), json_text([query.fields, query.tags, query.notags or ()])
    check_ticket_url(len(kept), len(text), len(regions or ()), MOST_LETTERS)
    return Block("", None, (("regions", text), ("kept", kept)))


def transcoded(
    context: Context, reads: ReadSet, opened: OpenReads, regions: str, kept: str
) -> Generator[bytes, None, None]:
    """Return the bytes that such a URL sends.

    Raises
    ------
    Forbidden
        If its regions are not all for the one who asks.
    """
    fields, tags, notags = json_in(kept)
    found = regions_in(regions)
    references = find_references(context.view, reads, opened, found)
    exact = must_be_exact(reads, opened.record.format, found)
    return opened.transcoded(found, fields, tags, notags, references, exact)


def may_have_whole(reads: ReadSet, format: str) -> bool:
    """Return whether the one who asks may see all of a file, and not only what he asks for."""
    try:
        return not must_be_exact(reads, format, None)
    except Forbidden:
        return False


def can_transcode(kind: ReadsKind) -> bool:
    """Return whether fields and tags can be left out here: those of reads, with the package for it."""
    return kind == "reads" and find_spec("pysam") is not None


def pieces_of_ranges(text: str, size: int) -> list[Piece]:
    """Return the pieces of a file that a URL names by byte ranges.

    Raises
    ------
    ValueError
        If it names none, or one beyond the end of the file.
    """
    pieces = []
    for part in text.split("."):
        start, stop = map(int, part.split("-"))
        if not 0 <= start < stop <= size:
            raise ValueError
        pieces.append(Piece("body", start, stop - start))
    return pieces


def pieces_of_chunks(opened: OpenReads, text: str) -> list[Piece]:
    """Return the pieces that a URL names by ranges of virtual offsets, made again.

    Raises
    ------
    ValueError
        If it names none.
    """
    chunks = chunks_in(text)
    if not chunks:
        raise ValueError
    return opened.pieces_of_chunks(chunks)


def in_memory(opened: OpenReads, pieces: Sequence[Piece]) -> list[Piece]:
    """Return pieces with the bytes of those that are in the file."""
    return [piece if piece.data is not None else replace(piece, data=opened.read(piece)) for piece in pieces]
