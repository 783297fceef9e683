"""The directory on this machine that stands for a catalogue in object storage; see `storage.places`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from rnaget_server.storage.disk_cache import DiskCache, private_directory
from rnaget_server.storage.files import new_temporary
from rnaget_server.storage.local import PLACE, STAND_IN, LocalFile
from rnaget_server.storage.objects.blocks import Blocks
from rnaget_server.storage.objects.client import Client, Listed
from rnaget_server.storage.objects.failures import ObjectFailure, ObjectGone
from rnaget_server.storage.objects.remote import RemoteFile

PUBLISHED = "rnaget-published.json"
"""The object that says what was published last; where it is, it changes with any other."""

CLAIM = "rnaget-publishing.json"
"""The object that is there while somebody publishes."""

_MAGIC = b"RNAGET object\n"
_TAGS, _STALE = "tags.json", "stale"
# As fast read whole as in part.
_LEAST = 1 << 10
_MOST_SAID = 16 << 10
_OF_SERVICE = 1 << 20
_BILLION = 10**9
_OPENING = threading.Lock()


@dataclass(frozen=True)
class Place:
    """A catalogue in object storage, and how it is read.

    Attributes
    ----------
    url
        Where it is.
    seconds
        How long a request may take, with its repetitions.
    cache_bytes
        Most bytes of blocks that are kept on the disk, of all catalogues together.
    """

    url: str
    seconds: float
    cache_bytes: int


class Mirror:
    """The directory of one catalogue, shared by the processes of this machine.

    Parameters
    ----------
    home
        What holds it, and what is known of the objects.
    place
        The catalogue.

    Attributes
    ----------
    data
        The directory of the catalogue.
    """

    def __init__(self, home: Path, place: Place) -> None:
        self.home = home
        self.place = place
        self.data = home / "data"
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._blocks: Blocks | None = None

    @property
    def client(self) -> Client:
        """The client of the place; made in the process that uses it."""
        with self._lock:
            if self._client is None:
                self._client = Client(self.place.url, self.place.seconds)
            return self._client

    @property
    def blocks(self) -> Blocks:
        """The blocks that are kept of the objects."""
        with self._lock:
            if self._blocks is None:
                self._blocks = Blocks(DiskCache(self.home.parent / "blocks", self.place.cache_bytes))
            return self._blocks

    @property
    def tags(self) -> dict[str, str]:
        """The entity tags of the objects by their keys, as they were when they were listed last."""
        tags: dict[str, str] = self._state().get("tags", {})
        return tags

    def update(self, wait: bool = False) -> None:
        """Take over what has changed in the place; if another process does that now, only `wait` waits for it.

        Raises
        ------
        ObjectFailure
            If the place cannot be asked; what is there stays.
        """
        with self._alone(wait) as is_alone:
            if is_alone:
                self._update()

    def _update(self) -> None:
        state = self._state()
        stale = self.home / _STALE
        mark: str | None = state.get("mark")
        try:
            found = self.client.whole(PUBLISHED, None if stale.exists() else mark)
            if found is None and self.data.is_dir():
                return
            mark = found[1] if found is not None else mark
        except ObjectGone:
            mark = None
        stale.unlink(missing_ok=True)
        try:
            self._take_over(mark, state.get("tags", {}))
        except BaseException:
            # Else what is missed would not be listed until it is missed again.
            self.missed()
            raise

    def _take_over(self, mark: str | None, known: Mapping[str, str]) -> None:
        listing = {key: listed for key, listed in self.client.listing().items() if _is_of_catalog(key)}
        self.data.mkdir(exist_ok=True)
        changed = [key for key in listing if known.get(key) != listing[key].tag or not (self.data / key).exists()]
        gone = known.keys() - listing.keys()
        tags = {key: known[key] for key in listing if key in known}
        whole = [key for key in changed if self._is_read_whole(key, listing[key])]
        for key in sorted(set(changed) - set(whole)):
            self._stand_in(key, listing[key])
            tags[key] = listing[key].tag
        texts = list(self.client.threads.map(self._text, whole))
        for key, text in sorted(zip(whole, texts, strict=True), key=lambda pair: yaml_last(pair[0])):
            if text is not None:
                self._write(key, text[0], listing[key].modified * _BILLION + _nanoseconds(text[1]))
                tags[key] = text[1]
        for key in gone:
            self._remove(key)
        _replace(self.home / _TAGS, json.dumps({"mark": mark, "tags": tags}).encode())

    def _said(self, key: str, listed: Listed) -> bytes:
        return _MAGIC + json.dumps({"home": str(self.home), "key": key, "tag": listed.tag}).encode() + b"\n"

    def _is_read_whole(self, key: str, listed: Listed) -> bool:
        """Return whether all of an object is on this machine: the catalogue itself, and small ones.

        A stand-in is as large as its object, and must hold where that is.
        """
        of_service = "/" not in key and listed.size <= _OF_SERVICE
        is_small = listed.size <= max(_LEAST, len(self._said(key, listed)))
        return is_yaml(key) or of_service or is_small

    def _text(self, key: str) -> tuple[bytes, str] | None:
        try:
            return self.client.whole(key)
        except ObjectGone:  # since it was listed
            return None

    def _write(self, key: str, data: bytes, modified: int) -> None:
        path = self._parent_of(key)
        temporary = new_temporary(path)
        temporary.write_bytes(data)
        os.utime(temporary, ns=(modified, modified))
        temporary.replace(path)

    def _stand_in(self, key: str, listed: Listed) -> None:
        path = self._parent_of(key)
        temporary = new_temporary(path)
        temporary.write_bytes(self._said(key, listed))
        os.truncate(temporary, listed.size)
        temporary.chmod(STAND_IN | 0o600)
        # The tag is in the part of the second, so that no two states of an object look the same.
        modified = listed.modified * _BILLION + _nanoseconds(listed.tag)
        os.utime(temporary, ns=(modified, modified))
        temporary.replace(path)

    def _parent_of(self, key: str) -> Path:
        path = self.data / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.rmtree(path)
        except OSError:
            raise ObjectFailure(
                f"{self.place.url} has objects below the object {key}: remove one or the others"
            ) from None
        return path

    def _remove(self, key: str) -> None:
        path = self.data / key
        with suppress(OSError):
            path.unlink()
            for parent in path.parents:
                if parent == self.data:
                    break
                parent.rmdir()  # not if something is in it

    def missed(self) -> None:
        """Note that an object is not what it was, so that all are listed when they are looked at next."""
        with suppress(OSError):
            (self.home / _STALE).touch()

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.home / _TAGS).read_bytes())
            return state
        except (OSError, ValueError):
            return {}

    @contextmanager
    def _alone(self, wait: bool) -> Iterator[bool]:
        with (self.home / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True


def opened_mirror(home: Path) -> Mirror:
    """Return the mirror of this process that a directory holds; its connections are shared by all who ask for it."""
    with _OPENING:
        return _mirror_in(home)


@cache
def _mirror_in(home: Path) -> Mirror:
    return Mirror(home, Place(**json.loads((home / PLACE).read_bytes())))


def forget_mirrors() -> None:
    """Open all mirrors again when they are asked for, as another process would."""
    with _OPENING:
        _mirror_in.cache_clear()


def make_mirror(place: Place, directory: Path) -> Mirror:
    """Return the mirror of a catalogue, which is made if need be, and as it is now.

    Parameters
    ----------
    place
        The catalogue.
    directory
        Where mirrors are.

    Raises
    ------
    OSError
        If the directory cannot be used, or the place cannot be asked.
    """
    home = private_directory(directory / hashlib.sha256(place.url.encode()).hexdigest()[:24])
    _replace(home / PLACE, json.dumps(asdict(place)).encode())
    forget_mirrors()
    mirror = opened_mirror(home)
    mirror.update(wait=True)
    return mirror


def open_object(file: LocalFile) -> RemoteFile:
    """Return the object that an open stand-in is for.

    Raises
    ------
    OSError
        If it is none.
    """
    mirror, key, tag = _said(file)
    try:
        return RemoteFile(mirror.client, key, tag, file.status(), mirror.blocks, mirror.missed)
    finally:
        file.close()


def said_tag(path: Path) -> str:
    """Return the entity tag of the object that a stand-in is for."""
    return _said(_opened(path))[2]


def fetched(path: Path) -> Path:
    """Return a copy on this machine of the object that the stand-in at a path is for.

    Raises
    ------
    OSError
        If it cannot be fetched.
    """
    stand_in = _opened(path)
    mirror, key, tag = _said(stand_in)
    start = hashlib.sha256(key.encode()).hexdigest()[:24]
    directory = mirror.home / "whole"
    directory.mkdir(exist_ok=True)
    target = directory / f"{start}-{hashlib.sha256(tag.encode()).hexdigest()[:24]}"
    if target.exists():
        return target
    with (directory / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            temporary = new_temporary(target)
            try:
                with temporary.open("wb") as copy:
                    open_object(stand_in).copy_to(copy.fileno())
                for old in directory.glob(f"{start}-*"):
                    old.unlink()
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    return target


def yaml_last(key: str) -> tuple[bool, int, str]:
    """Return what keys are sorted by for data to come first, then YAML, and that of the catalogue last."""
    return is_yaml(key), -key.count("/") if is_yaml(key) else 0, key


def is_yaml(key: str) -> bool:
    """Return whether an object is a file that the catalogue is read from."""
    return key.endswith((".yaml", ".yml"))


def _opened(path: Path) -> LocalFile:
    return LocalFile(os.open(path, os.O_RDONLY))


def _said(file: LocalFile) -> tuple[Mirror, str, str]:
    """Return what a stand-in says: the mirror it is in, and key and tag of its object."""
    text = file.read(0, min(file.size, _MOST_SAID))
    if not text.startswith(_MAGIC):
        raise OSError("the file has the sticky bit, and stands for no object: `chmod -t` takes it away")
    said = json.loads(text[len(_MAGIC) :].partition(b"\n")[0])
    return opened_mirror(Path(said["home"])), said["key"], said["tag"]


def _is_of_catalog(key: str) -> bool:
    """Return whether an object is a file of a catalogue: no file of it or of a directory above it is hidden."""
    parts = PurePosixPath(key).parts
    is_plain = "/".join(parts) == key and key.isprintable() and not any(part.startswith(".") for part in parts)
    return is_plain and key not in (PUBLISHED, CLAIM)


def _nanoseconds(tag: str) -> int:
    return int(hashlib.sha256(tag.encode()).hexdigest()[:12], 16) % _BILLION


def _replace(path: Path, data: bytes) -> None:
    temporary = new_temporary(path)
    temporary.write_bytes(data)
    temporary.replace(path)
