"""The object that says what was published: each file with its size, its digest and the tag of its object."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from rnaget_server.storage.objects.client import Listed
from rnaget_server.storage.objects.failures import ObjectFailure

PUBLISHED = "rnaget-published.json"
"""The object that says what was published last; where it is, it changes with any other."""

CLAIM = "rnaget-publishing.json"
"""The object by which one publication at a time changes a place."""

_LONGEST_NAME = 255


@dataclass(frozen=True)
class Entry:
    """A file that was published.

    Attributes
    ----------
    size
        Its bytes.
    modified
        When it was written, in nanoseconds since 1970.
    sha256
        Its digest; None if it was not read.
    tag
        The entity tag of its object; empty from before it is copied until all are.
    replaces
        That of the object that was published before, until then.
    """

    size: int
    modified: int
    sha256: str | None
    tag: str
    replaces: str = ""

    def is_of(self, listed: Listed) -> bool:
        """Return whether an object is what was published, or was going to be."""
        if self.tag:
            return listed.tag == self.tag
        return listed.tag == self.replaces or listed.size == self.size


def read_published(data: bytes, url: str) -> dict[str, Entry]:
    """Return the files that were published to a place by their keys.

    Raises
    ------
    ObjectFailure
        If this is not what says so.
    """
    try:
        files = json.loads(data)["files"]
        return {key: _checked(Entry(**entry)) for key, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ObjectFailure(f"{PUBLISHED} in {url} is damaged: remove it, and publish again") from None


def _checked(entry: Entry) -> Entry:
    kinds = (int, int, str | None, str, str)
    values = (entry.size, entry.modified, entry.sha256, entry.tag, entry.replaces)
    if not all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise TypeError
    return entry


def written_published(entries: Mapping[str, Entry]) -> bytes:
    """Return the bytes of the object that says what was published."""
    files = {key: asdict(entry) for key, entry in entries.items()}
    return json.dumps({"version": 1, "published": int(time.time()), "files": files}).encode()


def is_of_catalog(key: str) -> bool:
    """Return whether an object is a file of a catalogue: its key is a path, and nothing in it is hidden."""
    parts = PurePosixPath(key).parts
    if not parts or "/".join(parts) != key or not key.isprintable() or key in (PUBLISHED, CLAIM):
        return False
    if "\\" in key:  # to some stores, a slash
        return False
    return not any(part.startswith(".") or len(part.encode()) > _LONGEST_NAME for part in parts)


def yaml_last(key: str) -> tuple[bool, int, str]:
    """Return what keys are sorted by for data to come first, then YAML, and that of the catalogue last."""
    return is_yaml(key), -key.count("/") if is_yaml(key) else 0, key


def is_yaml(key: str) -> bool:
    """Return whether an object is a file that the catalogue is read from."""
    return key.endswith((".yaml", ".yml"))
