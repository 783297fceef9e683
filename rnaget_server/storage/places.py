"""Files of any place: of this machine, or in object storage.

A catalogue in object storage has a directory on this machine with the same names. Its YAML files are there; in the
place of a data file there is one without its bytes, which says where they are: a stand-in. It is marked by the sticky
bit, which files have no other use for.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rnaget_server.storage.local import PLACE, LocalFile, is_stand_in

if TYPE_CHECKING:
    from rnaget_server.storage.source import OpenFile


def open_file(path: Path) -> OpenFile:
    """Return the open file that a path names, whose bytes may be elsewhere.

    Raises
    ------
    OSError
        If there is none.
    """
    file = LocalFile(os.open(path, os.O_RDONLY))
    if not file.stands_in:
        return file
    # Not at the top, since most catalogues are on the disk.
    from rnaget_server.storage.objects.mirror import open_object

    return open_object(file)


def is_far(path: Path) -> bool:
    """Return whether the bytes of a file are in object storage."""
    return is_stand_in(path.stat())


def local_path(path: Path) -> Path:
    """Return where the bytes of a file are on this machine, for what cannot read them from elsewhere; all are fetched.

    Raises
    ------
    OSError
        If they cannot be had.
    """
    if not is_far(path):
        return path
    from rnaget_server.storage.objects.mirror import fetched

    return fetched(path)


def mirror_of(path: Path) -> Path | None:
    """Return the directory that stands for a catalogue in object storage and has a file in it; None if none does."""
    return _mirror_above(path.parent)


@lru_cache(4096)
def _mirror_above(directory: Path) -> Path | None:
    return next((one for one in (directory, *directory.parents) if is_mirror(one)), None)


def state_of(path: Path, status: os.stat_result) -> tuple[int, int, int]:
    """Return the state of a file; of one in object storage the same on every machine.

    It is without the device, whose number another machine has another of. An object's time has its entity tag in it.
    """
    inode = 0 if mirror_of(path) is not None else status.st_ino
    return inode, status.st_size, status.st_mtime_ns


def text_of_states(named: object, files: Sequence[tuple[Path, os.stat_result]]) -> str:
    """Return a text of files and their states, and of a value that names them; see `state_of`.

    Of files in object storage it is the same on every machine.
    """
    text = repr((named, [state_of(path, status) for path, status in files]))
    mirror = mirror_of(files[0][0])
    # Its name is a digest of the URL of the catalogue.
    return text if mirror is None else text.replace(repr(str(mirror))[1:-1], mirror.parent.name)


def object_requests() -> int:
    """Return how many requests this process has sent to object storage."""
    # Where nobody has asked for an object, the library for it is not imported.
    client = sys.modules.get("rnaget_server.storage.objects.client")
    return 0 if client is None else int(client.Client.all_requests)


def is_mirror(data: Path) -> bool:
    """Return whether a directory stands for a catalogue in object storage."""
    return data.name == "data" and (data.parent / PLACE).is_file()


def shown(data: Path) -> str:
    """Return how the directory of a catalogue is named for people: one that stands for another place by its URL."""
    return str(json.loads((data.parent / PLACE).read_bytes())["url"]) if is_mirror(data) else str(data)
