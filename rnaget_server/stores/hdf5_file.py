"""The one way to open an HDF5 file for reading: nothing outside of the file can be reached through it.

HDF5 files can name other files, in external links, virtual datasets and external storage, and the library follows
them without a word. Here every step of a path is looked at before it is taken, and every dataset before it is read,
whenever that is, since a file may change while it is open.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import h5py
import hdf5plugin  # noqa: F401  (registers the filters that files may have been written with)
from h5py import h5d, h5f, h5g, h5i, h5l, h5o, h5r

from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.storage.local import FileVersion, LocalFile, is_stand_in
from rnaget_server.storage.places import open_file
from rnaget_server.storage.source import OpenFile
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import Dataset, check_place, outside
from rnaget_server.stores.source_reader import SourceReader

_Store = TypeVar("_Store")
_Parameters = ParamSpec("_Parameters")

_MOST_HOPS = 8
_MOST_OBJECTS = 100_000
_MOST_DEPTH = 32
# The least that a feature or sample takes in memory while labels are looked up.
_MEMBER_BYTES = 8

_OUTSIDE = {h5l.TYPE_EXTERNAL: "an external link"}


class _Source:
    """The state that the groups of one open file share: the file, its limits, and where soft links may lead."""

    def __init__(
        self, path: Path, id: h5f.FileID, descriptor: OpenFile, inside: tuple[str, ...], access: FileAccess
    ) -> None:
        self.path = path
        self.id = id
        self.descriptor = descriptor
        self.inside = inside
        self.access = access
        self.root: h5g.GroupID = h5o.open(id, b"/")
        self.number = self.root.fileno
        # The paths in the file, once all links in it were looked at and none of them is soft.
        self.plain: frozenset[bytes] = frozenset()


class Group:
    """A group of an open file."""

    def __init__(self, source: _Source, id: h5g.GroupID, path: tuple[str, ...]) -> None:
        self._source = source
        self._path = path
        self.id = id

    @property
    def name(self) -> str:
        """The path in the file, from its root."""
        return "/" + "/".join(self._path)

    @property
    def attrs(self) -> Any:
        """The attributes, as h5py gives them."""
        return h5py.AttributeManager(self)

    @property
    def limits(self) -> FileLimits:
        """The bounds of what is read."""
        return self._source.access.limits

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._source.path

    @property
    def inside(self) -> tuple[str, ...]:
        """The names in the root group to which soft links may lead; see `File`."""
        return self._source.inside

    @property
    def version(self) -> FileVersion:
        """The state of the file when it was opened."""
        return self._source.descriptor.version

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the group."""
        return iter([_text(name) for name in self.id])

    def __len__(self) -> int:
        """Return the number of names in the group."""
        return int(self.id.get_num_objs())

    def __contains__(self, name: str) -> bool:
        """Return whether anything has this name, in this file or another."""
        parent, _, last = name.rpartition("/")
        group = self.get(parent) if parent else self
        return isinstance(group, Group) and bool(group.id.links.exists(_bytes(last)))

    def get(self, path: str) -> Group | Dataset | None:
        """Return the group or dataset at a path below this one; None if there is none, or it is a mere type.

        Raises
        ------
        UnfitFile
            If it is outside of the file, or a soft link leads away from where the format has its data.
        """
        return self._open(_parts(path))

    def items(self) -> Iterator[tuple[str, Group | Dataset]]:
        """Yield the names in the group, and what they name."""
        for name in self:
            item = self._open([name])
            if item is not None:
                yield name, item

    def group(self, path: str) -> Group:
        """Return the group at a path.

        Raises
        ------
        OSError
            If there is none.
        """
        item = self.get(path)
        if not isinstance(item, Group):
            raise OSError(f"there is no group {self._below(path)}")
        return item

    def dataset(self, path: str) -> Dataset:
        """Return the dataset at a path.

        Raises
        ------
        OSError
            If there is none.
        """
        item = self.get(path)
        if not isinstance(item, Dataset):
            raise OSError(f"there is no dataset {self._below(path)}")
        return item

    def dereferenced(self, reference: h5py.Reference) -> Group | Dataset:
        """Return what an object reference refers to.

        Raises
        ------
        OSError
            If that is nowhere, or not where the format has its data.
        """
        try:
            id = h5r.dereference(reference, self._source.id)
        except (RuntimeError, ValueError, KeyError):
            raise OSError("a reference leads nowhere") from None
        path = _parts(_text(h5i.get_name(id) or b""))
        if not path or path[0] not in self._source.inside:
            raise _leaving(f"/{'/'.join(path)}", "a reference", self._source.inside)
        item = self._checked(id, tuple(path))
        if item is None:
            raise OSError("a reference leads to a mere type")
        return item

    def check_axis(self, size: int, kind: str) -> None:
        """Refuse more features or samples than labels of them may be held in memory.

        Raises
        ------
        UnfitFile
            If there are too many.
        """
        check_axis(size, kind, self.limits)

    def _below(self, path: str) -> str:
        return "/" + "/".join([*self._path, *_parts(path)])

    def _open(self, parts: list[str]) -> Group | Dataset | None:
        """Open what is at `parts` below this group, looking at every link before it is taken."""
        source, node, at, left = self._source, self.id, list(self._path), list(parts)
        path, hops = "/" + "/".join([*self._path, *parts]), 0
        if _bytes(path[1:]) in source.plain:  # in one step
            return self._checked(h5o.open(source.root, _bytes(path)), (*at, *left))
        while left:
            name = left.pop(0)
            link = _link(node, name)
            if link == h5l.TYPE_SOFT:
                hops += 1
                target = _text(node.links.get_val(_bytes(name)))
                left = [*([] if target.startswith("/") else at), *_parts(target), *left]
                node, at = source.root, []
                if hops > _MOST_HOPS:
                    raise _leaving(path, "soft links without end", source.inside)
            elif link == h5l.TYPE_HARD:
                at.append(name)
                node = h5o.open(node, _bytes(name))
                if left and not isinstance(node, h5g.GroupID):
                    return None
            elif link is not None:
                raise outside("/" + "/".join([*at, name]), _OUTSIDE.get(link, "a user-defined link"))
            elif hops:
                raise _leaving(path, "a soft link to nothing", source.inside)
            else:
                return None
        if hops and at[:1] not in ([name] for name in source.inside or _parts(path)[:1]):
            raise _leaving(path, "a soft link", source.inside)
        return self._checked(node, tuple(at))

    def _checked(self, id: Any, path: tuple[str, ...]) -> Group | Dataset | None:
        """Return what was opened, if it is in this file."""
        if id.fileno != self._source.number:  # the file changed between two looks
            raise outside("/" + "/".join(path), "an external link")
        if isinstance(id, h5g.GroupID):
            return Group(self._source, id, path)
        if isinstance(id, h5d.DatasetID):
            name = "/" + "/".join(path)
            return Dataset(self._source.id, id, name, self._source.descriptor, self._source.access.limits)
        return None


