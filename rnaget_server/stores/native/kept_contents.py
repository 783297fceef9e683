"""The known contents of a native file as bytes of an index, by which another process opens it without HDF5, too."""

from __future__ import annotations

import json
import zlib
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.local import FileVersion
from rnaget_server.stores import layout
from rnaget_server.stores.hdf5_dataset import Part, check_form
from rnaget_server.stores.native.contents import Folder, keep

_MOST_BYTES = 1 << 16
_KINDS = {kind.attribute: kind for kind in (layout.DENSE, layout.SPARSE)}
_TYPES = "biufS"
# All that the bytes may be taken for if they were not written by `packed`.
_UNFIT = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error)


def known_kind(access: FileAccess, path: Path, version: FileVersion) -> layout.Kind | None:
    """Return the kind of native store that a file in this state is known to be; None if it is not known."""
    known = (kind for kind in _KINDS.values() if access.contents.of((path, version, kind)) is not None)
    return next(known, None)


def packed(access: FileAccess, path: Path, version: FileVersion) -> bytes:
    """Return what is known of a native file in this state; nothing if that is none, or has an unusual type."""
    kind = known_kind(access, path, version)
    parts = None if kind is None else access.contents.of((path, version, kind))
    if kind is None or parts is None:
        return b""
    try:
        # A copy, to which other threads add nothing.
        text = json.dumps([kind.attribute, {path: _values(part) for path, part in dict(parts).items()}]).encode()
    except TypeError:
        return b""
    return zlib.compress(text) if len(text) <= _MOST_BYTES else b""


def unpack(access: FileAccess, path: Path, version: FileVersion, data: bytes) -> None:
    """Take for known what was packed of a file in this state; data that are damaged are passed over.

    The bounds are those of `access`, not those in which it was looked at.
    """
    if not data or known_kind(access, path, version) is not None:
        return
    try:
        attribute, parts = json.loads(zlib.decompressobj().decompress(data, _MOST_BYTES))
        kind = _KINDS[attribute]
        found = {name: _part(name, values, access, version.size) for name, values in parts.items()}
    except _UNFIT:
        return
    for name, part in found.items():
        keep(access, (path, version, kind), name, part)


def _values(part: Part | Folder | None) -> Any:
    if part is None:
        return None
    attrs = {name: value.item() if isinstance(value, np.generic) else value for name, value in part.attrs.items()}
    if isinstance(part, Folder):
        return part.names, attrs
    if part.dtype.kind not in _TYPES:
        raise TypeError(f"{part.name} is of {part.dtype}")
    return part.shape, part.dtype.str, part.chunks, part.plain, part.place, attrs


def _part(path: str, values: Any, access: FileAccess, file_size: int) -> Part | Folder | None:
    if values is None:
        return None
    if len(values) == 2:
        names, attrs = values
        return Folder(tuple(map(str, names)), dict(attrs))
    shape, type, chunks, plain, place, attrs = values
    dtype = np.dtype(type)
    if dtype.kind not in _TYPES:
        raise ValueError(f"{path} is of {dtype}")
    part = Part(
        f"/{path}",
        _sizes(shape),
        dtype,
        None if chunks is None else _sizes(chunks),
        bool(plain),
        None if place is None else index(place),
        dict(attrs),
        access.limits,
    )
    check_form(part, file_size)
    return part


def _sizes(numbers: list[Any]) -> tuple[int, ...]:
    sizes = tuple(map(index, numbers))
    if any(size < 0 for size in sizes):
        raise ValueError("a size is negative")
    return sizes
