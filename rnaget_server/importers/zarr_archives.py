"""Stores of Zarr in archives (``.zarr.zip``): which there are, and taking a whole one out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.archives import Archive, Member, candidates, is_note
from rnaget_server.importers.foreign import ZARR_MARKERS, is_in_zarr, names_in_zip
from rnaget_server.importers.unpacking import Room, check_expansion, write_stream

_SHOWN, _LISTED = 200, 8


def is_zarr_archive(head: bytes) -> bool:
    """Return whether data of this beginning are a zip archive of a store of Zarr."""
    return head.startswith(b"PK\x03\x04") and any(map(is_in_zarr, names_in_zip(head)))


def roots(members: Sequence[Member]) -> list[str]:
    """Return the directories in an archive that are stores of Zarr, and not within another; ``""`` is the archive."""
    found: list[str] = []
    for folder in sorted({member.folder for member in members if member.base in ZARR_MARKERS}, key=len):
        if not any(folder.startswith(outer) for outer in found):
            found.append(folder)
    return sorted(found)


def chosen_root(members: Sequence[Member], wanted: Sequence[str], named: str) -> str | None:
    """Return the store that is meant: the one that `wanted` names, or the only one; None if a file is meant.

    Raises
    ------
    ImportFailure
        If there are several, or other files of data.
    """
    stores = roots(members)
    if wanted:
        asked = wanted[0].removeprefix("./").rstrip("/") + "/" if len(wanted) == 1 else None
        return next((store for store in stores if store.removeprefix("./") == asked), None)
    outside = [member for member in members if not member.name.startswith(tuple(stores))]
    others = [member for member in candidates(outside) if not is_note(member)]
    if len(stores) == 1 and not others:
        return stores[0]
    if not stores and any(is_in_zarr(member.name) for member in members):
        raise ImportFailure("this is an array of Zarr and no AnnData, which is a group with obs and var", named)
    if not stores:
        return None
    names = [*stores, *(member.name for member in others)]
    shown = ", ".join(ascii(name[:_SHOWN]) for name in names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    raise ImportFailure(
        f"the archive has {len(names)} stores and files that may be meant: name one by --member: {shown}", named
    )


def take_out(archive: Archive, root: str, directory: Path, named: str, room: Room) -> Path:
    """Write all files of a store below a directory, and return the file that marks it.

    Raises
    ------
    ImportFailure
        If a file cannot be taken out, the disk has too little room, or the data expand as no real ones do.
    """
    files = {member.name: member for member in archive.members if member.name.startswith(root)}  # the last of a name
    size = packed = 0
    for name, member in files.items():
        archive.check(member)
        target = directory / name.removeprefix(root)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.stream(member) as stream:
                size += write_stream(stream.read, target, f"{named}/{name}", room, member.packed)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise ImportFailure(
                f"the archive has {name[:_SHOWN]!a}, and a file or a directory of that name as well", named
            ) from None
        packed += member.packed
        check_expansion(size, packed, named, room)
    return next(directory / marker for marker in ZARR_MARKERS if root + marker in files)
