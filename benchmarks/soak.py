"""Random queries in all formats for a while, every reply compared with pandas on the source cells."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from benchmarks import soak_cells
from benchmarks.client import Client, Reply
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row
from benchmarks.memory import formats_of
from benchmarks.readers import READERS, Table
from benchmarks.servers import Server, rnaget
from benchmarks.soak_data import Source, make_source
from benchmarks.soak_queries import Query, matrix_query, track_query
from rnaget_server.writers.prepared import KEPT_FILES

_CLIENTS = 3
_WORKERS = 2
_CACHE_BYTES = 256 << 20
_SHOWN = 3
_SEED = 20_261_122
_WARM_SHARE = 0.2
_CLOSING = 1.0
_TRACK_SHARE = 0.3
_CELLS_SHARE = 0.2
_POST_SHARE = 0.2
_TAGGED_SHARE = 0.1
_PER_CONNECTION = 20
_PREPARING = ("loom", "h5ad")
"""The formats whose writers keep the beginnings of files."""


@dataclass
class Tally:
    """The results of the clients so far."""

    compared: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, query: Query, difference: str | None) -> None:
        """Count a reply."""
        with self._lock:
            self.compared[query.format if query.status == 200 else "refusals"] += 1
            if difference is not None:
                self.differing.append(f"{query.path}?{urlencode(query.given)[:300]}: {difference[:300]}")


def rows(material: Material, seconds: float) -> Iterator[Row | Note]:
    """Yield how many replies were compared and how many differ, and what the workers hold at the end."""
    data = material.directory.parent / "soak"
    shutil.rmtree(data, ignore_errors=True)
    source = make_source(data)
    tally = Tally()
    with tempfile.TemporaryDirectory() as kept:
        settings = {"cache_bytes": _CACHE_BYTES, "cache_directory": kept}
        with rnaget(data, material.log, _WORKERS, **settings) as server:
            _clients(server, source, tally, seconds * _WARM_SHARE, 0)
            descriptors, memory = _left_open(server), server.memory()
            _clients(server, source, tally, seconds * (1 - _WARM_SHARE), _CLIENTS)
            descriptors, memory = _left_open(server) - descriptors, server.memory() - memory
            prepared = Figures((float(server.prepared()),), "")
    formats = ", ".join(f"{count:,} {name}" for name, count in sorted(tally.compared.items()))
    compared = Figures((float(tally.compared.total()),), "")
    yield Row(f"soak of {seconds:.0f} s: replies compared", formats, compared)
    yield Row("soak: replies that differ from pandas", "", Figures((float(len(tally.differing)),), ""), most=0)
    yield Row("soak: growth of memory after the first fifth", "", Figures((memory,), "MB"), most=64)
    yield Row("soak: files and sockets left open", "", Figures((float(descriptors),), ""), most=0)
    most_prepared = _WORKERS * len(_PREPARING) * KEPT_FILES
    yield Row("soak: beginnings of files kept for later replies", "", prepared, most=most_prepared)
    yield from (Note(f"soak: {one}") for one in tally.differing[:_SHOWN])
    yield from soak_cells.rows(material, seconds * _CELLS_SHARE)


def _left_open(server: Server) -> int:
    """Return how many files and sockets stay open; those of clients that have gone are closed a moment later."""
    before, now = server.descriptors() + 1, server.descriptors()
    while now < before:
        time.sleep(_CLOSING)
        before, now = now, server.descriptors()
    return now


def _clients(server: Server, source: Source, tally: Tally, seconds: float, seed: int) -> None:
    ends = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_ask, args=(server, source, tally, ends, seed + number)) for number in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ask(server: Server, source: Source, tally: Tally, ends: float, seed: int) -> None:
    """Ask and compare until time is up."""
    random = np.random.default_rng((_SEED, seed))
    listed = {
        group: [one for one in formats_of(server, group) if one in READERS] for group in ("expressions", "continuous")
    }
    with tempfile.TemporaryDirectory() as directory:
        while time.monotonic() < ends:
            # Each connection is with one worker.
            with Client(server.port) as client:
                for _ in range(_PER_CONNECTION):
                    query = _some_query(random, source, listed)
                    difference = _difference(client, random, query, Path(directory))
                    tally.add(query, difference)
                    if difference is not None or time.monotonic() >= ends:
                        break


def _some_query(random: np.random.Generator, source: Source, listed: dict[str, list[str]]) -> Query:
    tracks = random.random() < _TRACK_SHARE
    format = str(random.choice(listed["continuous" if tracks else "expressions"]))
    return (track_query if tracks else matrix_query)(random, source, format)


def _difference(client: Client, random: np.random.Generator, query: Query, directory: Path) -> str | None:
    """Return in what the reply to a query differs from what it must be, None if it is right."""
    try:
        return _found_difference(client, random, query, directory)
    except Exception as error:  # any error is a finding, and the soak goes on
        return f"{type(error).__name__}: {error}"


def _found_difference(client: Client, random: np.random.Generator, query: Query, directory: Path) -> str | None:
    target = f"{query.path}?{urlencode(query.given)}"
    if random.random() < _POST_SHARE:
        reply = client.post(query.path, json.dumps(dict(query.given)).encode(), None)
    else:
        reply = client.get(target, None)
    if reply.status != query.status:
        return f"status {reply.status}, not {query.status}: {reply.body[:200]!r}"
    if reply.status != 200:
        return None
    if random.random() < _TAGGED_SHARE and (wrong := _not_unchanged(client, target, reply)):
        return wrong
    found = READERS[query.format](bytes(reply.body), directory)
    return _compared(found.turned() if query.tracks and query.format == "h5ad" else found, query)


def _not_unchanged(client: Client, target: str, reply: Reply) -> str | None:
    again = client.get(target, None, If_None_Match=reply.headers["etag"])
    return None if again.status == 304 else f"status {again.status} to the ETag of an unchanged reply"


def _compared(found: Table, query: Query) -> str | None:
    expected = query.expected
    assert expected is not None
    if query.joined:
        found, expected = _in_order(found), _in_order(expected)
    if found.rows != expected.rows:
        return f"rows {found.rows[:3]} … ({len(found.rows)}), not {expected.rows[:3]} … ({len(expected.rows)})"
    if found.columns != expected.columns:
        return f"columns {(found.columns or [])[:3]} …, not {(expected.columns or [])[:3]} …"
    if found.cells.shape != expected.cells.shape:
        return f"shape {found.cells.shape}, not {expected.cells.shape}"
    # Texts hold the shortest form of a float32.
    cells, wanted = found.cells.astype(np.float32), expected.cells.astype(np.float32)
    if query.about:
        same = np.isclose(cells, wanted, rtol=1e-5, atol=1e-6, equal_nan=True)
    else:
        same = (cells == wanted) | (np.isnan(cells) & np.isnan(wanted))
    return None if same.all() else f"{np.sum(~same):,} of {same.size:,} cells differ"


def _in_order(table: Table) -> Table:
    """Return the table with its rows sorted, since a join is free to order them."""
    order = sorted(range(len(table.rows)), key=table.rows.__getitem__)
    return Table([table.rows[one] for one in order], table.columns, table.cells[order])