class File(Group):
    """An open file, which is its root group. It closes with its last user, or as a context."""

    def __init__(self, path: Path, inside: Sequence[str] = (), access: FileAccess | None = None) -> None:
        """Open a file.

        Parameters
        ----------
        path
            The file.
        inside
            The names in the root group where the format has its data: soft links may lead there. None given: a soft
            link may lead to where it is.
        access
            Bounds, and memory for what is read again.

        Raises
        ------
        OSError
            If it is no HDF5 file, or no file.
        """
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait without end
            raise UnfitFile("is no regular file: copy what it gives to one")
        self._h5py, descriptor = _opened_far(path) if is_stand_in(status) else _opened(path)
        source = _Source(path, self._h5py.id, descriptor, tuple(inside), access or FileAccess())
        super().__init__(source, source.root, ())

    @property
    def access(self) -> FileAccess:
        """The bounds and the memory that it was opened with."""
        return self._source.access

    @property
    def descriptor(self) -> OpenFile:
        """The open file as the system has it."""
        return self._source.descriptor

    def __enter__(self) -> File:
        """Return the file."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Let the file go, which closes it with its last reference; after an error, which would keep it, at once."""
        # To close it, h5py looks through all that is open in the process: of thousands of files, this takes longest.
        if kind is not None:
            self.close()

    def close(self) -> None:
        """Close the file for all that read it."""
        self._h5py.close()

    def check_links(self) -> list[bytes]:
        """Look at every link in the file, and return the paths of what is in it.

        Raises
        ------
        UnfitFile
            If a link leads to another file, or there are too many of them.
        """
        names: list[bytes] = []
        soft: list[bytes] = []
        other: list[tuple[bytes, int]] = []

        def look(name: bytes, info: Any) -> bool | None:
            if info.type == h5l.TYPE_HARD:
                names.append(name)
            elif info.type == h5l.TYPE_SOFT:
                soft.append(name)
            else:
                other.append((name, info.type))
            return True if other or len(names) > _MOST_OBJECTS or name.count(b"/") > _MOST_DEPTH else None

        stopped = self.id.links.visit(look, info=True)
        for name, kind in other:
            raise outside(f"/{_text(name)}", _OUTSIDE.get(kind, "a user-defined link"))
        if stopped:
            raise UnfitFile(
                f"has more than {_MOST_OBJECTS:,} objects, or groups within more than {_MOST_DEPTH} groups: leave out "
                "what is no part of the matrix"
            )
        if not soft:
            self._source.plain = frozenset(names)
        return names


