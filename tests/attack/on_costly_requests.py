"""Requests that cost the server far more than those who send them."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np

from benchmarks.servers import HOST, Server
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.attack.base import Attacks, is_within, slowness
from tests.conftest import new_study
from tests.forked import rnaget

ATTACKS = Attacks("costly requests")
GENES = 58_000
SHORT_SAMPLES, SAMPLES = 16, 256
MANY = 100_000
MIB = 1 << 20
BYTES = "/rnaget/expressions/m/bytes"
SMALL = f"{BYTES}?featureIDList=ENSG00000000005.5&format=tsv"
_STUDY = """\
id: s
expressions:
  - id: m
    file: m.h5
    units: TPM
    feature_id: gene
    feature_name: symbol
    sample_id: sample
    filters:
      kind: {attribute: kind, axis: feature}
      Kind: {attribute: kind, axis: feature, ignore_case: true}
      place: {attribute: place, axis: feature}
"""
_IDS = [f"ENSG{number:011d}" for number in range(MANY)]


def _catalog(directory: Path, samples: int) -> Path:
    """Return a catalogue of one matrix with as many genes as people have, their ids with versions."""
    study = new_study(directory / "data", _STUDY)
    genes = {
        "gene": np.array([f"ENSG{number:011d}.{number % 20}" for number in range(GENES)], object),
        "symbol": np.array([f"NAME{number}" for number in range(GENES)], object),
        "kind": np.array([f"Kind {number}" for number in range(GENES)], object),
        "place": np.arange(GENES, dtype=np.float64),
    }
    names = np.array([f"S{number}" for number in range(samples)], object)
    cells = np.random.default_rng(3).random((GENES, samples), np.float32)
    layer = LayerSource("TPM", InMemory(cells), cells.dtype, False)
    write_native(study / "m.h5", AxisTable("gene", genes), AxisTable("sample", {"sample": names}), [layer])
    return directory / "data"


@contextmanager
def server_of(directory: Path, samples: int = SHORT_SAMPLES, **settings: object) -> Iterator[Server]:
    with rnaget(_catalog(directory, samples), directory / "log", **settings) as server:
        _get(server, SMALL)
        _settle(server)
        yield server


def _settle(server: Server) -> None:
    """Wait for the index of names, which is made after the start: its memory is no request's."""
    for _ in range(60):
        with closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
            connection.request("GET", "/search/suggestions?q=x")
            if json.loads(connection.getresponse().read())["complete"]:
                return


def _post(server: Server, body: bytes, path: str = BYTES) -> int:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        message = reply.read()
        assert reply.status < 400 or json.loads(message)["message"], message[:200]
        return reply.status
    finally:
        connection.close()


