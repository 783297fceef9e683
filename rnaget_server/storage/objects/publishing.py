"""The copy of a catalogue to object storage: what changed, data before YAML, each file checked once it is there."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rnaget_server.storage.local import is_stand_in
from rnaget_server.storage.objects.claim import Claim
from rnaget_server.storage.objects.client import PART_BYTES, Client, Listed
from rnaget_server.storage.objects.failures import ObjectFailure, ObjectGone
from rnaget_server.storage.objects.mirror import PUBLISHED, said_tag, yaml_last

_AT_ONCE = 4
_PIECE = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file that was published: its bytes, when it was written, its SHA-256 digest, and the tag of the object."""

    size: int
    modified: int
    sha256: str | None
    tag: str


@dataclass(frozen=True)
class Outcome:
    """The files that a publication copied, left as they were, and removed; and the bytes copied."""

    copied: tuple[str, ...]
    unchanged: int
    removed: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class _Digests:
    """The digests of a file: SHA-256, and what most stores have as the tag of an object that was put as this one is."""

    sha256: str
    tag: str


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

    def run(self, claim: Claim) -> Outcome:
        """Copy what changed.

        Raises
        ------
        ObjectFailure
            If something cannot be copied, or another publication is under way; what was copied is whole.
        OSError
            If a file cannot be read.
        """
        with claim:
            published = self._published()
            listing = self._client.listing()
            keys = sorted(files_below(self._data), key=yaml_last)
            changed = [key for key in keys if self._is_changed(key, published.get(key), listing.get(key))]
            known = published.keys() | (self._base or {}).keys()
            gone = sorted(key for key in known & listing.keys() if key not in keys)
            self._check_base([*changed, *gone], listing)
            texts = [key for key in changed if yaml_last(key)[0]]
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                # All that the YAML files name is there before they are.
                sent = list(threads.map(lambda key: self._copy(key, claim), changed[: len(changed) - len(texts)]))
            sent += [self._copy(key, claim) for key in texts]
            claim.check()
            self._client.delete(gone)
            if changed or gone or set(published) != set(keys):
                self._client.put(PUBLISHED, _as_json({key: self._entries[key] for key in keys}))
        return Outcome(tuple(changed), len(keys) - len(changed), tuple(gone), sum(sent))

    def _published(self) -> dict[str, Entry]:
        try:
            found = self._client.whole(PUBLISHED)
            files = json.loads(found[0])["files"] if found is not None else {}
            return {key: Entry(**entry) for key, entry in files.items()}
        except ObjectGone:
            return {}
        except (ValueError, KeyError, TypeError):
            raise ObjectFailure(f"{PUBLISHED} in {self._client.url} is damaged: remove it, and publish again") from None

    def _is_changed(self, key: str, entry: Entry | None, listed: Listed | None) -> bool:
        path = self._data / key
        status = path.stat()
        if is_stand_in(status):
            if listed is None or listed.tag != said_tag(path):
                raise _meanwhile(key)
            self._entries[key] = entry or Entry(listed.size, status.st_mtime_ns, None, listed.tag)
            return False
        if listed is None or listed.size != status.st_size:
            return True
        known = entry is not None and entry.tag == listed.tag
        if entry is not None and known and entry.modified == status.st_mtime_ns and not self._all_checked:
            self._entries[key] = entry
            return False
        digests = _digests(path)
        if (entry.sha256 == digests.sha256) if entry is not None and known else (digests.tag == listed.tag.strip('"')):
            self._entries[key] = Entry(status.st_size, status.st_mtime_ns, digests.sha256, listed.tag)
            return False
        return True

    def _check_base(self, keys: list[str], listing: Mapping[str, Listed]) -> None:
        for key in keys if self._base is not None else ():
            listed = listing.get(key)
            if (listed.tag if listed is not None else None) != (self._base or {}).get(key):
                raise _meanwhile(key)

    def _copy(self, key: str, claim: Claim) -> int:
        """Copy a file, look at what has come there, and return how many bytes that are."""
        claim.check()
        path = self._data / key
        before = path.stat()
        digests = _digests(path)
        tag = self._client.put(key, path)
        if tag.strip('"') != digests.tag and self._sha256_of(key, tag, before.st_size) != digests.sha256:
            raise ObjectFailure(f"{key} is not there as it is here: it was written to meanwhile; publish again")
        self._entries[key] = Entry(before.st_size, before.st_mtime_ns, digests.sha256, tag)
        self._note(key)
        return before.st_size

    def _sha256_of(self, key: str, tag: str, size: int) -> str:
        digest = hashlib.sha256()
        for piece in self._client.pieces(key, tag, size):
            digest.update(piece)
        return digest.hexdigest()


def files_below(data: Path) -> Iterator[str]:
    """Yield the files of a catalogue by their paths in it; hidden ones are no part of it."""
    for directory, directories, names in os.walk(data, followlinks=True):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(data).as_posix()


def _digests(path: Path) -> _Digests:
    """Return the digests of a file: that of an object in parts is made of those of its parts."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    parts: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
            if size % PART_BYTES == 0:
                parts.append(md5.digest())
                md5 = hashlib.md5(usedforsecurity=False)
    if size <= PART_BYTES:
        return _Digests(sha256.hexdigest(), parts[0].hex() if parts else md5.hexdigest())
    parts += [md5.digest()] if size % PART_BYTES else []
    return _Digests(
        sha256.hexdigest(), f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"
    )


def _as_json(entries: Mapping[str, Entry]) -> bytes:
    files = {key: asdict(entry) for key, entry in entries.items()}
    return json.dumps({"version": 1, "published": int(time.time()), "files": files}).encode()


def _meanwhile(key: str) -> ObjectFailure:
    return ObjectFailure(f"somebody else has published another {key} meanwhile, and nothing was changed: do it again")
