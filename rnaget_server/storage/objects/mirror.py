"""The directory on this machine that stands for a catalogue in object storage; see `storage.places`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rnaget_server.storage.disk_cache import DiskCache, boot_id, private_directory
from rnaget_server.storage.files import new_temporary, whole_file
from rnaget_server.storage.local import PLACE, STAND_IN, LocalFile
from rnaget_server.storage.objects.blocks import Blocks
from rnaget_server.storage.objects.client import Client, Listed
from rnaget_server.storage.objects.failures import ObjectFailure, ObjectGone
from rnaget_server.storage.objects.published import PUBLISHED, is_of_catalog, is_yaml, read_published, yaml_last
from rnaget_server.storage.objects.remote import RemoteFile
from rnaget_server.storage.urls import is_web

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
        missed = self._missed_at()
        mark: str | None = state.get("mark")
        published = b""
        try:
            found = self.client.whole(PUBLISHED, None if missed else mark)
            if found is None and self.data.is_dir():
                return
            published, mark = found or (published, mark)
        except ObjectGone:
            mark = None
        listing = self._listing(published, mark is not None)
        known: dict[str, str] = state.get("tags", {})
        self.data.mkdir(exist_ok=True)
        # Also those of an update that was killed.
        present = {path.relative_to(self.data).as_posix() for path in self.data.rglob("*") if path.is_file()}
        changed = [key for key in listing if known.get(key) != listing[key].tag or key not in present]
        gone = present - listing.keys()
        tags = {key: known[key] for key in listing if key in known}
        whole = [key for key in changed if self._is_read_whole(key, listing[key])]
        for key in sorted(set(changed) - set(whole)):
            self._stand_in(key, listing[key])
            tags[key] = listing[key].tag
        texts = list(self.client.threads.map(self._text, whole))
        for key, text in sorted(zip(whole, texts, strict=True), key=lambda pair: yaml_last(pair[0])):
            if text is not None:
                self._write(key, text[0], listing[key].modified * _BILLION + _nanoseconds(text[1]))
                # That of the listing: a file that was replaced since is written again, with its time.
                tags[key] = listing[key].tag
        for key in gone:
            self._remove(key)
        _replace(self.home / _TAGS, json.dumps({"boot": boot_id(), "mark": mark, "tags": tags}).encode())
        # Not if one was missed since.
        if missed and missed == self._missed_at():
            (self.home / _STALE).unlink(missing_ok=True)

    def _listing(self, published: bytes, is_published: bool) -> dict[str, Listed]:
        """Return the files of the catalogue as they are in the place."""
        if not is_web(self.place.url):
            listing = self.client.listing()
        elif is_published:
            listing = self._named_in(published or (self.client.whole(PUBLISHED) or (b"", ""))[0])
        else:
            raise ObjectFailure(
                f"there is no {PUBLISHED} in {self.place.url}, by which the files of a catalogue are known at a web "
                "server: let it serve what `rnaget-server publish DIRECTORY URL` has copied, such as to file:///DIRECTORY"
            )
        # What is a directory of others is at most its mark, which is no file.
        directories = {key[:at] for key in listing for at, letter in enumerate(key) if letter == "/"}
        return {key: listed for key, listed in listing.items() if is_of_catalog(key) and key not in directories}

    def _named_in(self, published: bytes) -> dict[str, Listed]:
        """Return the files of a place that cannot be listed."""
        entries = read_published(published, self.place.url)
        keys = [key for key in entries if is_of_catalog(key)]
        found = zip(keys, self.client.threads.map(self._asked, keys), strict=True)
        listing = {key: listed for key, listed in found if listed is not None}
        for key, listed in listing.items():
            if entries[key].tag and entries[key].size != listed.size:
                raise ObjectFailure(
                    f"{key} in {self.place.url} has {listed.size:,} bytes, and {entries[key].size:,} were published: "
                    "wait until it is copied, or publish again"
                )
        return listing

    def _asked(self, key: str) -> Listed | None:
        try:
            return self.client.head(key)
        except ObjectGone:
            return None

    def _missed_at(self) -> int:
        """Return when an object was last found to be another than it was, since all were listed; 0 if none was."""
        try:
            return (self.home / _STALE).stat().st_mtime_ns
        except OSError:
            return 0

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
        temporary = _temporary(path)
        temporary.write_bytes(data)
        os.utime(temporary, ns=(modified, modified))
        temporary.replace(path)

    def _stand_in(self, key: str, listed: Listed) -> None:
        path = self._parent_of(key)
        temporary = _temporary(path)
        temporary.write_bytes(self._said(key, listed))
        os.truncate(temporary, listed.size)
        temporary.chmod(STAND_IN | 0o600)
        # The tag is in the part of the second, so that no two states of an object look the same.
        modified = listed.modified * _BILLION + _nanoseconds(listed.tag)
        os.utime(temporary, ns=(modified, modified))
        temporary.replace(path)

    def _parent_of(self, key: str) -> Path:
        """Return the path of a key, in whose way nothing is that is no longer in the place."""
        path = self.data / key
        for parent in path.parents:
            if parent == self.data:
                break
            if parent.is_file():
                parent.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
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
        except (OSError, ValueError):
            return {}
        return state if state.get("boot") == boot_id() else {}

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


def said_key(path: Path) -> str:
    """Return the key of the object that a stand-in is for."""
    return _said(_opened(path))[1]


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
            with whole_file(target) as copy:
                open_object(stand_in).copy_to(copy.fileno())
                os.fsync(copy.fileno())
                for old in directory.glob(f"{start}-*"):
                    old.unlink()
    return target


def _opened(path: Path) -> LocalFile:
    return LocalFile(os.open(path, os.O_RDONLY))


def _said(file: LocalFile) -> tuple[Mirror, str, str]:
    """Return what a stand-in says: the mirror it is in, and key and tag of its object."""
    text = file.read(0, min(file.size, _MOST_SAID))
    if not text.startswith(_MAGIC):
        raise OSError("the file has the sticky bit, and stands for no object: `chmod -t` takes it away")
    said = json.loads(text[len(_MAGIC) :].partition(b"\n")[0])
    return opened_mirror(Path(said["home"])), said["key"], said["tag"]


def _nanoseconds(tag: str) -> int:
    return int(hashlib.sha256(tag.encode()).hexdigest()[:12], 16) % _BILLION


def _temporary(path: Path) -> Path:
    """Return a new file next to a path, whose name is short however long that of the path is."""
    return new_temporary(path.parent / "object")


def _replace(path: Path, data: bytes) -> None:
    temporary = _temporary(path)
    temporary.write_bytes(data)
    temporary.replace(path)