def _get(server: Server, path: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def _took(ask: Callable[[], int]) -> tuple[int, float]:
    began = time.perf_counter()
    status = ask()
    return status, time.perf_counter() - began


class Beside:
    """The times of small requests that are sent all the while."""

    def __init__(self, server: Server, path: str) -> None:
        self._server = server
        self._path = path
        self._stop = threading.Event()
        self._times: list[float] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            status, seconds = _took(lambda: _get(self._server, self._path))
            assert status == 200
            self._times.append(seconds)
            time.sleep(0.005)

    @property
    def p99(self) -> float:
        return sorted(self._times)[int(len(self._times) * 0.99)] if self._times else 60.0

    @property
    def slowest(self) -> float:
        """The longest time of all."""
        return max(self._times, default=60.0)

    @classmethod
    def alone(cls, server: Server, path: str, seconds: float = 1) -> float:
        """Return the time that nothing but the machine itself makes longer."""
        with cls(server, path) as beside:
            time.sleep(seconds)
        return beside.p99


def _limit(server: Server, path: str, seconds: float, short: bool) -> float:
    """Return how long a request may take during an attack: on a fast machine `seconds` in short form, else 0.3."""
    return max((seconds if short else 0.3) * slowness(), 3 * Beside.alone(server, path, 0.3 if short else 1))


def _lists(many: int) -> dict[str, dict[str, object]]:
    """Return requests of so many values, by what they are."""
    ids = _IDS[:many]
    mixed = [f"{one}.{number % 20}" if number % 2 else one for number, one in enumerate(ids)]
    random.Random(1).shuffle(mixed)
    return {
        "missing ids": {"featureIDList": [f"ENSG9{number:010d}" for number in range(many)] + ["ENSG00000000005"]},
        "ids half with version": {"featureIDList": mixed, "sampleIDList": "S1"},
        "names": {"featureNameList": [f"NAME{number}" for number in range(many)], "sampleIDList": "S1"},
        "samples": {"sampleIDList": [f"S{number}" for number in range(many)], "featureIDList": "ENSG00000000005"},
        "ids to leave out": {"featureIDList_not": mixed[: many // 2] + ["x"] * (many // 2), "sampleIDList": "S1"},
        "values of a filter": {"kind": [f"Kind {number}" for number in range(many)], "sampleIDList": "S1"},
        "values in any case": {"Kind": [f"KIND {number}" for number in range(many)], "sampleIDList": "S1"},
        "numbers of a filter": {"place": list(range(many)), "sampleIDList": "S1"},
        "thresholds": {"feature_min_value": dict.fromkeys(ids, 0), "featureIDList": _IDS[:10]},
    }


@ATTACKS("100,000 ids, names, values and thresholds in one request, by POST and in a long URL")
def many_ids(directory: Path, short: bool) -> str:
    """One by one, each of these takes 6 s to minutes, half of them in the short form more than its limit."""
    found = {}
    with server_of(directory) as server:
        for name, parameters in _lists(MANY // 2 if short else MANY).items():
            # A threshold is a name, a number and an id: three times what an id is.
            limit = 2.0 if short else 0.6 if name == "thresholds" else 0.3
            body = json.dumps({**parameters, "format": "tsv"}).encode()
            asks = [lambda body=body: _post(server, body)]
            listed = {key: _listed(value) for key, value in parameters.items()}
            url = BYTES + "?" + "&".join(f"{key}={value}" for key, value in listed.items())
            if not short and len(url) < 4 * MIB:
                asks.append(lambda url=url: _get(server, url))
            for ask in asks:
                seconds = _first_within(ask, limit, 3 if short else 5)
                assert seconds is not None, f"{name}: longer than {limit} s at the pace of this machine"
                found[name] = max(found.get(name, 0.0), seconds)
    slowest = max(found, key=lambda name: found[name])
    return f"at most {found[slowest]:.2f} s, for {slowest}"


def _first_within(ask: Callable[[], int], limit: float, tries: int) -> float | None:
    """Return what a request took, the first time that it took no longer than it may at the pace of the machine."""
    for _ in range(tries):
        status, seconds = _took(ask)
        assert status == 200, f"status {status}"
        if is_within(seconds, limit):
            return seconds
    return None


def _listed(value: object) -> str:
    if isinstance(value, dict):
        return quote(json.dumps(value))
    return quote(",".join(map(str, value)), safe=",") if isinstance(value, list) else str(value)


@ATTACKS("bodies above the limit, with their length and in chunks")
def huge_bodies(directory: Path, short: bool) -> str:
    with server_of(directory) as server:
        grown = []
        for chunked in (False, True):
            with server.watched() as peak:
                status = _post_above(server, 64 * MIB if short else 256 * MIB, chunked)
            grown.append(peak.growth)
            assert status == 413, f"status {status}"
        assert max(grown) < 64, f"{max(grown):.0f} MB more memory"
    return f"413 both times, {max(grown):.0f} MB more memory"


def _post_above(server: Server, size: int, chunked: bool) -> int:
    pieces = (b" " * MIB for _ in range(size // MIB))
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    headers = {} if chunked else {"Content-Length": str(size)}
    try:
        connection.request("POST", BYTES, pieces, headers, encode_chunked=chunked)
        reply = connection.getresponse()
        assert json.loads(reply.read())["message"]
        connection.request("GET", SMALL)
        assert connection.getresponse().status == 200, "the connection is of no use afterwards"
        return reply.status
    finally:
        connection.close()


def _worst_bodies(size: int) -> dict[str, bytes]:
    start = b'{"featureIDList":['
    return {
        "empty lists": start + b"[]," * (size // 3) + b"1]}",
        "depth": start + b"[" * size,
        "short texts": start + b'"ab",' * (size // 5) + b"1]}",
        "escapes": start + b'"\\u1234",' * (size // 9) + b"1]}",
        "numbers": start + b"1," * (size // 2) + b"1]}",
        "one text": b'{"Tissue":"' + b"x" * size + b'"}',
        "one number": b'{"Tissue":' + b"9" * size + b"}",
        "one name": b"{" + b'"a":1,' * (size // 6) + b'"a":1}',
        "commas": b'{"featureIDList":"' + b"," * size + b'"}',
        "ids": start + b",".join(b'"ENSG%011d"' % number for number in range(size // 18)) + b"]}",
    }


@ATTACKS("eight bodies of the greatest size at once, of ten kinds of content")
def large_bodies(directory: Path, short: bool) -> str:
    """The server answers others all the while, and its memory is bounded."""
    slowest = growth = 0.0
    statuses = set()
    with server_of(directory) as server, ThreadPoolExecutor(8) as pool:
        limit = _limit(server, "/healthz", 1.0, short)
        for name, body in _worst_bodies((1 if short else 32) * MIB - 100).items():
            if short and name not in ("empty lists", "ids"):
                continue
            with Beside(server, "/healthz") as beside, server.watched() as peak:
                statuses |= set(pool.map(lambda _, body=body: _post(server, body), range(8)))
                time.sleep(0.2)
            if beside.p99 >= limit:  # others may have begun to work on this machine
                limit = max(limit, _limit(server, "/healthz", 1.0, short))
            assert beside.p99 < limit, f"{name}: /healthz took {beside.p99:.2f} s"
            # The bodies themselves, as they come and whole, and what max_request_bytes allows for the work on them.
            assert peak.growth < 640 + 2 * 8 * (1 if short else 32), f"{name}: {peak.growth:.0f} MB more memory"
            slowest, growth = max(slowest, beside.p99), max(growth, peak.growth)
    assert statuses <= {200, 400, 404, 413, 503}, f"status {statuses}"
    return f"/healthz within {slowest * 1000:.0f} ms, {growth:.0f} MB more memory, status {sorted(statuses)}"


@ATTACKS("ninety bodies of 0.9 MB at once, to hold all threads of a worker")
def starving_bodies(directory: Path, short: bool) -> str:
    count = 24 if short else 90
    body = json.dumps(
        {"featureIDList": [f"ENSG9{number:010d}" for number in range(20_000 if short else 50_000)]}
    ).encode()
    paths = (SMALL,) if short else (SMALL, "/healthz", "/rnaget/projects")
    slowest = 0.0
    statuses: set[int] = set()
    with server_of(directory) as server, ThreadPoolExecutor(count) as pool:
        for path in paths:
            limit = _limit(server, path, 2.0, short)
            with Beside(server, path) as beside:
                statuses |= set(pool.map(lambda _: _post(server, body), range(count)))
            if beside.p99 >= limit:  # others may have begun to work on this machine
                limit = _limit(server, path, 2.0, short)
            assert beside.p99 < limit, f"{path} took {beside.p99:.2f} s"
            slowest = max(slowest, beside.p99)
    return f"others within {slowest * 1000:.0f} ms, status {sorted(statuses)}"


@ATTACKS("clients that go away while their slice is selected and read")
def abandoned_work(directory: Path, short: bool) -> str:
    queries = {
        "top": f"{BYTES}?top=1&format=tsv",
        "thresholds": f"{BYTES}?feature_min_value=0.5&sampleIDList=S1,S3,S5,S7,S9&format=tsv",
        "spool": f"{BYTES}?format=tsv",
    }
    latest = 0.0
    with server_of(directory, SHORT_SAMPLES * 8 if short else SAMPLES * 4, max_bytes=10_000_000_000) as server:
        for name, path in queries.items():
            before = server.busy()
            for _ in range(4):
                with socket.create_connection((HOST, server.port)) as client:
                    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    time.sleep(0.1)
            gone = time.perf_counter()
            while time.perf_counter() - gone < 10:
                last = server.busy()
                time.sleep(0.2)
                if server.busy() - last <= 0.03:
                    break
            seconds = time.perf_counter() - gone - 0.2
            assert is_within(seconds, 2.0 if short else 0.5), f"{name}: went on for {seconds:.1f} s"
            assert server.busy() > before, f"{name}: nothing was done"
            latest = max(latest, seconds)
    return f"the worker stops within {latest:.1f} s"


@ATTACKS("headers of 60 KB with ten thousand entries, and of 4 MB")
def long_headers(directory: Path, short: bool) -> str:
    many = ",".join(f"a/b{number}" for number in range(7_000))
    headers = {
        "Accept": f"{many},text/tab-separated-values,application/json;q=0.1",
        "Accept-Encoding": many,
        "If-None-Match": ",".join(f'"{number}"' for number in range(7_000)),
        "Range": "bytes=" + ",".join("0-1" for _ in range(7_000)),
    }
    slowest = 0.0
    with server_of(directory, content_coding=True) as server:
        for name, value in headers.items():
            for path in (SMALL, "/rnaget/projects", "/nothing"):
                status, seconds = _took(lambda path=path, name=name, value=value: _get(server, path, {name: value}))
                assert status < 500, f"{name}: status {status}"
                slowest = max(slowest, seconds)
                assert is_within(seconds, 1.0 if short else 0.3), f"{name}: {path} took {seconds:.2f} s"
        status = _get(server, SMALL, {"X": "x" * (1 << 20)})
        assert status == 431, f"a header of 1 MB: status {status}"
    return f"at most {slowest * 1000:.0f} ms; 431 for a header of 1 MB"


@ATTACKS("URLs of 4 MB: a million parameters, percent signs, signatures")
def long_urls(directory: Path, short: bool) -> str:
    size = (1 if short else 4) * MIB - 1000
    queries = {
        "parameters": "a=1&" * (size // 4),
        "ids": "&".join(f"featureIDList=ENSG{number:011d}" for number in range(size // 30)),
        "names": "&".join(f"n{number}=1" for number in range(size // 11)),
        "percent signs": "featureIDList=" + "%41" * (size // 3),
        "broken percent signs": "featureIDList=" + "%" * size,
        "signatures": "_signature=1&" * (size // 13),
        "commas": "featureIDList=" + "," * size,
    }
    slowest = 0.0
    with server_of(directory, ticket_keys="a key of sixteen letters") as server, ThreadPoolExecutor(8) as pool:
        limit = _limit(server, "/healthz", 1.0, short)
        for name, query in queries.items():
            for path in (BYTES,) if short else (BYTES, "/rnaget/projects", "/nothing"):
                with Beside(server, "/healthz") as beside:
                    asked = f"{path}?{query}"
                    found = set(pool.map(lambda _, asked=asked: _get(server, asked), range(1 if short else 4)))
                assert found <= {200, 400, 403, 404, 413, 503}, f"{name}: status {found}"
                assert beside.p99 < limit, f"{name}: {path}: /healthz took {beside.p99:.2f} s"
                slowest = max(slowest, beside.p99)
    return f"/healthz within {slowest * 1000:.0f} ms"