def closes_on_failure(
    init: Callable[Concatenate[_Store, _Parameters], None],
) -> Callable[Concatenate[_Store, _Parameters], None]:
    """Return the constructor of a store that closes the files it opened if it fails.

    The error would keep them open else, for as long as anything refers to it.
    """

    @wraps(init)
    def construct(self: _Store, /, *arguments: _Parameters.args, **named: _Parameters.kwargs) -> None:
        try:
            init(self, *arguments, **named)
        except BaseException:
            for value in vars(self).values():
                getattr(value, "close", lambda: None)()
            raise

    return construct


def check_axis(size: int, kind: str, limits: FileLimits) -> None:
    """Refuse more features or samples than labels of them may be held in memory; see `Group.check_axis`."""
    limit = limits.column_bytes // _MEMBER_BYTES
    if size > limit:
        raise UnfitFile(
            f"says that it has {size:,} {kind}s, and at most {limit:,} are read: split it, or set "
            "max_column_bytes to eight bytes for each"
        )


def check_file(path: Path) -> None:
    """Refuse a file with anything in it that leads to another file.

    Raises
    ------
    OSError
        If it is no HDF5 file; an `UnfitFile` if something in it leads out of it.
    """
    with File(path) as file:
        for name in file.check_links():
            id = h5o.open(file.id, name)
            if isinstance(id, h5d.DatasetID):
                check_place(id.get_create_plist(), f"/{_text(name)}")


def _opened(path: Path) -> tuple[h5py.File, OpenFile]:
    file = h5py.File(path, "r", locking=False)
    # The same open file as HDF5's, so that a file put in its place meanwhile is not taken for it.
    return file, LocalFile(os.dup(file.id.get_vfd_handle()))


def _opened_far(path: Path) -> tuple[h5py.File, OpenFile]:
    descriptor = open_file(path)
    return h5py.File(SourceReader(descriptor), "r"), descriptor


def _leaving(path: str, reason: str, inside: tuple[str, ...]) -> UnfitFile:
    where = f" than {', '.join(f'/{name}' for name in inside)}" if inside else ""
    return UnfitFile(f"has {path} elsewhere{where} ({reason}): put a hard link or a copy of the data in its place")


def _link(group: h5g.GroupID, name: str) -> int | None:
    """Return the type of a link, None if there is none of this name."""
    links = group.links
    return int(links.get_info(_bytes(name)).type) if links.exists(_bytes(name)) else None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part and part != "."]


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
