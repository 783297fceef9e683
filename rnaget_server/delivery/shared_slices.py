"""Finished slices that several servers share through Redis or Valkey, which no request waits for long."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from rnaget_server.delivery.availability import Availability
from rnaget_server.delivery.content import CachedContent
from rnaget_server.delivery.sealed import DamagedEntryError, Manifest, Sealer, digest_of
from rnaget_server.model.use_counts import UseCounts
from rnaget_server.settings import Settings
from rnaget_server.shared_settings import redis_address
from rnaget_server.storage.checked_file import CheckedFile

_log = logging.getLogger(__name__)
# One tag, so that all keys are on one node of a cluster.
_PREFIX = "{rnaget-slices}:"
_ENTRY, _PART = f"{_PREFIX}e:", f"{_PREFIX}p:"
_INDEX, _SIZES, _TOTAL = (f"{_PREFIX}{name}" for name in ("index", "sizes", "total"))
_MANIFEST = "m"
_WAIT = 0.25
# What comes too late for its request is still of use to the next one, if it comes soon.
_WAIT_ON = 2.0
_SEND_TIMEOUT = 2.0
_AT_ONCE = 4
_MOST_WAITING = 8
_PIECES_AT_ONCE = 4
_LARGEST = 32 << 20
_LARGEST_SHARE = 8
_SECONDS_KEPT = 86_400
_SECONDS_UNFINISHED = 60

# Returns the manifest of an entry, and notes that it was used.
_FIND = f"""
local sealed = redis.call('HGET', KEYS[1], '{_MANIFEST}')
if sealed then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  redis.call('ZADD', KEYS[2], 'XX', redis.call('TIME')[1], ARGV[1])
end
return sealed
"""
# Puts an entry that has all its pieces into its place, and removes those used longest ago if all have too many bytes.
_COMMIT = """
local size, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local function drop(name)
  local bytes = redis.call('HGET', KEYS[4], name)
  redis.call('ZREM', KEYS[3], name)
  redis.call('HDEL', KEYS[4], name)
  if bytes then redis.call('DECRBY', KEYS[5], bytes) end
  redis.call('UNLINK', ARGV[5] .. name)
end
if redis.call('HLEN', KEYS[1]) ~= tonumber(ARGV[6]) then return 0 end
drop(ARGV[1])
while tonumber(redis.call('GET', KEYS[5]) or '0') + size > most do
  local oldest = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
  if not oldest then
    redis.call('DEL', KEYS[4], KEYS[5])
    break
  end
  drop(oldest)
