"""Objects of one place by their keys: reading parts of them, listing and writing, tried again where that may help."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

try:
    import obstore
    from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store, from_url
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("this needs a package: pip install 'rnaget-server[cloud]'", name=error.name) from None

from rnaget_server.storage.objects.failures import ObjectChanged, ObjectExists, ObjectFailure, failure_of
from rnaget_server.storage.urls import is_web

SIDE_BY_SIDE = 16
"""Most requests of one process to a place at once, for parts of files."""

_SILENCES, _LEAST_SILENCE = 8, 0.4
_ATTEMPTS = 2
_MOST_AHEAD, _MOST_OF_ALL = 32 << 20, 64 << 20
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 4.0
READ_BYTES = 4 << 20
"""Most bytes that are asked for at once."""

PART_BYTES = 16 << 20
"""Least bytes of a part in which a large object is put."""

_MOST_PARTS, _PARTS_AT_ONCE, _PART_RETRIES = 10_000, 4, 8

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

    def head(self, key: str) -> Listed:
        """Return what is known of an object.

        Raises
        ------
        ObjectGone
            If it is not there.
        ObjectFailure
            If it cannot be asked for.
        """
        return self._tried(lambda: self._listed(obstore.head(self._read_from, key)))

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
            # A repetition starts at the first: not every store lists in order, so that it could not go on.
            return {found["path"]: self._listed(found) for some in obstore.list(self._read_from) for found in some}

        return self._tried(read)

    def _listed(self, found: Any) -> Listed:
        return Listed(found["size"], self._tag(found), int(found["last_modified"].timestamp()))

    def _tag(self, found: Any) -> str:
        """Return the entity tag that a place gives an object.

        Raises
        ------
        ObjectFailure
            If it gives none that no two states of it have.
        """
        tag = found["e_tag"]
        if not isinstance(tag, str) or tag.startswith("W/"):
            raise ObjectFailure(
                f"{self.url} gives {'weak' if tag else 'no'} entity tags (ETag), by which an object that was replaced "
                "is not known: ask what gives strong ones, such as object storage or nginx, and not through a proxy "
                "that changes them"
            )
        return tag

    def put(self, key: str, data: bytes, expected: str | None = None) -> str:
        """Write an object, and return its tag.

        Parameters
        ----------
        key
            Its key.
        data
            Its bytes.
        expected
            The tag that it must have; an empty text if it must not be there. None: anything that is there is replaced.

        Raises
        ------
        ObjectExists
            If it is not as expected.
        ObjectFailure
            If it cannot be written.
        """

        def write() -> str:
            try:
                mode = self._mode(key, expected)
                return self._tag(obstore.put(self._store, key, data, mode=mode, use_multipart=False))
            except (obstore.exceptions.PreconditionError, obstore.exceptions.AlreadyExistsError):
                raise ObjectExists(f"{self.url} has another state of it") from None

        return self._tried(write)

    def put_pieces(self, key: str, pieces: Callable[[], Iterator[bytes]], size: int) -> str:
        """Write an object in parts of `part_bytes`, on no condition, and return its tag.

        Parameters
        ----------
        key
            Its key.
        pieces
            Called for each attempt, gives its bytes. If that fails, what is there stays.
        size
            How many they are.

        Raises
        ------
        ObjectFailure
            If it cannot be written.
        """
        part = part_bytes(size)
        # A part that is lost is sent again by the library: all the others would have to be as well by ourselves.
        store = _opened(self.url, self._seconds * (part // PART_BYTES), retries=_PART_RETRIES)
        at_once = max(1, _PARTS_AT_ONCE * PART_BYTES // part)

        def write() -> str:
            parts: Any = pieces()
            reply = obstore.put(store, key, parts, use_multipart=True, chunk_size=part, max_concurrency=at_once)
            return self._tag(reply)

        return self._tried(write)

    def _mode(self, key: str, expected: str | None) -> Any:
        """Return the condition on which an object is written, in words of the library."""
        if not expected:
            return "overwrite" if expected is None else "create"
        if isinstance(self._store, S3Store | AzureStore):
            return {"e_tag": expected}
        try:
            found = obstore.head(self._store, key)
        except FileNotFoundError:
            raise ObjectExists(f"{self.url} has it no more") from None
        if found["e_tag"] != expected:
            raise ObjectExists(f"{self.url} has another state of it")
        # Google's conditions are on versions, and a directory knows none.
        return {"version": found["version"], "e_tag": expected} if isinstance(self._store, GCSStore) else "overwrite"

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

        list(self.threads.map(lambda key: self._tried(lambda: remove(key)), keys))

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


def part_bytes(size: int) -> int:
    """Return the bytes of the parts in which an object of that size is put: no store takes more than 10,000 parts."""
    return max(1, -(-size // (PART_BYTES * _MOST_PARTS))) * PART_BYTES


def _opened(url: str, seconds: float, silence: float | None = None, retries: int = 0) -> Any:
    place: Any = url
    if url.startswith("file:"):
        return from_url(place, mkdir=True)
    options: Any = {"timeout": timedelta(seconds=seconds), "allow_http": is_web(url) or _is_plain()}
    again: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=seconds)}
    if silence is not None:
        options["read_timeout"] = timedelta(seconds=silence)
    if is_web(url):  # of any host, also of one whose own protocol would be spoken otherwise
        return HTTPStore(url, client_options=options, retry_config=again)
    return from_url(place, client_options=options, retry_config=again)


def _is_plain() -> bool:
    """Return whether the environment names a place without TLS, such as one on this machine."""
    return any(_HTTP.match(os.environ.get(name, "")) for name in _ENDPOINTS)
