"""From ranges of virtual offsets to pieces of a file: whole blocks as they are stored, parts of blocks made again."""

from __future__ import annotations

from collections.abc import Iterable

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, WITHIN, Blocks, compressed
from rnaget_server.reads.bins import Chunk
from rnaget_server.reads.pieces import Piece


def body_pieces(blocks: Blocks, ranges: Iterable[Chunk]) -> list[Piece]:
    """Return the pieces that hold the bytes of ranges, and the end marker; for the errors see `chunk_pieces`."""
    return [*chunk_pieces(blocks, ranges), Piece("body", 0, len(END_MARKER), END_MARKER)]


def chunk_pieces(blocks: Blocks, ranges: Iterable[tuple[int, int]]) -> list[Piece]:
    """Return the pieces that hold the bytes of ranges, of which each is after the one before it.

    Raises
    ------
    DamagedFile
        If a range does not begin or end within a block of the file.
    """
    pieces: list[Piece] = []
    pending: list[tuple[bytes, Chunk]] = []
    for begin, end in ranges:
        first, last = begin >> 16, end >> 16
        if last > blocks.file.size:
            raise DamagedFile("the index is not that of the file: it points behind its end")
        if first == last:
            pending.append((_part(blocks, first, begin & WITHIN, end & WITHIN), Chunk(begin, end)))
            continue
        if begin & WITHIN:
            part = _part(blocks, first, begin & WITHIN, None)
            first = blocks.read(first).next
            pending.append((part, Chunk(begin, first << 16)))
        if first < last:
            blocks.read(first)  # refuses what is no block
            pieces += _made(pending)
            pieces.append(Piece("body", first, last - first))
        elif first > last:
            raise DamagedFile("the index is not that of the file: it points to a place within a block")
        if end & WITHIN:
            pending.append((_part(blocks, last, 0, end & WITHIN), Chunk(last << 16, end)))
        elif last < blocks.file.size:
            blocks.read(last)
    return _joined([*pieces, *_made(pending)])


def _part(blocks: Blocks, offset: int, start: int, end: int | None) -> bytes:
    data = blocks.read(offset).data
    if start > len(data) or (end is not None and end > len(data)):
        raise DamagedFile(f"the index is not that of the file: it points behind the block at byte {offset:,}")
    return data[start:end]


def _made(pending: list[tuple[bytes, Chunk]]) -> list[Piece]:
    """Return what is pending as blocks of its own, and empty it."""
    data = compressed(b"".join(part for part, _ in pending))
    parts = tuple(chunk for part, chunk in pending if part)
    pending.clear()
    return [Piece("body", 0, len(data), data, parts)] if data else []


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Return pieces with those that follow one another in the file as one."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and last.data is None and piece.data is None and last.offset + last.length == piece.offset:
            joined[-1] = Piece("body", last.offset, last.length + piece.length)
        else:
            joined.append(piece)
    return joined
