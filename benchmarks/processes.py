"""One worker and two: what a second one adds in throughput, what it costs in memory, and what the two share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from benchmarks.client import Client, drained, flood
from benchmarks.http import BIG, gene_targets
from benchmarks.material import Material, gene_ids
from benchmarks.measure import Figures, Row
from benchmarks.servers import memory_of, rnaget

_EQUAL_REQUESTS = 20
_GENES = 40


def rows(material: Material) -> Iterator[Row]:
    """Yield throughput, memory, and what is shared."""
    ids, _ = gene_ids(material.size.shape[0])
    some = [",".join(ids[start : start + 5]) for start in range(0, 500, 5)]
    kinds = {
        "5 genes as TSV": ([f"{BIG}tsv&featureIDList={genes}" for genes in some], 100),
        "/projects": (["/rnaget/projects"], 500),
    }
    with rnaget(material.catalogue, material.log) as one, rnaget(material.catalogue, material.log, 2) as two:
        for what, (targets, requests) in kinds.items():
            taken: dict[int, list[float]] = {1: [], 2: []}
            for server in (one, two):
                flood(server.port, targets, requests // 5, 16)
            for _ in range(material.size.whole_repeats):
                for server, workers in ((one, 1), (two, 2)):
                    taken[workers].append(flood(server.port, targets, requests, 16))
            single, double = (Figures(tuple(taken[workers])) for workers in (1, 2))
            yield Row(f"throughput of 2 workers: {what}", "1 worker", double, single, least=0)
        each = Figures(tuple(memory_of(pid) for pid in two.workers), "MB")
        yield Row("memory of each of 2 workers", "the only worker", each, Figures((one.memory(),), "MB"))
    yield from _kept(material)


def _kept(material: Material) -> Iterator[Row]:
    """Yield how often two workers keep a slice that both are asked for, and how fast a kept one is."""
    ids, _ = gene_ids(material.size.shape[0])
    target = f"{BIG}tsv&featureIDList={','.join(ids[:_GENES])}"
    with tempfile.TemporaryDirectory() as directory:
        settings = {"cache_bytes": 1 << 30, "cache_directory": directory}
        with rnaget(material.catalogue, material.log, 2, **settings) as server:
            with Client(server.port) as client:
                client.get(gene_targets(material, 1)[0])
            taken = []
            for _ in range(_EQUAL_REQUESTS):
                began = perf_counter()
                drained(server.port, target)
                taken.append(perf_counter() - began)
            kept = [path for path in Path(directory).iterdir() if path.is_file() and path.stat().st_size > 1 << 20]
    copies = Figures((float(len(kept)),), "")
    yield Row(f"copies kept of a slice that 2 workers were asked for {_EQUAL_REQUESTS} times", "", copies, most=1)
    made, again = Figures((taken[0],)), Figures(tuple(taken[2:]))
    yield Row(f"{_GENES} genes as TSV, kept", "made", again, made, least=0)
