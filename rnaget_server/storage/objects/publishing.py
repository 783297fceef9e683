"""The copy of a catalogue to object storage: what changed, data before YAML, each file checked once it is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rnaget_server.storage.local import FileVersion, LocalFile, is_stand_in, version_of
from rnaget_server.storage.objects.claim import Claim
from rnaget_server.storage.objects.client import PART_BYTES, Client, Listed, part_bytes
from rnaget_server.storage.objects.failures import ObjectExists, ObjectFailure, ObjectGone
from rnaget_server.storage.objects.mirror import open_object, said_key
from rnaget_server.storage.objects.published import (
    CLAIM,
    PUBLISHED,
    Entry,
    is_of_catalog,
    is_yaml,
    read_published,
    written_published,
    yaml_last,
)

# So that no more than about 300 MiB are in memory: small files are as many requests as bytes.
_SMALL, _SMALL_AT_ONCE, _AT_ONCE = 1 << 20, 32, 4
_PIECE = 1 << 20
_LOOKS = 5
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Outcome:
    """The files that a publication copied, left as they were, removed, and did not remove; and the bytes copied.

    Those that it did not remove are no longer in the directory, and were replaced by somebody else.
    """

    copied: tuple[str, ...]
    unchanged: int
    removed: tuple[str, ...]
    bytes: int
    kept: tuple[str, ...] = ()


class _Digests:
    """The digests of bytes that come piece by piece: SHA-256, and what most stores have as the tag of such an object.

    That of an object that is put in parts is made of the digests of the parts.

    Parameters
    ----------
    size
        How many bytes there are going to be.
    """

    def __init__(self, size: int) -> None:
        self._part = part_bytes(size)
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes, of which none go beyond the end of a part."""
        self._sha256.update(piece)
        self._md5.update(piece)
        self._size += len(piece)
        if self._size % self._part == 0:
            self._parts.append(self._md5.digest())
            self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 digest."""
        return self._sha256.hexdigest()

    def is_tag(self, tag: str) -> bool:
        """Return whether an entity tag is that of an object of these bytes; that of many stores never is."""
        if self._size < PART_BYTES:
            return tag.strip('"') == self._md5.hexdigest()
        parts = self._parts + ([self._md5.digest()] if self._size % self._part else [])
        whole = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
        return tag.strip('"') == f"{whole}-{len(parts)}"


class Publication:
    """One publication of a directory.

    Parameters
    ----------
    data
        The directory.
    client
        The place.
    base
        The tags of the objects that the directory was made from, of which none may be another by now. None: the
        directory has all that is to be there.
    all_checked
        Whether every file is read, also one whose size and time are those of the last publication.
    note
        Called with each file that was copied.
    """

    def __init__(
        self,
        data: Path,
        client: Client,
        base: Mapping[str, str] | None = None,
        all_checked: bool = False,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._data = data
        self._client = client
        self._base = base
        self._all_checked = all_checked
        self._note = note
        self._entries: dict[str, Entry] = {}
        self._states: dict[str, os.stat_result] = {}
        self._mark = ""

    def run(self, claim: Claim) -> Outcome:
        """Copy what changed.

        Raises
        ------
        ObjectFailure
            If something cannot be copied, or another publication is under way; what was copied is whole.
        OSError
            If a file cannot be read.
        """
        # What changes from now on, as by an import, is for the next publication: a part of it would not fit the rest.
        self._states = _states_below(self._data)
        keys = list(self._states)
        with claim:
            published = self._published()
            listing = self._client.listing()
            is_changed = _side_by_side(lambda key: self._is_changed(key, published, listing), keys, _AT_ONCE)
            changed = [key for key, is_new in zip(keys, is_changed, strict=True) if is_new]
            gone, kept = self._gone(keys, published, listing)
            self._check_base([*changed, *gone, *kept], listing)
            self._announce(changed, published, listing)
            sent = self._copy_all(changed, listing, claim)
            if gone:
                claim.confirm()
                # Copying may take hours, in which others may have put something else in its place.
                gone, kept = self._gone(keys, published, self._client.listing())
            for is_text in (True, False):  # nothing is named that is no longer there
                self._client.delete([key for key in gone if is_yaml(key) == is_text])
            # What others have published since the directory was made of the place stays.
            others = {} if self._base is None else {key: published[key] for key in published if key not in self._base}
            entries = {**others, **self._entries}
            if changed or gone or entries != published:
                self._put_published(entries)
        return Outcome(tuple(changed), len(keys) - len(changed), tuple(gone), sent, tuple(kept))

    def _published(self) -> dict[str, Entry]:
        try:
            found = self._client.whole(PUBLISHED)
        except ObjectGone:
            return {}
        data, self._mark = found or (b"", "")
        return read_published(data, self._client.url)

    def _gone(
        self, keys: list[str], published: Mapping[str, Entry], listing: Mapping[str, Listed]
    ) -> tuple[list[str], list[str]]:
        """Return the objects that are to be removed, and those that somebody else has replaced."""
        gone: list[str] = []
        kept: list[str] = []
        for key in sorted((published if self._base is None else self._base).keys() & listing.keys() - set(keys)):
            listed = listing[key]
            is_own = published[key].is_of(listed) if self._base is None else self._base[key] == listed.tag
            (gone if is_own else kept).append(key)
        return gone, kept

    def _announce(self, changed: list[str], published: Mapping[str, Entry], listing: Mapping[str, Listed]) -> None:
        """Say what is going to be there, so that what a publication leaves that is broken off is known to the next."""
        if changed:
            old = {key: listing[key].tag for key in published.keys() & listing if published[key].is_of(listing[key])}
            planned = {key: Entry(self._states[key].st_size, 0, None, "", old.get(key, "")) for key in changed}
            self._put_published({**published, **planned})

    def _put_published(self, entries: Mapping[str, Entry]) -> None:
        self._mark = self._put(PUBLISHED, written_published(entries), self._mark)

    def _is_changed(self, key: str, published: Mapping[str, Entry], listing: Mapping[str, Listed]) -> bool:
        path, entry, listed = self._data / key, published.get(key), listing.get(key)
        status = self._states[key]
        known = entry is not None and listed is not None and entry.tag == listed.tag
        if is_stand_in(status):
            if said_key(path) != key:  # it was moved
                return True
            if entry is not None:  # else it was not published
                self._entries[key] = entry
            return False
        if listed is None or listed.size != status.st_size:
            return True
        if entry is not None and known and entry.modified == status.st_mtime_ns and not self._all_checked:
            self._entries[key] = entry
            return False
        digests = _Digests(status.st_size)
        for piece in _pieces(path, status):
            digests.add(piece)
        is_same = entry is not None and known and entry.sha256 == digests.sha256
        if not is_same and not digests.is_tag(listed.tag):
            return True
        if entry is not None or self._base is None:
            self._entries[key] = Entry(status.st_size, status.st_mtime_ns, digests.sha256, listed.tag)
        return False

    def _check_base(self, keys: list[str], listing: Mapping[str, Listed]) -> None:
        for key in keys if self._base is not None else ():
            listed = listing.get(key)
            if (listed.tag if listed is not None else None) != (self._base or {}).get(key):
                raise _meanwhile(key)

    def _copy_all(self, keys: list[str], listing: Mapping[str, Listed], claim: Claim) -> int:
        """Copy files, and return how many bytes they have: all that the YAML files name is there before they are."""

        def copy(key: str) -> int:
            return self._copy(key, listing.get(key), claim)

        data = [key for key in keys if not is_yaml(key)]
        small = {key for key in data if self._states[key].st_size <= _SMALL}
        sent = sum(_side_by_side(copy, [key for key in data if key in small], _SMALL_AT_ONCE))
        sent += sum(_side_by_side(copy, [key for key in data if key not in small], _AT_ONCE))
        texts = [key for key in keys if is_yaml(key)]
        if texts:
            claim.confirm()
        return sent + sum(map(copy, texts))

    def _copy(self, key: str, listed: Listed | None, claim: Claim) -> int:
        """Copy a file, look at what has come there, and return how many bytes that are."""
        claim.check()
        path = self._data / key
        status = self._states[key]
        digests = _Digests(status.st_size)

        def pieces() -> Iterator[bytes]:
            nonlocal digests
            digests = _Digests(status.st_size)
            for piece in _pieces(path, status):
                digests.add(piece)
                yield piece

        if status.st_size < PART_BYTES:
            tag = self._put(key, b"".join(pieces()), listed.tag if listed is not None else "")
        else:  # such an object cannot be put on a condition
            claim.confirm()
            tag = self._client.put_pieces(key, pieces, status.st_size)
        if not digests.is_tag(tag) and self._sha256_of(key, tag, status.st_size) != digests.sha256:
            raise ObjectFailure(f"{key} is not there as it is here: publish again")
        self._entries[key] = Entry(status.st_size, status.st_mtime_ns, digests.sha256, tag)
        self._note(key)
        return status.st_size

    def _put(self, key: str, data: bytes, expected: str) -> str:
        """Write an object that is as it was when the place was looked at, and return its tag."""
        try:
            return self._client.put(key, data, expected)
        except ObjectExists:
            try:
                found = self._client.whole(key)
            except ObjectGone:
                found = None
            if found is None or found[0] != data:  # else it was put, and the answer was lost
                raise ObjectFailure(
                    f"somebody else has written {key} in {self._client.url} meanwhile: this publication has ended, and "
                    "what it had not copied is as it was; publish again"
                ) from None
            return found[1]

    def _sha256_of(self, key: str, tag: str, size: int) -> str:
        digest = hashlib.sha256()
        for piece in self._client.pieces(key, tag, size):
            digest.update(piece)
        return digest.hexdigest()


def _side_by_side(work: Callable[[str], _Answer], keys: list[str], most: int) -> list[_Answer]:
    with ThreadPoolExecutor(most, "publish") as threads:
        return list(threads.map(work, keys))


def _states_below(data: Path) -> dict[str, os.stat_result]:
    """Return the states of the files of a catalogue by their keys, all of one moment; YAML comes last.

    Raises
    ------
    OSError
        If there is none, since files come and go.
    """
    states = _looked_at(data)
    for _ in range(_LOOKS):
        before, states = states, _looked_at(data)
        if _versions(before) == _versions(states):
            return states
    raise ObjectFailure(f"files in {data} come or change all the time: publish again once that has ended")


def _looked_at(data: Path) -> dict[str, os.stat_result]:
    return {key: (data / key).stat() for key in sorted(files_below(data), key=yaml_last)}


def _versions(states: Mapping[str, os.stat_result]) -> dict[str, FileVersion]:
    return {key: version_of(status) for key, status in states.items()}


def files_below(data: Path) -> Iterator[str]:
    """Yield the files of a catalogue by their paths in it; hidden ones are no part of it, nor what publishing writes.

    Raises
    ------
    OSError
        If there is one that cannot be published, or a directory cannot be read: what is not seen would be removed.
    """
    for path in _below(data, frozenset()):
        key = path.relative_to(data).as_posix()
        if is_of_catalog(key):
            yield key
        elif key not in (PUBLISHED, CLAIM):
            raise ObjectFailure(f"{str(path)!a} cannot be published: give it a name that can be printed, without \\\\")


def _below(directory: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    status = directory.stat()
    identity = status.st_dev, status.st_ino
    if identity in above:
        raise ObjectFailure(f"{directory} is a link to a directory that it is in: remove it")
    for name in sorted(name for name in os.listdir(directory) if not name.startswith(".")):
        path = directory / name
        if path.is_dir():
            yield from _below(path, above | {identity})
        elif path.is_file():
            yield path
        elif path.is_symlink():
            raise ObjectFailure(f"{path} is a link to what is not there: remove it, or mend it")


def _pieces(path: Path, status: os.stat_result) -> Iterator[bytes]:
    """Yield the bytes of a file that has a status, and still has it at the end; of a stand-in, those of its object."""
    stored = LocalFile(os.open(path, os.O_RDONLY))
    file = open_object(stored) if stored.stands_in else stored
    try:
        yield from map(bytes, file.read_many((at, min(_PIECE, file.size - at)) for at in range(0, file.size, _PIECE)))
    except ObjectFailure:
        raise
    except OSError as error:
        raise ObjectFailure(f"{path} cannot be read: {error.strerror or error}") from None
    finally:
        now = version_of(file.status())
        file.close()
    if now != version_of(status):
        raise ObjectFailure(f"{path} was written to since this publication began: publish again once that has ended")


def _meanwhile(key: str) -> ObjectFailure:
    return ObjectFailure(f"somebody else has published another {key} meanwhile, and nothing was changed: do it again")
