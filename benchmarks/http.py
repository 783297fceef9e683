"""Over HTTP: one gene, every route that answers with JSON, and a client next to readers that have stopped reading."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import numpy as np
import orjson

from benchmarks.client import Client, connected, flood, latencies, p99
from benchmarks.floor import Floor
from benchmarks.material import UNITS, Material, gene_ids, sample_ids
from benchmarks.measure import Figures, Row, side_by_side
from benchmarks.servers import HOST, Server, bare, rnaget
from rnaget_server.stores.native.dense import NativeStore

BIG = "/rnaget/expressions/big/bytes?format="
_OF_CATALOGUE = (
    *("projects", "projects/made", "projects/filters", "studies", "studies/gtex_like", "studies/filters"),
    *("service-info", "expressions/formats", "expressions/units", "expressions/filters"),
    *("continuous/formats", "continuous/filters"),
)
# The replies of these are looked up in data files, in a thread.
_OF_DATA = (
    *("expressions/info", "expressions/big/info", "expressions/big/samples?limit=10", "expressions/big/ticket"),
)
_REQUESTS = 200
_LATENCIES = 300
_RUNS = 3
_READERS = 100
_WARMING = 4.0
_SETTLED_WITHIN = 60.0
_BUFFER = 1 << 16


def rows(material: Material) -> Iterator[Row]:
    """Yield one gene, the JSON routes, and the latency of a client next to readers that stop or are slow."""
    with rnaget(material.catalogue, material.log) as ours, bare(material.log) as plain:
        yield _one_gene(material, ours, plain)
        yield from _json_routes(material, ours, plain)
        yield from _beside_readers(material, ours)


def gene_targets(material: Material, count: int, format: str = "tsv", seed: int = 0) -> list[str]:
    """Return what to ask for `count` genes, one each, all samples."""
    ids, _ = gene_ids(material.size.shape[0])
    chosen = np.random.default_rng((1, seed)).choice(len(ids), count, replace=False)
    return [f"{BIG}{format}&featureIDList={ids[one]}" for one in chosen]


def _one_gene(material: Material, ours: Server, plain: Server) -> Row:
    store = NativeStore(material.native)
    floor = Floor(material.native)
    count = material.size.repeats
    chosen = np.random.default_rng(2).choice(store.shape[0], count, replace=False)
    floors = [floor.reader(np.array([one]), None) for one in chosen]
    targets = gene_targets(material, count)
    cells = [next(iter(store.blocks(UNITS, np.array([one]), None))) for one in chosen]
    for read in floors:
        read()
    with Client(ours.port) as client, Client(plain.port) as other:
        ways: dict[str, Callable[[int], object]] = {
            "ours": lambda number: client.get(targets[number]),
            "floor": lambda number: floors[number](),
            "orjson": lambda number: orjson.dumps(cells[number], option=orjson.OPT_SERIALIZE_NUMPY),
            "bare": lambda _: other.get("/small"),
        }
        taken = side_by_side(ways, count)
    parts = (taken[name].values for name in ("floor", "orjson", "bare"))
    limit = Figures(tuple(map(sum, zip(*parts, strict=True))))
    return Row("HTTP: 1 gene, all samples, TSV", "floor + orjson + a bare JSON reply", taken["ours"], limit, most=2)


def _json_routes(material: Material, ours: Server, plain: Server) -> Iterator[Row]:
    ways: dict[str, Callable[[int], object]] = {"bare": lambda _: flood(plain.port, ["/small"], _REQUESTS)}
    for route in (*_OF_CATALOGUE, *_OF_DATA):
        ways[route] = partial(_flooded, ours.port, f"/rnaget/{route}")
    taken = side_by_side(ways, max(3, material.size.slow_repeats))
    for route in (*_OF_CATALOGUE, *_OF_DATA):
        least = 0.7 if route in _OF_CATALOGUE else 0
        yield Row(f"HTTP: /{route}", "a bare JSON reply", taken[route], taken["bare"], least=least)


def _flooded(port: int, target: str, _: int) -> float:
    return flood(port, [target], _REQUESTS)


def _beside_readers(material: Material, ours: Server) -> Iterator[Row]:
    """Yield the p99 of another client next to 100 readers, against its p99 without them, and what memory they take."""
    whole = BIG + "tsv"
    few = ",".join(sample_ids(10))
    genes = [f"{target}&sampleIDList={few}" for target in gene_targets(material, _LATENCIES, seed=1)]
    asked = {"1 gene × 10 samples": genes, "/projects": ["/rnaget/projects"] * _LATENCIES}
    kinds = {"stop reading": _stopped, "read slowly": _slow}
    with Client(ours.port) as client:
        alone = {what: _tails(client, targets) for what, targets in asked.items()}
    beside: dict[tuple[str, str], Figures] = {}
    memory: dict[str, Figures] = {}
    for kind, readers in kinds.items():
        before = ours.memory()
        with readers(ours, whole), Client(ours.port) as client:
            for what, targets in asked.items():
                beside[kind, what] = _tails(client, targets)
            memory[kind] = Figures((ours.memory() - before,), "MB")
        settle(ours)
    for (kind, what), figures in beside.items():
        # Slow readers keep the server at work; only those that stop have a target.
        most = 3.0 if kind == "stop reading" else None
        label = f"p99 of {what} next to {_READERS} clients that {kind}"
        yield Row(label, "its p99 without them", figures, alone[what], most=most)
    for kind, grown in memory.items():
        yield Row(f"memory for {_READERS} clients that {kind}", "", grown)


def _tails(client: Client, targets: Sequence[str]) -> Figures:
    """Return the p99 of some runs through the targets, after a few that warm up."""
    latencies(client, targets[:20])
    return Figures(tuple(p99(latencies(client, targets)) for _ in range(_RUNS)))


@contextmanager
def _stopped(server: Server, target: str) -> Iterator[None]:
    """Have clients that ask for the whole matrix and then read nothing."""
    with ExitStack() as stack:
        for _ in range(_READERS):
            one = stack.enter_context(connected(server.port, _BUFFER))
            one.sendall(request(server.port, target))
        settle(server)
        yield


@contextmanager
def _slow(server: Server, target: str) -> Iterator[None]:
    """Have clients, in a process of their own, that read a megabyte a second between them."""
    process = multiprocessing.get_context("spawn").Process(target=read_slowly, args=(server.port, target), daemon=True)
    process.start()
    try:
        time.sleep(_WARMING)
        yield
    finally:
        process.terminate()
        process.join()


def read_slowly(port: int, target: str, seconds: float = 120.0) -> None:
    """Read the same reply through many connections, a little from each in turn."""
    clients = [connected(port, _BUFFER) for _ in range(_READERS)]
    for one in clients:
        one.sendall(request(port, target))
        one.setblocking(False)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for one in clients:
            with suppress(BlockingIOError):
                one.recv(10_000)
            time.sleep(0.01)


def request(port: int, target: str) -> bytes:
    """Return the bytes of a GET."""
    return f"GET {target} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()


def settle(server: Server, idle: Sequence[float] = (0.2, 0.02)) -> None:
    """Wait until the server takes less than `idle[1]` seconds of processor time in `idle[0]` seconds."""
    ends = time.monotonic() + _SETTLED_WITHIN
    while time.monotonic() < ends:
        before = server.busy()
        time.sleep(idle[0])
        if server.busy() - before < idle[1]:
            return
