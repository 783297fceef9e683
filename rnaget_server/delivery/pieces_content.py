"""Parts of a file, with bytes between them that were made, as the content of a reply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnaget_server.delivery.content import Content, file_bytes
from rnaget_server.reads.files import Piece
from rnaget_server.storage.source import OpenFile


class PiecesContent(Content):
    """Pieces of a file one after the other. The file stays open.

    Parameters
    ----------
    file
        The file that those pieces are of whose bytes were not made.
    pieces
        The pieces.
    """

    length: int

    def __init__(self, file: OpenFile, pieces: Sequence[Piece]) -> None:
        self._file = file
        self._pieces = pieces
        self.length = sum(piece.length for piece in pieces)
        self.held = sum(piece.length for piece in pieces if piece.data is not None)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """Yield the bytes, some hundred KiB at a time; for the errors see `file_bytes`."""
        stop = self.length if stop is None else stop
        at = 0
        for piece in self._pieces:
            first, last = max(start - at, 0), min(stop - at, piece.length)
            at += piece.length
            if first >= last:
                continue
            if piece.data is not None:
                yield piece.data[first:last]
            else:
                yield from file_bytes(self._file, piece.offset + first, piece.offset + last)
