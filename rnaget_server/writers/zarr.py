"""AnnData as Zarr: the files of a directory, or a zip archive of them, with the content of an h5ad file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import h5py
import numpy as np

from rnaget_server.errors import InvalidQuery
from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, FolderWriter
from rnaget_server.writers.h5ad import check_attributes, lay_out
from rnaget_server.writers.h5ad_cells import HELD
from rnaget_server.writers.sink import zipped
from rnaget_server.writers.skeleton import Gap

_METADATA = (".zgroup", ".zattrs", ".zarray", ".zmetadata", "zarr.json")
_ANNDATA = ("X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp")
_CHUNK_BYTES = 2 << 20
_CHUNK_TEXTS = 1 << 14
"""Zarr holds the texts of a chunk in half a dozen forms at once."""
_FORMAT: Final = 2  # what anndata writes by default, and every reader reads


class ZarrWriter(FolderWriter):
    """Writes what `H5adWriter` writes, as a directory, which is a zip archive where one file is asked for."""

    media_types = ("application/zip",)
    extension = "zarr.zip"
    groups = ("exports",)
    requires: ClassVar = {"zarr": "zarr"}
    parts = (*_METADATA, *_ANNDATA)

    def check(self, slice: Slice) -> None:
        """Refuse what h5ad refuses, and attributes that are called as the files of Zarr itself.

        Raises
        ------
        InvalidQuery
            If there are such attributes.
        """
        check_attributes(slice, "zarr")
        for name in (*slice.features.attributes, *slice.samples.attributes):
            if name in _METADATA:
                raise InvalidQuery(
                    f"Zarr keeps the name {name} to itself: rename the attribute, or take another format"
                )

    def write(self, slice: Slice) -> Body:
        """Return the files as a zip archive; its length is not known beforehand."""
        self.check(slice)
        return Body(zipped(self.files(slice), compressed=False), held=HELD + 8 * sum(slice.shape))

    def files(self, slice: Slice) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield each file, its path and its bytes: the chunks as the cells come, and what describes them at last."""
        from zarr import open_group
        from zarr.storage import MemoryStore

        files: dict[str, Any] = {}
        with (
            tempfile.TemporaryDirectory(prefix="rnaget-") as directory,
            h5py.File(Path(directory, "skeleton"), "w", libver=("earliest", "v110")) as skeleton,
        ):
            places = {place.offset: place for place in lay_out(slice, skeleton)}
            group = open_group(MemoryStore(files), mode="w", zarr_format=_FORMAT)
            for _ in _copied(skeleton, group, places):
                for path in [path for path in files if path.rpartition("/")[2] not in _METADATA]:
                    yield path, iter([files.pop(path).to_bytes()])
        for path in sorted(files):
            yield path, iter([files[path].to_bytes()])


def _copied(source: h5py.Group, target: Any, places: dict[int, Gap]) -> Iterator[None]:
    """Copy a group of HDF5 with all that is in it; yield whenever chunks have been written."""
    target.attrs.update(_attributes(source))
    # h5py would keep its lock while its items are gone through, and the thread of Zarr may have to wait for that.
    for name, item in list(source.items()):
        if isinstance(item, h5py.Group):
            yield from _copied(item, target.create_group(name), places)
            continue
        text = h5py.check_string_dtype(item.dtype) is not None
        array = target.create_array(
            name, shape=item.shape, dtype="str" if text else item.dtype, chunks=_chunk_shape(item)
        )
        array.attrs.update(_attributes(item))
        for place, cells in _blocks(item.asstr() if text else item, item, places):
            array[place] = cells
            yield


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for name, value in item.attrs.items()
    }


def _chunk_shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    if dataset.chunks or not dataset.shape:
        return tuple(dataset.chunks or ())
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return (max(1, min(dataset.shape[0], _CHUNK_TEXTS)), *dataset.shape[1:])
    row = max(1, math.prod(dataset.shape[1:])) * dataset.dtype.itemsize
    return (max(1, min(dataset.shape[0], _CHUNK_BYTES // row)), *dataset.shape[1:])


def _blocks(values: Any, dataset: h5py.Dataset, places: dict[int, Gap]) -> Iterator[tuple[Any, Any]]:
    """Yield the values of a dataset chunk by chunk, and where they are: what is not written in it from its place."""
    if dataset.chunks:
        yield from _chunks(dataset, places)
        return
    if not dataset.shape:
        yield (), values[()]
        return
    step = _chunk_shape(dataset)[0]
    # Not kept for the next dataset: what makes its bytes holds a panel of cells.
    place = places.pop(dataset.id.get_offset(), None)
    parts = None if place is None else _parts(place, step * dataset.dtype.itemsize)
    for start in range(0, dataset.shape[0], step):
        part = np.s_[start : start + step]
        yield part, values[part] if parts is None else np.frombuffer(next(parts), dataset.dtype)


def _chunks(dataset: h5py.Dataset, places: dict[int, Gap]) -> Iterator[tuple[Any, Any]]:
    chunks: list[Any] = []
    dataset.id.chunk_iter(chunks.append)
    for chunk in sorted(chunks, key=lambda chunk: chunk.chunk_offset):
        place = places.pop(chunk.byte_offset)
        cells = np.frombuffer(b"".join(_parts(place, place.size)), dataset.dtype).reshape(dataset.chunks)
        where = tuple(
            slice(start, min(start + size, end))
            for start, size, end in zip(chunk.chunk_offset, dataset.chunks, dataset.shape, strict=True)
        )
        yield where, cells[tuple(slice(part.stop - part.start) for part in where)]


def _parts(place: Gap, size: int) -> Iterator[bytes]:
    """Yield the bytes of a place, `size` at once and the rest at last."""
    held, left = bytearray(), place.size
    while left:
        piece = next(place.pieces)
        left -= len(piece)
        held += piece
        while len(held) >= size or (held and not left):
            yield bytes(held[:size])
            del held[:size]
