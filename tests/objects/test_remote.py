"""Bytes of an object by ranges: few requests, tried again, and never of two states."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.failures import ObjectChanged, ObjectFailure
from rnaget_server.storage.objects.mirror import Place, make_mirror
from rnaget_server.storage.places import object_requests, open_file
from rnaget_server.storage.source import OpenFile
from tests.objects.unruly import CALM, Unruly, by_chance

SIZE = 12_000_000


@pytest.fixture(scope="module")
def data() -> bytes:
    """The bytes of an object."""
    return random.Random(5).randbytes(SIZE)


@pytest.fixture
def far(url: str, proxy: Unruly, data: bytes, tmp_path: Path) -> OpenFile:
    """An open object, read through a proxy."""
    client = Client(url, 20)
    client.put("a/b.bin", data)
    file = open_file(make_mirror(Place(url, 20, 1 << 30), tmp_path / "mirrors").data / "a" / "b.bin")
    proxy.requests.clear()
    return file


def test_near_ranges_are_one_request_and_far_ones_are_not(far: OpenFile, data: bytes, proxy: Unruly) -> None:
    ranges = [(10, 5), (20, 100), (200_000, 7), (5_000_000, 10), (5_000_005, 20), (11_999_990, 10), (3, 0)]
    assert list(far.read_many(ranges)) == [data[at : at + size] for at, size in ranges]
    assert len(proxy.requests) == 3
    assert far.read(7, 9_000_000) == data[7:9_000_007]
    with pytest.raises(OSError, match="beyond its end"):
        far.read(SIZE - 1, 2)


def test_what_is_kept_is_asked_for_once(far: OpenFile, data: bytes, proxy: Unruly, tmp_path: Path) -> None:
    assert far.read_kept(1_000_000, 700_000) == data[1_000_000:1_700_000]
    asked = len(proxy.requests)
    assert far.read_kept(1_100_000, 300_000) == data[1_100_000:1_400_000]
    assert len(proxy.requests) == asked
    # By another process, as it were, from the disk.
    from rnaget_server.storage.objects.mirror import opened_mirror

    opened_mirror.cache_clear()
    again = open_file(next(tmp_path.glob("mirrors/*/data/a/b.bin")))
    assert again.read_kept(1_100_000, 300_000) == data[1_100_000:1_400_000]
    assert len(proxy.requests) == asked


def test_requests_are_counted(far: OpenFile, proxy: Unruly) -> None:
    before = object_requests()
    list(far.read_many([(10, 5), (5_000_000, 10), (9_000_000, 10)]))
    assert object_requests() - before == len(proxy.requests) == 3
    proxy.mood = by_chance(4, 0.5)
    list(far.read_many([(at, 10) for at in range(0, 12_000_000, 1_000_000)]))
    assert object_requests() - before == len(proxy.requests) > 15


FEW = [(10, 50_000), (4_000_000, 70_000), (9_000_000, 60_000), (9_100_000, 5)]


def test_the_same_few_ranges_are_asked_for_once(
    far: OpenFile, data: bytes, proxy: Unruly, tmp_path: Path, url: str
) -> None:
    from rnaget_server.storage.objects.mirror import opened_mirror

    wanted = [data[at : at + size] for at, size in FEW]
    assert list(far.read_many(FEW, keep=True)) == wanted
    asked = len(proxy.requests)
    assert asked == 3
    assert list(far.read_many(FEW, keep=True)) == wanted
    assert len(proxy.requests) == asked
    # Others next to them are asked for, and those between are not.
    more = [FEW[0], (2_000_000, 9), FEW[1], FEW[3]]
    assert list(far.read_many(more, keep=True)) == [data[at : at + size] for at, size in more]
    assert len(proxy.requests) == asked + 1
    blocks = tmp_path / "mirrors" / "blocks"
    kept = eventually(lambda: [path for path in blocks.iterdir() if len(path.name) == 64], len(FEW) + 1)
    # By another process, as it were, from the disk, where one is damaged.
    damaged = next(path for path in kept if path.stat().st_size > 70_000)
    damaged.write_bytes(damaged.read_bytes().replace(data[4_000_000:4_000_020], bytes(20)))
    opened_mirror.cache_clear()
    again = open_file(next(tmp_path.glob("mirrors/*/data/a/b.bin")))
    assert list(again.read_many(FEW, keep=True)) == wanted
    assert len(proxy.requests) == asked + 2
    # Of another state of the object, nothing of it is taken.
    Client(url, 20).put("a/b.bin", data[::-1])
    home = next(tmp_path.glob("mirrors/*/place.json")).parent
    opened_mirror(home).missed()
    opened_mirror(home).update()
    newer = open_file(home / "data" / "a" / "b.bin")
    assert list(newer.read_many(FEW, keep=True)) == [data[::-1][at : at + size] for at, size in FEW]


def test_of_many_ranges_none_is_kept(far: OpenFile, data: bytes, proxy: Unruly, tmp_path: Path) -> None:
    many = [(at, 100_000) for at in range(0, 11_000_000, 100_000)]
    assert b"".join(far.read_many(many, keep=True)) == data[:11_000_000]
    assert not [path for path in (tmp_path / "mirrors" / "blocks").iterdir() if len(path.name) == 64]
    asked = len(proxy.requests)
    assert list(far.read_many(many[:1], keep=True)) == [data[:100_000]]
    assert len(proxy.requests) == asked + 1


def eventually(found: Callable[[], list[Path]], count: int) -> list[Path]:
    """Return what is found once it is so many."""
    end = time.monotonic() + 20
    while len(now := found()) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(now) == count
    return now


def test_an_unruly_store_costs_time_and_no_byte(far: OpenFile, data: bytes, proxy: Unruly) -> None:
    proxy.mood = by_chance(3, 0.3)
    chance = random.Random(1)
    ranges = [(chance.randrange(SIZE - 70_000), chance.randrange(70_000)) for _ in range(120)]
    assert list(far.read_many(ranges)) == [data[at : at + size] for at, size in ranges]
    assert min(proxy.done[mood] for mood in ("cut", "503", "429", "500", "drop", "delay")) > 0


def test_another_object_in_its_place_is_refused(far: OpenFile, url: str, data: bytes) -> None:
    Client(url, 20).put("a/b.bin", data[::-1])
    with pytest.raises(ObjectChanged, match="was replaced"):
        far.read(0, 10)
    with pytest.raises(ObjectChanged):
        list(far.read_many([(0, 10), (5_000_000, 10)]))


def test_a_place_that_never_answers_is_given_up(url: str, proxy: Unruly) -> None:
    proxy.mood = lambda method, path: "503"
    with pytest.raises(ObjectFailure, match=r"asks for fewer requests \(503\)"):
        Client(url, 1).listing()
    proxy.mood = lambda method, path: "delay"
    proxy.delay = 5
    with pytest.raises(ObjectFailure, match="does not answer"):
        Client(url, 1).listing()
    proxy.mood = lambda method, path: CALM


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_ACCESS_KEY_ID", "nobody", "does not know the access key"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret", "the secret key does not fit"),
    ],
)
def test_wrong_credentials_are_named_and_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ObjectFailure, match=words) as caught:
        Client(url, 5).listing()
    assert value not in str(caught.value)


def test_a_bucket_that_is_not_there(url: str) -> None:
    with pytest.raises(ObjectFailure, match="there is no bucket of s3://no-such-bucket/x"):
        Client("s3://no-such-bucket/x", 5).listing()


def test_what_stores_say_is_put_in_words() -> None:
    from rnaget_server.storage.objects.failures import failure_of

    class GenericError(Exception):
        """As the library names it."""

    skewed = GenericError("status code: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code></Error>")
    assert "clock" in str(failure_of(skewed, "s3://b"))
    assert failure_of(GenericError("status code: 429 Too Many"), "s3://b").slow_down
    assert failure_of(GenericError("connection closed"), "s3://b").passing
    assert not failure_of(GenericError("status code: 400 Bad: <Code>KeyTooLongError</Code>"), "s3://b").passing
    assert failure_of(GenericError("status code: 400 Bad: <Code>RequestTimeout</Code>"), "s3://b").passing


def test_a_stand_in_is_not_read_as_if_it_were_the_file(placed: Callable[[Path], Path], tmp_path: Path) -> None:
    from rnaget_server.storage.local import LocalFile

    (tmp_path / "x.bin").write_bytes(b"x" * 5000)
    path = placed(tmp_path / "x.bin")
    assert path.stat().st_size == 5000
    with pytest.raises(OSError, match="in object storage"):
        LocalFile.open(path)
    assert open_file(path).read(4990, 10) == b"x" * 10
