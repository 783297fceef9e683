"""Objects of one place by their keys: reading parts of them, listing and writing, tried again where that may help."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.store import from_url

from rnaget_server.storage.objects.failures import ObjectChanged, ObjectExists, ObjectFailure, failure_of

SIDE_BY_SIDE = 16
"""Most requests of one process to a place at once, for parts of files."""

_SILENCES, _LEAST_SILENCE = 8, 0.4
_ATTEMPTS = 2
_MOST_AHEAD, _MOST_OF_ALL = 32 << 20, 64 << 20
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 4.0
READ_BYTES = 4 << 20
"""Most bytes that are asked for at once."""

PART_BYTES = 16 << 20
"""Bytes of a part in which a large object is put."""

_HTTP = re.compile(r"http://", re.IGNORECASE)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Listed:
    """An object as a listing has it: its bytes, its entity tag, and when it was written, in seconds since 1970."""

    size: int
    tag: str
    modified: int


class Client:
    """The objects below one URL. Safe to share among threads, but not with processes that are forked from this one.

    Parameters
    ----------
    url
        Such as ``s3://bucket/prefix``; credentials are those of the environment.
    seconds
        How long a request may take, with all its repetitions.

    Attributes
    ----------
    requests
        How many requests were sent.
    all_requests
        How many were sent by all clients of this process.
    threads
        The threads in which parts of files are read side by side.

    Raises
    ------
    ObjectFailure
        If it is no URL of a kind that is known.
    """

    all_requests = 0
    _counting = threading.Lock()

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        self.requests = 0
        self._seconds = seconds
        self._silence = max(seconds / _SILENCES, _LEAST_SILENCE)
        self._quiet_until = 0.0
        self._held = 0
        self._lock = threading.Lock()
        self.threads = ThreadPoolExecutor(SIDE_BY_SIDE, "objects")
        try:
            self._store = _opened(url, seconds)
            # A place that has sent nothing for a while is asked again, and one that sends drop by drop once;
            # what is put may take longer than that to go out.
            self._read_from = _opened(url, seconds / _ATTEMPTS, self._silence)
        except Exception as error:
            raise failure_of(error, url) from None

    def has_room(self, held: int) -> bool:
        """Return whether one who has asked for so many bytes that he has not taken yet may ask for more."""
        return held < _MOST_AHEAD and self._held < _MOST_OF_ALL

    def hold(self, size: int) -> int:
        """Count bytes that were asked for ahead, or that were taken or given up (then below 0), and return `size`."""
        with self._lock:
            self._held += size
        return size

    def read(self, key: str, tag: str, offset: int, size: int) -> memoryview:
        """Return a part of an object that has a tag, as it arrived, without a copy.

        Raises
        ------
        ObjectChanged
            If it has another.
        ObjectFailure
            If it cannot be read.
        """
        if not size:
            return memoryview(b"")
        options: Any = {"range": (offset, offset + size), "if_match": tag}

        def read() -> memoryview:
            reply = obstore.get(self._read_from, key, options=options)
            if self._tag(reply.meta) != tag:
                raise ObjectChanged("the object was replaced since it was opened: ask again in a moment")
            data = memoryview(reply.bytes())
            if len(data) != size:
                raise ObjectFailure(f"{self.url} sends another number of bytes than is asked for", passing=True)
            return data

        return self._tried(read)

    def whole(self, key: str, unless: str | None = None) -> tuple[bytes, str] | None:
        """Return all of an object and its tag; None if it has the tag `unless`.

        Raises
        ------
        ObjectGone
            If it is not there.
        ObjectFailure
            If it cannot be read.
        """
        options: Any = {} if unless is None else {"if_none_match": unless}

        def read() -> tuple[bytes, str] | None:
            try:
                reply = obstore.get(self._read_from, key, options=options)
                data = bytes(reply.bytes())
            except obstore.exceptions.NotModifiedError:
                return None
            if len(data) != reply.meta["size"]:
                raise ObjectFailure(f"{self.url} sends less than is asked for", passing=True)
            return data, self._tag(reply.meta)

        return self._tried(read)

    def pieces(self, key: str, tag: str, size: int) -> Iterator[memoryview]:
        """Yield all of an object that has a tag, piece by piece; for the errors see `read`."""
        for offset in range(0, size, READ_BYTES):
            yield self.read(key, tag, offset, min(READ_BYTES, size - offset))

    def presigned(self, key: str, seconds: int) -> str:
        """Return a URL by which anybody may read an object for some seconds.

        Raises
        ------
        ObjectFailure
            If none can be made, as without credentials.
        """
        try:
            return str(obstore.sign(self._store, "GET", key, timedelta(seconds=seconds)))
        except Exception as error:
            raise failure_of(error, self.url) from None

    def listing(self) -> dict[str, Listed]:
        """Return all objects by their keys.

        Raises
        ------
        ObjectFailure
            If they cannot be listed.
        """

        def read() -> dict[str, Listed]:
            return {
                found["path"]: Listed(found["size"], self._tag(found), int(found["last_modified"].timestamp()))
                for some in obstore.list(self._read_from)
                for found in some
            }

        return self._tried(read)

    def put(self, key: str, data: bytes | Path, expected: str | None = None) -> str:
        """Write an object, and return its tag.

        Parameters
        ----------
        key
            Its key.
        data
            Its bytes, or the file that has them.
        expected
            The tag that it must have; an empty text if it must not be there. None: anything that is there is replaced.

        Raises
        ------
        ObjectExists
            If it is not as expected.
        ObjectFailure
            If it cannot be written.
        """
        mode: Any = "overwrite" if expected is None else "create" if not expected else {"e_tag": expected}

        def write() -> str:
            try:
                # A repetition starts at the first byte.
                source: Any = data if isinstance(data, bytes) else Path(data)
                parts = isinstance(data, Path) and data.stat().st_size > PART_BYTES
                reply = obstore.put(
                    self._store, key, source, mode=mode, use_multipart=parts, chunk_size=PART_BYTES, max_concurrency=4
                )
            except obstore.exceptions.PreconditionError:
                raise ObjectExists(f"{self.url} has another state of it") from None
            except NotImplementedError:  # a directory, where nothing is written on a condition
                if not expected or self._tag_of(key) != expected:
                    raise ObjectExists(f"{self.url} has another state of it") from None
                reply = obstore.put(self._store, key, data, mode="overwrite")
            return self._tag(reply)

        return self._tried(write)

    def _tag(self, meta: Mapping[str, Any]) -> str:
        """Return the entity tag that a place gives an object.

        Raises
        ------
        ObjectFailure
            If it gives none that no two states of it have.
        """
        tag = meta["e_tag"]
        if not isinstance(tag, str) or tag.startswith("W/"):
            raise ObjectFailure(
                f"{self.url} gives {'weak' if tag else 'no'} entity tags, by which an object that was replaced is not "
                "known: ask a store that gives strong ones, and none through a proxy that changes them"
            )
        return tag

    def _tag_of(self, key: str) -> str:
        return self._tag(obstore.head(self._store, key))

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there count as removed.

        Raises
        ------
        ObjectFailure
            If they cannot be removed.
        """

        def remove(key: str) -> None:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

        for key in keys:
            self._tried(lambda key=key: remove(key))  # type: ignore[misc]

    def _tried(self, work: Callable[[], _Answer]) -> _Answer:
        """Return what `work` does, which is done again after growing waits where the place may come round."""
        # The last time it is asked, it has to have time to be silent.
        end, wait = time.monotonic() + self._seconds - self._silence, _FIRST_WAIT
        while True:
            self._be_quiet()
            try:
                with Client._counting:
                    self.requests += 1
                    Client.all_requests += 1
                return work()
            except Exception as error:
                failure = failure_of(error, self.url)
                if not failure.passing or time.monotonic() + wait > end:
                    raise failure from None
                if failure.slow_down:
                    self._quiet_until = max(self._quiet_until, time.monotonic() + wait)
            # Not all that wait come back at once.
            time.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, _LONGEST_WAIT)

    def _be_quiet(self) -> None:
        """Wait while the place has asked for fewer requests."""
        left = self._quiet_until - time.monotonic()
        if left > 0:
            time.sleep(left * random.uniform(0.5, 1))


def _opened(url: str, seconds: float, silence: float | None = None) -> Any:
    place: Any = url
    if url.startswith("file:"):
        return from_url(place, mkdir=True)
    options: Any = {"timeout": timedelta(seconds=seconds), "allow_http": _is_plain()}
    if silence is not None:
        options["read_timeout"] = timedelta(seconds=silence)
    return from_url(place, client_options=options, retry_config={"max_retries": 0})


def _is_plain() -> bool:
    """Return whether the environment names a place without TLS, such as one on this machine."""
    return any(_HTTP.match(os.environ.get(name, "")) for name in _ENDPOINTS)
