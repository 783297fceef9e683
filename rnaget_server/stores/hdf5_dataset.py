"""A dataset of an open HDF5 file, read within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from mmap import mmap
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5t
from numpy.typing import NDArray

from rnaget_server.model.text import from_utf8
from rnaget_server.storage.access import FileLimits
from rnaget_server.storage.local import LocalFile
from rnaget_server.storage.source import ByteSource
from rnaget_server.stores.chunk_check import ChunkCheck
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.text_lengths import ELEMENT_BYTES, stored_bytes, text_bytes

_ALWAYS = 256 << 20
# For each chunk that one call reads, however small it is, HDF5 takes about 4 KB.
_CHUNKS_AT_ONCE = 1 << 12
_REWRITE = "rewrite it with smaller ones, as by `h5repack -l {}:CHUNK=64x64 FILE NEW_FILE`, or set max_chunk_bytes"
_REPACK_LINE = "rewrite it with smaller ones, as by `h5repack -l {}:CHUNK=4096 FILE NEW_FILE`, or set max_chunk_bytes"


class Dataset:
    """A dataset whose data are in the file, in chunks of bounded size.

    Parameters
    ----------
    file, id
        The open file and the open dataset.
    name
        Its path in the file, for messages.
    descriptor
        The file as the system has it.
    limits
        The bounds of what is read.

    Raises
    ------
    UnfitFile
        If its data are in another file, its chunks are too large, or it is far larger than the file can hold.
    """

    def __init__(
        self, file: h5f.FileID, id: h5d.DatasetID, name: str, descriptor: ByteSource, limits: FileLimits
    ) -> None:
        self._file = file  # stays open with it
        self._descriptor = descriptor
        self.id = id
        self.name = name
        self.limits = limits
        self.shape: tuple[int, ...] = (0,) if id.shape is None else id.shape  # None is of a null dataspace
        self.dtype: np.dtype[Any] = id.dtype
        plist = id.get_create_plist()
        check_place(plist, name)
        chunked = plist.get_layout() == h5d.CHUNKED
        self.chunks: tuple[int, ...] | None = plist.get_chunk() if chunked else None
        self._cells: h5py.Dataset | None = None
        check_form(self, descriptor.size)
        self._chunk_check: ChunkCheck | None = None
        if self.chunks is not None and plist.get_nfilters():
            stored = ELEMENT_BYTES if self.dtype.kind == "O" else stored_bytes(id.get_type())
            self._chunk_check = ChunkCheck(id, name, plist, self.chunks, stored)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def attrs(self) -> Any:
        """The attributes, as h5py gives them."""
        return h5py.AttributeManager(self)

    @property
    def is_text(self) -> bool:
        """True for text of fixed or variable length."""
        return h5py.check_string_dtype(self.dtype) is not None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a part by half-open slices, one for each dimension from the first on.

        Raises
        ------
        UnfitFile
            If it is more than may be decoded at once.
        """
        slices = key if isinstance(key, tuple) else (key,)
        count = prod(len(range(*part.indices(size))) for part, size in zip(slices, self.shape, strict=False))
        self.check_count(count * prod(self.shape[len(slices) :]))
        if self._chunk_check is not None:
            self._chunk_check.check(slices)
        part = self._read(slices)
        self._descriptor.check_unchanged()
        return part

    def whole(self) -> NDArray[Any]:
        """Return all of it, text as objects or bytes.

        Raises
        ------
        UnfitFile
            If it is more than may be decoded at once.
        """
        self._check_whole()
        whole = self._read(())
        self._descriptor.check_unchanged()
        return whole

    def stored_chunk(self, start: tuple[int, ...]) -> tuple[int, bytes]:
        """Return the chunk that starts at a place: which filters it was stored without, and its bytes as stored.

        Raises
        ------
        OSError
            If more is stored for a chunk than it can have.
        """
        if self._chunk_check is not None:
            self._chunk_check.look()
        stored: tuple[int, bytes] = self.id.read_direct_chunk(start)
        self._descriptor.check_unchanged()
        return stored

    @property
    def offset(self) -> int:
        """The offset in the file at which a contiguous dataset starts.

        Raises
        ------
        OSError
            If it is in chunks, or not in the file at all.
        """
        offset = self.id.get_offset()
        if offset is None and self.size:
            raise OSError(f"{self.name} is not contiguous")
        self.check_count(self.size)
        return offset or 0

    @property
    def is_flat(self) -> bool:
        """True if its numbers lie in a local file as they are in memory: contiguous, aligned, and of its byte order."""
        place = self.id.get_offset()
        is_aligned = self.chunks is None and place is not None and place % self.dtype.itemsize == 0
        # There are floats that h5py has no type for: it reads them as larger ones.
        is_own = self.dtype.kind in "iuf" and self.dtype.isnative and h5t.py_create(self.dtype) == self.id.get_type()
        return is_aligned and is_own and isinstance(self._descriptor, LocalFile)

    def mapped(self) -> tuple[mmap, NDArray[Any]]:
        """Return the file in memory, and in it the numbers of a dataset that `is_flat`.

        Raises
        ------
        OSError
            If the file does not have all of them.
        """
        assert isinstance(self._descriptor, LocalFile)
        file, place = self._descriptor.mapped(), int(self.id.get_offset())
        if place + self.size * self.dtype.itemsize > len(file):
            raise OSError(f"the file does not have all of {self.name}")
        return file, np.frombuffer(file, self.dtype, self.size, place)

    def check_unchanged(self) -> None:
        """Refuse to go on with a file that was changed since it was opened.

        Raises
        ------
        OSError
            If it was.
        """
        self._descriptor.check_unchanged()

    def texts(self) -> NDArray[Any]:
        """Return a column of text of fixed or variable length as an object array of str."""
        self._check_whole()
        raw: list[bytes] = self._read(()).ravel().tolist()
        texts = np.empty(self.size, object)
        texts[:] = from_utf8(raw)
        self._descriptor.check_unchanged()
        return texts

    def member(self, name: str) -> NDArray[Any]:
        """Return one member of every element of a compound dataset, text as bytes.

        Raises
        ------
        UnfitFile
            If it is more than may be decoded at once.
        """
        self._check_whole(name)
        part: NDArray[Any] = self._opened.fields(name)[()]
        self._descriptor.check_unchanged()
        return part

    def check_count(self, count: int) -> None:
        """Refuse to read more elements at once than the limits allow.

        Raises
        ------
        UnfitFile
            If they are too many.
        """
        check_bytes(self.name, count * self.dtype.itemsize, self.limits)

    def _read(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part, or all, by no more chunks at once than take little memory."""
        if self.chunks is None or not self.size:
            return np.asarray(self._opened[slices])  # a single value comes as such
        ranges = [range(*part.indices(size)) for part, size in zip(slices, self.shape, strict=False)]
        ranges += map(range, self.shape[len(slices) :])
        across = prod(len(part) // chunk + 2 for part, chunk in zip(ranges[1:], self.chunks[1:], strict=True))
        step = max(1, _CHUNKS_AT_ONCE // across) * self.chunks[0]
        first = ranges[0]
        if len(first) <= step:
            return np.asarray(self._opened[slices])
        out = np.empty(tuple(map(len, ranges)), self._opened.dtype)
        for start in range(first.start, first.stop, step):
            stop = min(start + step, first.stop)
            out[start - first.start : stop - first.start] = self._opened[(slice(start, stop), *slices[1:])]
        return out

    @property
    def _opened(self) -> h5py.Dataset:
        if self._cells is None:
            self._cells = h5py.Dataset(self.id, readonly=True)
        return self._cells

    def _check_whole(self, member: str | None = None) -> None:
        self.check_count(self.size)
        if self._chunk_check is not None:
            self._chunk_check.check(())
        if (self.dtype if member is None else self.dtype[member]).kind != "O":
            return
        check_bytes(self.name, text_bytes(self.id, self._descriptor, member), self.limits)


@dataclass(frozen=True, slots=True)
class Part:
    """A dataset of the file, with what is needed to read it past HDF5.

    Attributes
    ----------
    name
        Its path in the file, for messages.
    shape, dtype, chunks
        Its form; no chunks if it is contiguous.
    plain
        Whether it is in chunks that Blosc alone has compressed.
    place
        Where a contiguous one starts; None if nothing of it is in the file.
    attrs
        Its attributes, of those that the layout names.
    limits
        The bounds of what is read.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    plain: bool
    place: int | None
    attrs: Mapping[str, Any]
    limits: FileLimits

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def offset(self) -> int:
        """The place where a contiguous one starts; see `Dataset.offset`."""
        if self.place is None and self.size:
            raise OSError(f"{self.name} is not contiguous")
        self.check_count(self.size)
        return self.place or 0

    def check_count(self, count: int) -> None:
        """Refuse to read more elements at once than the limits allow; see `Dataset.check_count`."""
        check_bytes(self.name, count * self.dtype.itemsize, self.limits)


class Member:
    """One member of the elements of a compound dataset, read as a column of its own."""

    def __init__(self, dataset: Dataset, member: str) -> None:
        self._dataset = dataset
        self._member = member
        self.name = f"{dataset.name}/{member}"
        self.shape = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype[member]
        self.attrs: Mapping[str, Any] = {}

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def is_text(self) -> bool:
        """True for text of fixed or variable length."""
        return h5py.check_string_dtype(self.dtype) is not None

    def whole(self) -> NDArray[Any]:
        """Return all of it, text as bytes."""
        return self._dataset.member(self._member)

    def texts(self) -> NDArray[Any]:
        """Return a column of text as an object array of str."""
        values: list[bytes | str] = self.whole().tolist()
        texts = np.empty(len(values), object)
        texts[:] = [value if isinstance(value, str) else value.decode("utf-8", "replace") for value in values]
        return texts


def check_form(part: Dataset | Part, file_size: int) -> None:
    """Refuse a dataset whose chunks are too large, or that is far larger than a file of so many bytes can hold.

    Raises
    ------
    UnfitFile
        If it is.
    """
    itemsize, limits = part.dtype.itemsize, part.limits
    chunk = prod(part.chunks or ()) * itemsize
    if part.chunks is not None and chunk > limits.chunk_bytes:
        advice = (_REWRITE if part.ndim == 2 else _REPACK_LINE).format(part.name.strip("/"))
        raise UnfitFile(
            f"has {part.name} in chunks of {shown_bytes(chunk)}, and at most {shown_bytes(limits.chunk_bytes)} "
            f"are decoded at once: {advice}"
        )
    decoded = part.size * itemsize
    if decoded > _ALWAYS and decoded > limits.expansion * file_size:
        raise UnfitFile(
            f"says that {part.name} has {shown_bytes(decoded)}, more than {limits.expansion:,} times what the file "
            "has: store it sparse, leave it out, or set max_expansion"
        )


def check_bytes(name: str, size: int, limits: FileLimits) -> None:
    """Refuse to read more bytes of a dataset at once than the limits allow.

    Raises
    ------
    UnfitFile
        If they are too many.
    """
    if size > limits.column_bytes:
        raise UnfitFile(
            f"needs {shown_bytes(size)} of {name} at once, and at most {shown_bytes(limits.column_bytes)} "
            "are read: shorten or split it, or set max_column_bytes"
        )


def check_place(plist: h5p.PropDCID, name: str) -> None:
    """Refuse a dataset whose data are in another file, by how it was created.

    Raises
    ------
    UnfitFile
        If they are.
    """
    if plist.get_layout() == h5d.VIRTUAL:
        raise outside(name, "a virtual dataset")
    if plist.get_external_count():
        raise outside(name, "external storage")


def outside(name: str, reason: str) -> UnfitFile:
    """Return the refusal of an object that is not in the file."""
    return UnfitFile(
        f"has {name} outside of the file ({reason}): put the data themselves in its place, in Python by "
        "`data = file[NAME][()]; del file[NAME]; file[NAME] = data`"
    )


def shown_bytes(size: int) -> str:
    """Return a size in words, such as ``1,024 MiB``."""
    return f"{size / (1 << 20):,.0f} MiB" if size >= 1 << 20 else f"{size:,} bytes"
