"""The bytes of a column of variable-length texts, counted without reading a text.

An element is stored as the length of a text and the place of its bytes, and many may have the same place: a file of
some megabytes can have terabytes of text. So the elements themselves are read first, as plain bytes.
"""

from __future__ import annotations

import os
from math import prod
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5i, h5p, h5s, h5t
from numpy.typing import NDArray

_ELEMENT = np.dtype([("length", "<u4"), ("place", "V12")])
ELEMENT_BYTES = _ELEMENT.itemsize
"""Bytes of an element in a file."""


def text_bytes(dataset: h5d.DatasetID) -> int:
    """Return the bytes of all texts of a dataset together.

    Raises
    ------
    OSError
        If the file is cut off, or it is so small a dataset that it is stored in its own header, where nothing can be
        known before it is read.
    """
    count = prod(dataset.shape)
    if not count or not dataset.get_storage_size():
        return 0
    kind = dataset.get_create_plist().get_layout()
    if kind == h5d.CHUNKED:
        elements = _chunked(dataset)
    elif kind == h5d.CONTIGUOUS:
        elements = _contiguous(dataset, count)
    else:
        raise OSError("text of variable length is stored compact: write the file anew, with chunks or contiguous")
    return int(elements["length"].sum(dtype=np.int64))


def _contiguous(dataset: h5d.DatasetID, count: int) -> NDArray[Any]:
    size = count * _ELEMENT.itemsize
    data = os.pread(h5i.get_file_id(dataset).get_vfd_handle(), size, dataset.get_offset())
    if len(data) < size:
        raise OSError("the file is cut off")
    return np.frombuffer(data, _ELEMENT)


def _chunked(dataset: h5d.DatasetID) -> NDArray[Any]:
    """Return the elements out of a copy in memory that takes the chunks as they are, and has no texts."""
    with h5py.File("elements", "w", driver="core", backing_store=False) as file:
        opaque = h5t.create(h5t.OPAQUE, _ELEMENT.itemsize)
        copy = h5d.create(
            file.id, b"elements", opaque, h5s.create_simple(dataset.shape), dcpl=_like(dataset.get_create_plist())
        )
        for number in range(dataset.get_num_chunks()):
            start = dataset.get_chunk_info(number).chunk_offset
            mask, data = dataset.read_direct_chunk(start)
            copy.write_direct_chunk(start, data, mask)
        elements = np.zeros(dataset.shape, "V16")
        copy.read(h5s.ALL, h5s.ALL, elements, opaque)
    return elements.view(_ELEMENT)


def _like(plist: h5p.PropDCID) -> h5p.PropDCID:
    """Return the chunks and filters of a dataset, without what it is filled with."""
    copy = h5p.create(h5p.DATASET_CREATE)
    copy.set_chunk(plist.get_chunk())
    for number in range(plist.get_nfilters()):
        code, flags, values, _ = plist.get_filter(number)
        copy.set_filter(code, flags, values)
    return copy
