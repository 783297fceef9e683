"""Files of bgzip: gzip in small members, with an empty one at the end (SAM specification, 4.1).

To other readers of gzip, such a file that is cut off between two members looks whole.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from rnaget_server.errors import ImportFailure

_BEGIN = b"\x1f\x8b\x08"
_HAS_EXTRA = 4
_FIXED = 12
_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_PADDING = b"\0"
_LOOKED_AT = 64 << 10


def refuse_cut_bgzip(file: BinaryIO, path: Path) -> None:
    """Refuse a file of bgzip that lacks its end; gzip of others, and all else, passes. The place in it is kept.

    Raises
    ------
    ImportFailure
        If it is cut off.
    """
    state = os.fstat(file.fileno())
    if not stat.S_ISREG(state.st_mode) or member_size(os.pread(file.fileno(), _LOOKED_AT, 0)) is None:
        return
    last = os.pread(file.fileno(), _LOOKED_AT, max(0, state.st_size - _LOOKED_AT))
    # Blocks of tapes and copies are filled up by zeros, which readers of gzip pass over.
    if not last.rstrip(_PADDING).endswith(_END.rstrip(_PADDING)):
        raise ImportFailure(
            "the bgzip data are cut off: the empty block that ends them is missing; get the file again, or, if it is "
            "known to be whole, write its end by `gunzip -c FILE | bgzip > NEW`",
            path,
        )


def member_size(head: bytes) -> int | None:
    """Return the bytes of the first member of gzip data by the field that bgzip adds (RFC 1952, 2.3.1.1), if any."""
    if not head.startswith(_BEGIN) or len(head) < _FIXED or not head[3] & _HAS_EXTRA:
        return None
    at, stop = _FIXED, _FIXED + int.from_bytes(head[10:12], "little")
    while at + 4 <= stop:
        size = int.from_bytes(head[at + 2 : at + 4], "little")
        if head[at : at + 2] == b"BC" and size == 2:
            return int.from_bytes(head[at + 4 : at + 6], "little") + 1
        at += 4 + size
    return None
