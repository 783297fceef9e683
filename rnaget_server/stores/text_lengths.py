"""The bytes of a column of variable-length texts, counted without reading a text.

An element is stored as the length of a text and the place of its bytes, and many may have the same place: a file of
some megabytes can have terabytes of text. So the elements themselves are read first, as plain bytes.
"""

from __future__ import annotations

from math import prod
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from rnaget_server.storage.source import ByteSource

_ELEMENT = np.dtype([("length", "<u4"), ("place", "V12")])
ELEMENT_BYTES = _ELEMENT.itemsize
"""Bytes of an element in a file."""


def stored_bytes(kind: h5t.TypeID) -> int:
    """Return the bytes of a value of this type in a file, where a text of variable length takes `ELEMENT_BYTES`."""
    return int(kind.get_size()) + _growth(kind)


def text_bytes(dataset: h5d.DatasetID, file: ByteSource, member: str | None = None) -> int:
    """Return the bytes of all texts of a dataset together, or of those of one member of its compound type.

    Raises
    ------
    OSError
        If the file is cut off, or it is so small a dataset that it is stored in its own header, where nothing can be
        known before it is read.
    """
    count = prod(dataset.shape)
    if not count or not dataset.get_storage_size():
        return 0
    element = _ELEMENT if member is None else _element_with(dataset.get_type(), member)
    kind = dataset.get_create_plist().get_layout()
    if kind == h5d.CHUNKED:
        elements = _chunked(dataset, element)
    elif kind == h5d.CONTIGUOUS:
        elements = _contiguous(dataset, file, count, element)
    else:
        raise OSError("text of variable length is stored compact: write the file again, with chunks or contiguous")
    return int(elements["length"].sum(dtype=np.int64))


def _growth(kind: h5t.TypeID) -> int:
    """Return by how much a value is larger in a file than in memory, where a text is a mere pointer."""
    if isinstance(kind, h5t.TypeCompoundID):
        return sum(_growth(kind.get_member_type(number)) for number in range(kind.get_nmembers()))
    if isinstance(kind, h5t.TypeArrayID):
        return int(prod(kind.get_array_dims())) * _growth(kind.get_super())
    if isinstance(kind, h5t.TypeVlenID) or (isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()):
        return ELEMENT_BYTES - int(kind.get_size())
    return 0


def _element_with(kind: h5t.TypeCompoundID, member: str) -> np.dtype[Any]:
    """Return the type of an element as it is stored, of which only the length of one text matters."""
    wanted = kind.get_member_index(member.encode())
    place = kind.get_member_offset(wanted)
    earlier = [number for number in range(kind.get_nmembers()) if kind.get_member_offset(number) < place]
    place += sum(_growth(kind.get_member_type(number)) for number in earlier)
    layout: Any = {"names": ["length"], "formats": ["<u4"], "offsets": [place], "itemsize": stored_bytes(kind)}
    element: np.dtype[Any] = np.dtype(layout)
    return element


def _contiguous(dataset: h5d.DatasetID, file: ByteSource, count: int, element: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(file.read_kept(dataset.get_offset(), count * element.itemsize), element)


def _chunked(dataset: h5d.DatasetID, element: np.dtype[Any]) -> NDArray[Any]:
    """Return the elements out of a copy in memory that takes the chunks as they are, and has no texts."""
    with h5py.File("elements", "w", driver="core", backing_store=False) as file:
        opaque = h5t.create(h5t.OPAQUE, element.itemsize)
        copy = h5d.create(
            file.id, b"elements", opaque, h5s.create_simple(dataset.shape), dcpl=_like(dataset.get_create_plist())
        )
        for number in range(dataset.get_num_chunks()):
            start = dataset.get_chunk_info(number).chunk_offset
            mask, data = dataset.read_direct_chunk(start)
            copy.write_direct_chunk(start, data, mask)
        elements = np.zeros(dataset.shape, f"V{element.itemsize}")
        copy.read(h5s.ALL, h5s.ALL, elements, opaque)
    return elements.view(element)


def _like(plist: h5p.PropDCID) -> h5p.PropDCID:
    """Return the chunks and filters of a dataset, without what it is filled with."""
    copy = h5p.create(h5p.DATASET_CREATE)
    copy.set_chunk(plist.get_chunk())
    for number in range(plist.get_nfilters()):
        code, flags, values, _ = plist.get_filter(number)
        copy.set_filter(code, flags, values)
    return copy
