"""The bytes that answer a query: pieces of a file, and the URLs that send them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby
from typing import Any

from rnaget_server.apis.htsget.context import Context
from rnaget_server.apis.htsget.query import UNPLACED
from rnaget_server.apis.htsget.values import Block, ReadsQuery, RequestedRegion
from rnaget_server.catalog import ReadSet, ReadsFile
from rnaget_server.catalog.models import ReadsKind
from rnaget_server.datasets.reads import OpenReads
from rnaget_server.datasets.references import find_references
from rnaget_server.errors import InvalidQuery, UnknownId, UnsupportedFormat, shown, unknown_name
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


def blocks_of(pieces: Sequence[Piece], regions: Sequence[Region] | None, most: int, inline: int) -> list[Block]:
    """Return what the URLs of a ticket are for.

    Parameters
    ----------
    pieces
        The whole reply.
    regions
        What it was found by; None for all of a file or its header.
    most
        Most bytes of one URL.
    inline
        Most bytes of a ticket that has all within itself, of which those of the file are read elsewhere.
    """
    if not any(piece.kind == "header" for piece in pieces):
        # Both are in one block of the file, so that no URL is of one of them.
        return [replace(block, kind="") for block in _blocks_of(pieces, regions, most, inline)]
    return _blocks_of(pieces, regions, most, inline)


def _blocks_of(pieces: Sequence[Piece], regions: Sequence[Region] | None, most: int, inline: int) -> list[Block]:
    made = sum(piece.length for piece in pieces if piece.data is not None)
    if made > max(_MOST_MADE, inline):
        return [_regions_block(kind, run, regions) for kind, run in _runs(pieces, most)]
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


def _runs(pieces: Sequence[Piece], most: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield kind, first and last number (half-open) of pieces that one URL sends; a piece is never parted."""
    first = size = 0
    for number, piece in enumerate(pieces):
        if number > first and (piece.kind != pieces[first].kind or size + piece.length > most):
            yield pieces[first].kind, (first, number)
            first, size = number, 0
        size += piece.length
    if first < len(pieces):
        yield pieces[first].kind, (first, len(pieces))


def _regions_block(kind: str, run: tuple[int, int], regions: Sequence[Region] | None) -> Block:
    return Block(kind, None, (("regions", _regions_text(regions)), ("pieces", f"{run[0]}-{run[1]}")))


def transcoded_block(query: ReadsQuery, regions: Sequence[Region] | None) -> Block:
    """Return the one URL that sends reads without some of their fields and tags."""
    kept = json.dumps([query.fields, query.tags, query.notags or ()], separators=(",", ":"))
    return Block("", None, (("regions", _regions_text(regions)), ("kept", kept)))


def _regions_text(regions: Sequence[Region] | None) -> str:
    content = None if regions is None else [[region.reference, region.start, region.end] for region in regions]
    return json.dumps(content, separators=(",", ":"))


def _regions_in(text: str) -> list[Region] | None:
    content: list[Any] | None = json.loads(text)
    return content and [Region(*values) for values in content]


def transcoded(context: Context, reads: ReadSet, opened: OpenReads, regions: str, kept: str) -> Iterator[bytes]:
    """Return the bytes that such a URL sends."""
    fields, tags, notags = json.loads(kept)
    found = _regions_in(regions)
    references = find_references(context.view, reads, opened, found)
    return opened.transcoded(found, fields, tags, notags, references)


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


def pieces_of_regions(opened: OpenReads, regions: str, run: str) -> list[Piece]:
    """Return the pieces that a URL names by number, found again.

    Raises
    ------
    ValueError
        If there are none of these numbers.
    """
    first, stop = map(int, run.split("-"))
    pieces = opened.pieces(_regions_in(regions))
    if not 0 <= first < stop <= len(pieces):
        raise ValueError
    return pieces[first:stop]


def in_memory(opened: OpenReads, pieces: Sequence[Piece]) -> list[Piece]:
    """Return pieces with the bytes of those that are in the file."""
    return [piece if piece.data is not None else replace(piece, data=opened.read(piece)) for piece in pieces]
