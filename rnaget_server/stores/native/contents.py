"""The contents of a native file as HDF5 names them, kept for a while: known ones are not asked for again.

To open a file by HDF5 and to look up what a store needs takes a hundred times as long as to open it by the system, and
all that is read of a native file is read past HDF5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import getsizeof
from typing import Any

from h5py import h5a

from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.local import FileVersion, version_at
from rnaget_server.storage.places import open_file
from rnaget_server.storage.source import OpenFile
from rnaget_server.stores import layout
from rnaget_server.stores.chunk_reader import is_only_blosc
from rnaget_server.stores.hdf5_dataset import Dataset, Part
from rnaget_server.stores.hdf5_file import File, Group

# Those of a part without its attributes and names.
_PART_BYTES = 300
_ATTRIBUTES = tuple(name.encode() for name in (layout.UNITS, layout.WHOLE, layout.NAME, layout.ORDER, layout.FRAME))


@dataclass(frozen=True, slots=True)
class Folder:
    """A group of the file: the names in it, and its attributes, of those that the layout names."""

    names: Sequence[str]
    attrs: Mapping[str, Any]


class Contents:
    """The parts of an open native file.

    Parameters
    ----------
    path
        The file.
    inside
        See `File`.
    kind
        The kind of store that it has to be.
    access
        Bounds, and memory for what is asked for again.

    Raises
    ------
    OSError
        If it is no such store.
    """

    def __init__(self, path: Path, inside: Sequence[str], kind: layout.Kind, access: FileAccess | None) -> None:
        self.access = access or FileAccess()
        self._open = path, inside
        self._file: File | None = None
        version = version_at(path)
        self._key = path, version, kind
        if self.access.contents.of(self._key) is not None:
            self.descriptor: OpenFile = open_file(path)
            if self.descriptor.version == version:
                return
            self.descriptor.close()
        self._file = File(path, inside, self.access)
        self.descriptor = self._file.descriptor
        try:
            if self._file.attrs.get(kind.attribute) != kind.version:
                raise OSError("the file is no native store of this version")
            self._file.check_links()
        except BaseException:
            self.close()
            raise
        self._key = path, self.descriptor.version, kind

    def close(self) -> None:
        """Close the file for all that read it."""
        if self._file is not None:
            self._file.close()
        self.descriptor.close()

    @property
    def file(self) -> File:
        """The file by HDF5.

        Raises
        ------
        OSError
            If another file is in its place by now.
        """
        if self._file is None:
            path, inside = self._open
            file = File(path, inside, self.access)
            if file.descriptor.version != self.descriptor.version:
                file.close()
                raise OSError("the file was replaced since it was opened")
            self._file = file
        return self._file

    def get(self, path: str) -> Part | Folder | None:
        """Return what is at a path; see `Group.get`."""
        known = self.access.contents.of(self._key)
        if known is not None and path in known:
            found: Part | Folder | None = known[path]
            return found
        item = self.file.get(path)
        if item is None:
            found = None
        else:
            found = Folder(tuple(item), _attributes(item)) if isinstance(item, Group) else _part(item)
        keep(self.access, self._key, path, found)
        return found

    def folder(self, path: str) -> Folder:
        """Return the group at a path; see `Group.group`."""
        item = self.get(path)
        if not isinstance(item, Folder):
            raise OSError(f"there is no group /{path}")
        return item

    def part(self, path: str) -> Part:
        """Return the dataset at a path; see `Group.dataset`."""
        item = self.get(path)
        if not isinstance(item, Part):
            raise OSError(f"there is no dataset /{path}")
        return item

    def parts(self, folder: str) -> Iterator[tuple[str, Part]]:
        """Yield the names of the datasets in a group, and these."""
        for name in self.folder(folder).names:
            item = self.get(f"{folder}/{name}")
            if isinstance(item, Part):
                yield name, item


def keep(
    access: FileAccess, file: tuple[Path, FileVersion, layout.Kind], path: str, part: Part | Folder | None
) -> None:
    """Keep what is at a path of a file for known."""
    access.contents.add(file, path, part, _nbytes(part))


def _nbytes(part: Part | Folder | None) -> int:
    texts = (
        () if part is None else (*part.attrs, *part.attrs.values(), *(part.names if isinstance(part, Folder) else ()))
    )
    return _PART_BYTES + sum(map(getsizeof, texts))


def _part(dataset: Dataset) -> Part:
    return Part(
        dataset.name,
        dataset.shape,
        dataset.dtype,
        dataset.chunks,
        is_only_blosc(dataset),
        dataset.id.get_offset() if dataset.chunks is None else None,
        _attributes(dataset),
        dataset.limits,
    )


def _attributes(item: Group | Dataset) -> dict[str, Any]:
    if not h5a.get_num_attrs(item.id):
        return {}
    return {name.decode(): item.attrs[name.decode()] for name in _ATTRIBUTES if h5a.exists(item.id, name)}
