"""Loom 2.0.1, as loompy 2 and 3 both read it, streamed with its length known from the start.

HDF5 lays the file out with the matrices allocated and never written; the head, the cells and the tail are then
sent in the order of their offsets, the cells straight from the store. Memory stays bounded, and nothing but the
small skeleton is ever written to disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores import layout
from rnaget_server.stores.text import encode, encode_all, padding, write_padded
from rnaget_server.writers.base import Body, Labels, LayerInfo, Slice

_PIECE = 1 << 20


class LoomWriter:
    """Writes every layer: the main one as ``/matrix``, further units under ``/layers``."""

    media_types = ("application/vnd.loom",)
    extension = "loom"
    groups = ("expressions", "continuous")
    requires: ClassVar[Mapping[str, str]] = {}

    def check(self, slice: Slice) -> None:
        """Accept every slice."""

    def write(self, slice: Slice) -> Body:
        """Return the slice as a loom file and its exact length."""
        with tempfile.TemporaryDirectory(prefix="rnaget-") as directory:
            path = Path(directory) / "skeleton"
            places = _skeleton(path, slice)
            skeleton = path.open("rb")
        length = skeleton.seek(0, 2)
        return Body(_stream(skeleton, length, places), length, skeleton.close)


def _skeleton(path: Path, slice: Slice) -> list[tuple[int, int, LayerInfo]]:
    """Write everything but the cells; return (offset, bytes, layer) of where the cells go, by offset."""
    with h5py.File(path, "w", libver=("earliest", "v110")) as file:
        for key, value in {"LOOM_SPEC_VERSION": layout.LOOM_VERSION, **slice.origin}.items():
            file.attrs[key] = np.bytes_(encode(value))
        further = file.create_group(layout.LAYERS)
        _write_axis(file, layout.FEATURES, slice.features)
        _write_axis(file, layout.SAMPLES, slice.samples)
        datasets = [
            (_allocate(further if number else file, layer, number, slice.shape), layer)
            for number, layer in enumerate(slice.layers)
        ]
        return sorted(
            ((dataset.id.get_offset(), dataset.id.get_storage_size(), layer) for dataset, layer in datasets),
            key=lambda place: place[0],
        )


def _allocate(group: h5py.Group, layer: LayerInfo, number: int, shape: tuple[int, int]) -> h5py.Dataset:
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_layout(h5py.h5d.CONTIGUOUS)
    created.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    created.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    name = layout.link_name(group, layer.units) if number else layout.MATRIX
    kind = h5py.h5t.py_create(layer.dtype.newbyteorder("<"))
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, space, dcpl=created))
    dataset.attrs[layout.UNITS] = np.bytes_(encode(layer.units))
    return dataset


def _write_axis(file: h5py.File, axis: layout.AxisLayout, labels: Labels) -> None:
    group = file.create_group(axis.attributes)
    file.create_group(axis.graphs)
    for name in labels.attributes:
        values = labels.column(name)
        link = layout.link_name(group, name)
        if values.dtype.kind in "ifS":
            group.create_dataset(link, data=values)
            continue
        width, wasteful = padding(values)
        if wasteful:
            write_padded(group, link, values, width)
        else:
            group.create_dataset(link, data=encode_all(values))


def _stream(skeleton: BinaryIO, length: int, places: list[tuple[int, int, LayerInfo]]) -> Iterator[bytes]:
    with skeleton:
        at = 0
        for offset, size, layer in places:
            yield from _copied(skeleton, at, offset)
            for block in layer.blocks():
                yield _bytes_of(block, layer.dtype)
            at = offset + size
        yield from _copied(skeleton, at, length)


def _copied(skeleton: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    skeleton.seek(start)
    while start < stop:
        piece = skeleton.read(min(_PIECE, stop - start))
        start += len(piece)
        yield piece


def _bytes_of(block: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    return block.astype(dtype.newbyteorder("<"), order="C", copy=False).tobytes()
