"""Streams written to temporary files, within the room on the disk and what real data expand to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS, OpenedFile, compression_of, damaged, unpacked
from rnaget_server.importers.detect import HEAD_BYTES, is_hdf5
from rnaget_server.importers.foreign import BIGWIG, foreign_binary, imported_binary

_BLOCK = 1 << 20
_NO_BOMB = 256 << 20
_UNREADABLE: tuple[type[Exception], ...] = (OSError, *ERRORS)


@dataclass(frozen=True)
class Room:
    """The bytes that stay free on the disk of temporary files, and how many times larger data may become."""

    least_free: int
    expansion: int


def write_stream(
    read: Callable[[int], bytes], target: Path, named: object, room: Room, packed: int | None = None
) -> int:
    """Write all that a stream gives to a file, and return the size.

    Parameters
    ----------
    read
        Returns up to the given number of bytes; none at the end.
    target
        The file.
    named
        What the provider calls the source.
    room
        The bounds.
    packed
        The size of the data before they were unpacked, if they were.

    Raises
    ------
    ImportFailure
        If the disk has too little room, or the data expand as no real ones do.
    """
    size = 0
    with target.open("wb") as file:
        while block := read(_BLOCK):
            size += len(block)
            check_room(target, len(block), named, room)
            if packed is not None:
                check_expansion(size, packed, named, room)
            file.write(block)
    return size


def check_expansion(size: int, packed: int, named: object, room: Room) -> None:
    """Refuse data of a size that real ones, which took `packed` bytes, have not.

    Raises
    ------
    ImportFailure
        If it is so.
    """
    if size > max(_NO_BOMB, packed * room.expansion):
        raise ImportFailure(
            f"the data become more than {room.expansion:,} times larger when they are unpacked, as no real "
            "ones do: unpack them yourself if you know them, or set RNAGET_MAX_EXPANSION to more",
            str(named),
        )


def check_room(target: Path, size: int, named: object, room: Room) -> None:
    """Refuse to write `size` more bytes where the disk would then have too few left.

    Raises
    ------
    ImportFailure
        If it would be so.
    """
    free = shutil.disk_usage(target.parent).free
    if room.least_free and free - size < room.least_free:
        raise ImportFailure(
            f"the disk of the temporary files has {free:,} bytes left, and min_free_bytes keeps {room.least_free:,} "
            "free: name a directory with more room by TMPDIR, or save the data to a file",
            str(named),
        )


def must_be_unpacked(path: Path, is_archive: Callable[[bytes], bool]) -> bool:
    """Return whether a file is compressed, and what is in it cannot be read as a stream, as text can.

    Kinds that are refused stay as they are, and so does what is damaged: the import says what is wrong.
    """
    try:
        head = unpacked(path, HEAD_BYTES)
        with path.open("rb") as file:
            if compression_of(file.read(HEAD_BYTES)) is None or compression_of(head) is not None:
                return False
    except _UNREADABLE:
        return False
    if is_hdf5(head) or head.startswith(BIGWIG) or is_archive(head) or imported_binary(head):
        return True
    return b"\0" in head and foreign_binary(head, path) is None


def unpack(path: Path, target: Path, named: object, room: Room) -> int:
    """Write what is in a compressed file to another, and return the size.

    Raises
    ------
    ImportFailure
        If it is damaged, or `write_stream` refuses it.
    """
    try:
        with OpenedFile(path) as stream:
            return write_stream(stream.read, target, named, room, path.stat().st_size)
    except ERRORS as error:
        raise damaged(path, error) from None
