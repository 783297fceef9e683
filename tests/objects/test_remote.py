"""Bytes of an object by ranges: few requests, tried again, and never of two states."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.cli.server import main
from rnaget_server.storage.objects.client import READ_BYTES, Client
from rnaget_server.storage.objects.failures import ObjectChanged, ObjectFailure
from rnaget_server.storage.objects.mirror import Place, make_mirror
from rnaget_server.storage.objects.remote import RemoteFile
from rnaget_server.storage.places import object_requests, open_file
from rnaget_server.storage.source import OpenFile
from tests.objects.unruly import CALM, Answer, Unruly, by_chance, give_up_after

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
    from rnaget_server.storage.objects.mirror import forget_mirrors

    forget_mirrors()
    again = open_file(next(tmp_path.glob("mirrors/*/data/a/b.bin")))
    assert again.read_kept(1_100_000, 300_000) == data[1_100_000:1_400_000]
    assert len(proxy.requests) == asked


def test_long_runs_are_cut_where_the_parts_of_objects_are(far: OpenFile, data: bytes, proxy: Unruly) -> None:
    ranges = [(at, 70_001) for at in range(1_000, SIZE - 80_000, 70_001)]
    assert list(far.read_many(ranges)) == [data[at : at + size] for at, size in ranges]
    asked = sorted(tuple(map(int, part.removeprefix("bytes=").split("-"))) for _, _, part in proxy.requests)
    last = ranges[-1][0] + 70_001 - 1
    assert asked == [(1_000, READ_BYTES - 1), (READ_BYTES, 2 * READ_BYTES - 1), (2 * READ_BYTES, last)]
    # A short one is one request wherever it lies.
    proxy.requests.clear()
    assert list(far.read_many([(READ_BYTES - 9, 90)])) == [data[READ_BYTES - 9 : READ_BYTES + 81]]
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("seed", range(6))
def test_ranges_of_every_kind(far: OpenFile, data: bytes, seed: int) -> None:
    chance = random.Random(seed)
    ranges = []
    at = 0
    for _ in range(60):
        size = int(10 ** chance.uniform(0, 6.8)) - 1
        at = chance.choice((at, at + chance.randrange(400_000), at - chance.randrange(50_000), chance.randrange(SIZE)))
        at = min(max(at, 0), SIZE)
        ranges.append((at, min(size, SIZE - at)))
        at += ranges[-1][1]
    expected = [data[at : at + size] for at, size in ranges]
    assert list(far.read_many(ranges)) == expected
    few = ranges[:8]
    assert list(far.read_many(few, keep=True)) == expected[:8]
    assert list(far.read_many(ranges, keep=True)) == expected


def test_many_slow_readers_hold_little(far: RemoteFile) -> None:
    readers = [far.read_many((at, 500_000) for at in range(0, 11_500_000, 500_000)) for _ in range(30)]
    for reader in readers:
        next(reader)
    held = far._client._held
    assert 0 < held <= (64 << 20) + SIZE
    # Each goes on, though others hold all that may be held.
    assert sum(map(len, readers[-1])) == 11_000_000
    for reader in readers:
        reader.close()
    assert far._client._held == 0


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
    from rnaget_server.storage.objects.mirror import forget_mirrors, opened_mirror

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
    forget_mirrors()
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
        give_up_after(Client(url, 20), 0.6).listing()
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


def _total(answer: Answer) -> None:
    answer.headers["Content-Range"] = "bytes 1000-1099/700"


def _shifted(answer: Answer) -> None:
    answer.headers["Content-Range"] = f"bytes 1001-1100/{SIZE}"


def _whole(answer: Answer) -> None:
    answer.status = 200


def _shorter(answer: Answer) -> None:
    answer.body, answer.headers["Content-Length"] = answer.body[:50], "50"


def _longer(answer: Answer) -> None:
    answer.body, answer.headers["Content-Length"] = answer.body + b"x", "101"


def _untagged(answer: Answer) -> None:
    answer.headers = {name: value for name, value in answer.headers.items() if name.lower() != "etag"}


def _weak(answer: Answer) -> None:
    answer.headers = {name: f"W/{value}" if name.lower() == "etag" else value for name, value in answer.headers.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_total, "does not answer"),
        (_shifted, "does not answer"),
        (_whole, "does not answer"),
        (_shorter, "sends another number of bytes"),
        (_longer, "sends another number of bytes"),
        (_untagged, "gives no entity tags"),
        (_weak, "gives weak entity tags"),
    ],
)
def test_a_part_that_is_not_what_was_asked_for_is_refused(
    url: str, proxy: Unruly, data: bytes, change: Callable[[Answer], None], words: str
) -> None:
    client = Client(url, 60)
    tag = client.put("b.bin", data)
    assert client.read("b.bin", tag, 1000, 100) == data[1000:1100]
    proxy.change = change
    # On a slow machine, the last that is said may be that it is late.
    with pytest.raises(ObjectFailure, match=f"{words}|does not answer"):
        Client(url, 1).read("b.bin", tag, 1000, 100)


def test_a_place_without_entity_tags_is_no_catalogue(url: str, proxy: Unruly, tmp_path: Path) -> None:
    def untag(answer: Answer) -> None:
        answer.body = answer.body.replace(b"<ETag>", b"<None>").replace(b"</ETag>", b"</None>")

    Client(url, 5).put("catalog.yaml", b"id: x")
    proxy.change = untag
    with pytest.raises(ObjectFailure, match="gives no entity tags"):
        make_mirror(Place(url, 5, 0), tmp_path / "mirrors")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "RequestTimeTooSkewed", r"the clock of this machine and that of .* differ: set this machine's"),
        (400, "ExpiredToken", "the credentials have expired: get new ones"),
        (400, "InvalidToken", "correct AWS_SESSION_TOKEN"),
        (400, "AuthorizationHeaderMalformed", "in another region .*: correct AWS_REGION"),
        (301, "PermanentRedirect", "in another region .*: correct AWS_REGION"),
        (405, "MethodNotAllowed", r"does not answer as it should \(405, MethodNotAllowed\)"),
        (416, "InvalidRange", r"does not answer as it should \(416, InvalidRange\)"),
    ],
)
def test_a_refusal_that_stays_is_said_at_once(url: str, proxy: Unruly, status: int, code: str, words: str) -> None:
    client = Client(url, 60)
    tag = client.put("b.bin", b"x" * 200)
    proxy.requests.clear()
    proxy.change = lambda answer: answer.refuse(status, code)
    with pytest.raises(ObjectFailure, match=words):
        client.read("b.bin", tag, 0, 100)
    with pytest.raises(ObjectFailure, match=words):
        client.whole("b.bin")
    assert len(proxy.requests) == 2


def test_a_client_of_another_time_is_told_to_set_the_clock(url: str, proxy: Unruly, tmp_path: Path) -> None:
    proxy.change = lambda answer: answer.refuse(403, "RequestTimeTooSkewed")
    result = CliRunner().invoke(main, ["check", url], env={"RNAGET_CACHE_DIRECTORY": str(tmp_path / "cache")})
    assert result.exit_code == 1
    assert f"the clock of this machine and that of {url} differ: set this machine's, as by NTP" in result.output


def test_a_place_that_sends_drop_by_drop_is_not_waited_for(url: str, proxy: Unruly) -> None:
    tag = Client(url, 60).put("b.bin", b"x" * 4000)
    client = Client(url, 4)
    proxy.delay = 0.05
    began = time.monotonic()
    asked: list[float] = []

    def mood(method: str, path: str) -> str:
        asked.append(time.monotonic())
        return "503" if asked[-1] < began + 2 else "drip"

    proxy.mood = mood
    with pytest.raises(ObjectFailure, match="does not answer"):
        client.read("b.bin", tag, 0, 4000)
    # Half of the time, and not all of it.
    assert time.monotonic() - asked[-1] < 3.5
    # One that drips once is asked again.
    drips = iter(("drip",))
    proxy.mood = lambda method, path: next(drips, CALM)
    assert Client(url, 8).read("b.bin", tag, 0, 4000) == b"x" * 4000


@pytest.mark.parametrize("status", ["503", "429"])
def test_all_requests_pause_for_a_place_that_asks_for_fewer(url: str, proxy: Unruly, status: str) -> None:
    client = Client(url, 20)
    tag = client.put("b.bin", b"x" * 1000)
    refused = iter(range(5))
    times: list[float] = []

    def mood(method: str, path: str) -> str:
        times.append(time.monotonic())
        return CALM if next(refused, None) is None else status

    proxy.mood = mood
    assert client.read("b.bin", tag, 0, 1000) == b"x" * 1000
    assert len(times) == 6
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert waits[0] > 0.02 and waits[-1] > 0.3  # they grow
    # A pause is not cut short by one who has to wait for less.
    client._quiet_until = far_off = time.monotonic() + 3
    refused = iter(range(1))
    monkeypatched = client._be_quiet
    client._be_quiet = lambda: None  # type: ignore[method-assign]
    client.read("b.bin", tag, 0, 10)
    client._be_quiet = monkeypatched  # type: ignore[method-assign]
    assert client._quiet_until == far_off


def test_what_stores_say_is_put_in_words() -> None:
    from rnaget_server.storage.objects.failures import failure_of

    class GenericError(Exception):
        """As the library names it."""

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