end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('ZADD', KEYS[3], redis.call('TIME')[1], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], size)
redis.call('INCRBY', KEYS[5], size)
return 1
"""


class _Gone(Exception):
    """An entry was removed while it was read."""


class SharedSlices:
    """The finished slices of all servers that name the same store, by the keys of `SliceCache`.

    Parameters
    ----------
    address
        ``redis://…`` or ``valkey://…``, with ``s`` for TLS.
    max_bytes
        Most bytes of all slices.
    keys
        Secrets that these servers have in common: an entry that was not signed by one of them is none.
    """

    def __init__(self, address: str, max_bytes: int, keys: Iterable[bytes]) -> None:
        self.uses = UseCounts()
        self.largest = min(_LARGEST, max_bytes // _LARGEST_SHARE)
        self._max_bytes = max_bytes
        self._sealer = Sealer(keys)
        self._quick, self._patient = _client(address, _WAIT), _client(address, _SEND_TIMEOUT)
        self._find = self._quick.register_script(_FIND)
        self._commit = self._patient.register_script(_COMMIT)
        self._state = Availability("shared_cache", "each server makes its own slices until it is back")
        self._fetching = ThreadPoolExecutor(_AT_ONCE, "shared")
        self._sending = ThreadPoolExecutor(1, "shared-send")
        self._room = threading.Semaphore(_MOST_WAITING)

    def fetch(self, key: str, keep: Callable[[Iterator[bytes]], CachedContent | None]) -> CachedContent | None:
        """Return a slice; None if it is not kept there, or does not come within a quarter of a second.

        Parameters
        ----------
        key
            That of the slice.
        keep
            Writes the bytes to a file of this server, in another thread, and returns them if they are whole.
        """
        if not self._state.is_usable(self._look):
            return None
        began = time.monotonic()
        fetched = self._fetching.submit(self._fetch, key, keep, began)
        wait((fetched,), _WAIT)
        if not fetched.done():
            self._state.note_late(began)
            if not fetched.cancel():
                fetched.add_done_callback(_close)
            self.uses.count(False)
            return None
        content = fetched.result()
        self.uses.count(content is not None)
        return content

    def offer(self, key: str, reopen: Callable[[], CheckedFile | None]) -> None:
        """Send a slice to the other servers, later and in another thread; not if too many wait for that already.

        Parameters
        ----------
        key
            That of the slice.
        reopen
            Opens the file of this server that has it.
        """
        if self._state.is_usable(self._look) and self._room.acquire(blocking=False):
            self._sending.submit(self._send, key, reopen)

    def _fetch(
        self, key: str, keep: Callable[[Iterator[bytes]], CachedContent | None], began: float
    ) -> CachedContent | None:
        try:
            sealed = self._find(keys=[_ENTRY + key, _INDEX], args=[key, _SECONDS_KEPT])
            content = keep(self._pieces(key, self._sealer.open(key, sealed), began)) if sealed else None
        except _Gone:
            return None
        except DamagedEntryError:
            _log.warning("a damaged slice was removed from shared_cache")
            with suppress(Exception):
                self._quick.unlink(_ENTRY + key)
            return None
        except OSError:  # of the disk of this server, since redis has its own errors
            return None
        except Exception as error:  # any reason is one to go on without
            self._note(error, began)
            return None
        self._state.note_answer()
        return content

    def _pieces(self, key: str, manifest: Manifest, began: float) -> Iterator[bytes]:
        """Yield the bytes of an entry, each piece checked."""
        for start in range(0, len(manifest.digests), _PIECES_AT_ONCE):
            if time.monotonic() > began + _WAIT + _WAIT_ON:
                raise _Gone
            numbers = range(start, min(start + _PIECES_AT_ONCE, len(manifest.digests)))
            for number, piece in zip(numbers, self._quick.hmget(_ENTRY + key, numbers), strict=True):
                if piece is None:
                    raise _Gone
                manifest.check(number, piece)
                yield piece

    def _send(self, key: str, reopen: Callable[[], CheckedFile | None]) -> None:
        began = time.monotonic()
        file = None
        try:
            file = reopen()
            if file is not None and file.length <= self.largest and not self._patient.exists(_ENTRY + key):
                self._send_file(key, file)
        except OSError:  # of the disk of this server: who reads the file next finds that out, too
            pass
        except Exception as error:  # any reason is one to go on without
            self._note(error, began)
        finally:
            self._room.release()
            if file is not None:
                file.close()

    def _send_file(self, key: str, file: CheckedFile) -> None:
        part = _PART + secrets.token_hex(8)
        digests: list[bytes] = []
        for number, piece in enumerate(file.read()):
            digests.append(digest_of(piece))
            self._put(part, str(number), piece)
        self._put(part, _MANIFEST, self._sealer.seal(key, Manifest(file.length, tuple(digests))))
        keys = [part, _ENTRY + key, _INDEX, _SIZES, _TOTAL]
        fields = len(digests) + 1
        self._commit(keys=keys, args=[key, file.length, self._max_bytes, _SECONDS_KEPT, _ENTRY, fields])

    def _put(self, part: str, field: str, data: bytes) -> None:
        """Write a field of an entry on its way; one that is never finished goes away by itself."""
        with self._patient.pipeline(transaction=False) as both:
            both.hset(part, field, data).expire(part, _SECONDS_UNFINISHED).execute()

    def _note(self, error: Exception, began: float) -> None:
        from redis.exceptions import TimeoutError as LateError

        if isinstance(error, LateError):
            self._state.note_late(began)
        else:
            # Not its words, which may have the address, and with it a password.
            self._state.leave(type(error).__name__)

    def _look(self) -> None:
        # The interpreter may be about to end.
        with suppress(RuntimeError):
            self._fetching.submit(self._ping)

    def _ping(self) -> None:
        with suppress(Exception):
            self._quick.ping()
            self._state.return_()


def shared_slices(settings: Settings) -> SharedSlices | None:
    """Return the slices that the servers with these settings share; None if each keeps its own only."""
    address = settings.shared_cache.get_secret_value()
    if not address:
        return None
    keys = (key.get_secret_value().encode() for key in settings.ticket_keys)
    return SharedSlices(address, settings.shared_cache_bytes, keys)


def _client(address: str, seconds: float) -> Any:
    """Return a client that waits so long for each answer."""
    # Not at the top: it is installed by an extra.
    from redis import ConnectionPool, Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as ClosedError
    from redis.retry import Retry

    pool = ConnectionPool.from_url(
        redis_address(address),
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        # A connection that was closed since its last use is opened again.
        retry=Retry(NoBackoff(), 1, (ClosedError,)),
    )
    return Redis(connection_pool=pool)


def _close(fetched: Future[CachedContent | None]) -> None:
    """Close what came too late; its file is kept."""
    if not fetched.cancelled() and (content := fetched.result()) is not None:
        content.close()
