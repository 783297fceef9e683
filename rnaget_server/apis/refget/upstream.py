"""The registry of references that is asked for sequences that are not here: each is fetched once, and verified."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from functools import partial

import httpx

from rnaget_server import __version__
from rnaget_server.errors import Busy, RnagetError, Unavailable, UnknownId, UpstreamFailure
from rnaget_server.sequences.digests import NAMESPACES
from rnaget_server.sequences.fetched import FetchedSequences, IncomingSequence, WrongSequenceError
from rnaget_server.settings import Settings

LOOP_HEADER = "CDN-Loop"
"""Names the servers that a request has come through (RFC 8586)."""

_log = logging.getLogger(__name__)
_AT_ONCE = 4
_MOST_WAITING = 64
_MOST_SERVERS = 10
_REDIRECTS = 3
_MISSING_SECONDS = 30
_FAILED_SECONDS = 1.0
_MOST_REFUSED = 10_000
_BYTES_A_SECOND = 256 << 10
_UNKNOWN = (404, 410)
_PORTS = {"http": 80, "https": 443}


class Upstream:
    """Fetches sequences from another registry. Safe among threads and processes.

    Parameters
    ----------
    settings
        Those of the server; ``cram_upstream`` is set.
    """

    def __init__(self, settings: Settings) -> None:
        self.sequences = FetchedSequences(settings.cache_directory / "references", settings.cram_cache_bytes)
        self._address = settings.cram_upstream
        self._seconds = settings.cram_timeout
        place = f"{uuid.getnode()} {settings.data}"
        self._name = f"rnaget-{hashlib.sha256(place.encode()).hexdigest()[:16]}"
        self._pool = ThreadPoolExecutor(_AT_ONCE, "cram")
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._refused: OrderedDict[str, tuple[float, Callable[[], RnagetError]]] = OrderedDict()

    async def fetch(self, digest: str, came_through: str) -> None:
        """Fetch the sequence of an MD5 or SHA-1 digest, so that it is found among `sequences`.

        All who ask for it at once wait for the same reply.

        Parameters
        ----------
        digest
            In lower-case letters.
        came_through
            The header CDN-Loop of the request, empty if there is none.

        Raises
        ------
        UnknownId
            If the other registry has none.
        UpstreamFailure
            If it sends something else, or fails.
        Unavailable
            If there is no room for it.
        Busy
            If too many are being fetched.
        """
        servers = [part.strip().split(";")[0] for part in came_through.split(",") if part.strip()]
        if self._name in servers or len(servers) > _MOST_SERVERS:
            raise _failure("it leads back to this server")
        loop = ", ".join((*(server for server in servers if re.fullmatch(r"[\w.:-]{1,255}", server)), self._name))
        # One who goes away takes nothing from the others.
        await asyncio.shield(asyncio.wrap_future(self._join(digest, loop)))

    def _join(self, digest: str, loop: str) -> Future[None]:
        with self._lock:
            until, refusal = self._refused.get(digest, (0.0, None))
            if refusal is not None and until > time.monotonic():
                raise refusal()
            future = self._running.get(digest)
            if future is None:
                if len(self._running) >= _MOST_WAITING:
                    raise Busy("many sequences are being fetched at the moment: ask again soon", 5)
                future = self._running[digest] = self._pool.submit(copy_context().run, self._fetch, digest, loop)
                future.add_done_callback(partial(self._end, digest))
            return future

    def _end(self, digest: str, future: Future[None]) -> None:
        # Without the lock, since `_join`, which has it, calls this at once if the future is done.
        self._running.pop(digest, None)

    def _fetch(self, digest: str, loop: str) -> None:
        url = self._url(digest)
        if url is None:
            raise _unknown(digest)
        if not self.sequences.on:
            raise _no_room()
        try:
            with self.sequences.turn(digest):
                # Another process may have fetched it meanwhile.
                if self.sequences.find(digest) is None:
                    with closing(self.sequences.incoming(digest)) as incoming:
                        asyncio.run(self._receive(url, incoming, loop))
                        incoming.keep()
        except WrongSequenceError as error:
            raise self._failed(digest, loop, _failure(f"what it sends is not the sequence: {error}")) from None
        except UpstreamFailure as failure:
            raise self._failed(digest, loop, failure) from None
        except UnknownId:
            self._refuse(digest, _MISSING_SECONDS, partial(_unknown, digest))
            raise _unknown(digest) from None
        except RnagetError:
            raise
        except OSError as error:
            _log.error("a fetched sequence cannot be kept in cache_directory: %s", error.strerror)
            raise _no_room() from None
        if self.sequences.find(digest) is None:
            raise _no_room()

    def _url(self, digest: str) -> str | None:
        kind = "md5" if len(digest) == NAMESPACES["md5"] else "sha1"
        if "%s" in self._address:
            return self._address.replace("%s", digest) if kind == "md5" else None
        return f"{self._address}/{kind}/{digest}"

    async def _receive(self, url: str, incoming: IncomingSequence, loop: str) -> None:
        """Write what the other registry sends.

        Raises
        ------
        UnknownId, UpstreamFailure, WrongSequenceError, OSError
            As for `fetch`.
        """
        headers = {
            "Accept": "text/vnd.ga4gh.refget.v2.0.0+plain, text/plain;q=0.9, */*;q=0.5",
            # What is compressed may grow without bounds.
            "Accept-Encoding": "identity",
            "User-Agent": f"rnaget-server/{__version__}",
            LOOP_HEADER: loop,
        }
        try:
            async with httpx.AsyncClient(timeout=self._seconds, headers=headers) as client:
                async with asyncio.timeout(self._seconds):
                    response = await _answer(client, httpx.URL(url))
                try:
                    await self._take(response, incoming)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise _failure("it is too slow") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            raise _failure(f"it cannot be read ({type(error).__name__})") from None

    async def _take(self, response: httpx.Response, incoming: IncomingSequence) -> None:
        if response.status_code in _UNKNOWN:
            raise UnknownId
        if response.status_code != 200:
            raise _failure(f"it answers with status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise _failure("it compresses what it sends")
        length = response.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > incoming.most:
            raise WrongSequenceError(f"it is longer than {incoming.most:,} bytes, a quarter of cram_cache_bytes")
        began = time.monotonic()
        async for piece in response.aiter_raw():
            incoming.add(piece)
            if time.monotonic() - began > self._seconds + incoming.received / _BYTES_A_SECOND:
                raise TimeoutError

    def _failed(self, digest: str, loop: str, failure: UpstreamFailure) -> UpstreamFailure:
        """Return a failure, which others are given for a moment, so that a registry in trouble is not asked by each."""
        # One who claims to have come through other servers may have made it fail.
        if loop == self._name:
            self._refuse(digest, _FAILED_SECONDS, partial(UpstreamFailure, str(failure)))
        return failure

    def _refuse(self, digest: str, seconds: float, refusal: Callable[[], RnagetError]) -> None:
        with self._lock:
            self._refused[digest] = time.monotonic() + seconds, refusal
            self._refused.move_to_end(digest)
            while len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)


async def _answer(client: httpx.AsyncClient, url: httpx.URL) -> httpx.Response:
    """Return the reply of an address, or of the one on the same server that it names in place of itself."""
    for _ in range(_REDIRECTS + 1):
        response = await client.send(client.build_request("GET", url), stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        target = url.join(response.headers["location"])
        if not _is_same_server(url, target):
            raise _failure("it sends this server on to another one")
        url = target
    raise _failure("it sends this server on again and again")


def _is_same_server(url: httpx.URL, target: httpx.URL) -> bool:
    """Return whether two addresses are of one server, or of its part for TLS."""
    if target.host != url.host or target.scheme not in _PORTS:
        return False
    places = [(each.scheme, each.port or _PORTS[each.scheme]) for each in (url, target)]
    return places[0] == places[1] or places == [("http", 80), ("https", 443)]


def _failure(reason: str) -> UpstreamFailure:
    _log.warning("the registry of cram_upstream failed: %s", reason)
    return UpstreamFailure(
        f"the sequence is not here, and the registry that this server asks failed: {reason}; ask again later"
    )


def _unknown(digest: str) -> UnknownId:
    return UnknownId(f"there is no reference {digest!r}, neither here nor in the registry that this server asks")


def _no_room() -> Unavailable:
    return Unavailable("the sequence cannot be kept at the moment: see the server log")
