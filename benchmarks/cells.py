"""Single cells: slices over HTTP as h5ad against what others read in process, out of files of their own.

anndata reads its own file and zarr; BPCells and TileDB-SOMA run in an environment of their own under ``.bench``, where
they are installed the first time. A peer that is not to be had is left out, with a note.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from types import TracebackType
from typing import IO, Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks import cells_peers
from benchmarks.cells_material import GENES, MATRIX, WIDE, Cells, gene_ids
from benchmarks.client import Client, drained
from benchmarks.import_runs import export_command, run
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.memory import formats_of
from benchmarks.peers import installed
from benchmarks.servers import Server, rnaget
from rnaget_server.datasets.repository import open_repository
from rnaget_server.model.sparse import Direction
from rnaget_server.query import parse_matrix_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id

_COUNTS = {"quick": 200_000}
_COUNT = 1_000_000
_OTHERS = ("bpcells", "tiledbsoma")
PEERS = ("anndata", "zarr", *_OTHERS)
_PINNED = ("tiledbsoma==2.3.0", "bpcells==0.3.0rc2", "anndata==0.12.19")
_TARGET = f"/rnaget/expressions/{MATRIX}/bytes?format="
_AS_H5AD = ", as h5ad"
"""Stands behind the name of a peer that writes the same file, where it would else give a matrix without labels."""

_COMPRESSED = ("h5ad", "loom")
_EXPORTED = (
    *("10x", "csv", "csv.gz", "csv.long", "gct", "gct.gz", "gctx", "h5ad", "h5mu", "loom", "mtx", "tsv", "tsv.long"),
    *("tsv.long.gz", "zarr"),
)
_GROWTH = 64
_OF_EXPORT = 200
_MEANS = 0.1
_TIMES_WRITING = 2
_WRITE = """
import anndata, sys, time
cells = anndata.read_h5ad(sys.argv[1])
began = time.perf_counter()
cells.write_h5ad(sys.argv[2], compression=sys.argv[3] or None)
print(time.perf_counter() - began)
"""
_STORED = 20_000_000
_IDLE, _PATIENCE = 0.02, 240
_QUIET = 5
"""Seconds without work after which a worker has nothing left to do: where others use the machine, it waits long."""

_FEWER = 2
"""Repeats of a peer that has to read its whole file for it, or takes half a minute for a slice of a million cells."""
_BY_CELL = ("anndata", "zarr")
_SLOW = ("tiledbsoma", f"tiledbsoma{_AS_H5AD}")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class _Ask:
    """A slice, and the limits of its ratio to the peers (ours ÷ peer)."""

    what: str
    kind: str
    count: int
    limits: Mapping[str, float]
    query: str = ""
    format: str = "h5ad"


_ASKS = (
    _Ask("1 gene", "genes", 1, {}),
    _Ask("100 genes", "genes", 100, {f"bpcells{_AS_H5AD}": 1, "tiledbsoma": 1}),
    _Ask("1,000 scattered cells", "cells", 1_000, {f"bpcells{_AS_H5AD}": 1, "tiledbsoma": 1}),
    _Ask("10,000 scattered cells", "cells", 10_000, {"anndata": 2}),
    _Ask("means of 20 genes by cell type", "means", 20, {}, "&group_by=cell_type&summary=mean", "tsv"),
)


def rows(material: Material, names: Sequence[str] = PEERS) -> Iterator[Row | Note]:
    """Yield each slice against each peer, what a gene takes in other formats, and the memory of the worker."""
    count = _COUNTS.get(material.size.name, _COUNT)
    cells = Cells((material.directory.parent / "cells" / str(count)).absolute(), count)
    catalogue = cells.catalogue
    with ExitStack() as stack:
        server = stack.enter_context(rnaget(catalogue, material.directory.parent / "cells.log"))
        peers, notes = _peers(names, cells, material.directory.parent, stack)
        yield from notes
        for ask in _ASKS:
            yield from _against_peers(ask, cells, server, peers, material.size.slow_repeats * 2 + 1)
        yield from _formats(server, material.size.slow_repeats * 4)
        yield from _import(cells, peers)
    yield from _out_of_store(cells, material.size.slow_repeats * 2)
    yield from _memory(cells, material.directory.parent / "cells.log")


def _against_peers(ask: _Ask, cells: Cells, server: Server, peers: Mapping[str, _Peer], repeats: int) -> Iterator[Row]:
    random = np.random.default_rng(ask.count)
    size = cells.count if ask.kind == "cells" else GENES
    drawn = [np.sort(random.choice(size, ask.count, replace=False)) for _ in range(2 * repeats + 2)]
    products = {name: (peer, "matrix") for name, peer in peers.items()}
    products |= {
        f"{name}{_AS_H5AD}": (peers[name], "h5ad") for name in _OTHERS if name in peers and ask.kind != "means"
    }
    processor: dict[str, list[float]] = {name: [] for name in ("ours", *products)}

    def ours(number: int) -> None:
        before = server.busy()
        # While a peer is at it, a server cuts a connection on which nothing is asked.
        with Client(server.port) as client:
            client.post(f"{_TARGET}{ask.format}{ask.query}", _body(ask, cells, drawn[number]))
        processor["ours"].append(server.busy() - before)

    def theirs(name: str, peer: _Peer, product: str) -> Callable[[int], float]:
        def call(number: int) -> float:
            # Other cells than have just been read, so that none finds them in a cache.
            seconds, busy, _ = peer.ask(ask.kind, drawn[number - 1 - repeats * (product != "matrix")], product)
            processor[name].append(busy)
            return seconds

        return call

    ways: dict[str, Callable[[int], object]] = {
        "ours": ours,
        **{name: theirs(name, *of) for name, of in products.items()},
    }
    slow = {name: _FEWER for name in products if name in (_SLOW if ask.kind == "cells" else _SLOW + _BY_CELL)}
    taken = side_by_side(ways, repeats, slow)
    busy = {name: Figures((float(np.mean(seconds[1:])),)) for name, seconds in processor.items()}
    if ask.kind == "means":
        yield Row(f"{ask.what}, time of the processor", "", busy["ours"], most=_MEANS)
    for name in products:
        yield Row(f"{ask.what} of {cells.count:,} cells", name, taken["ours"], taken[name], most=ask.limits.get(name))
        yield Row(f"{ask.what}, time of the processor", name, busy["ours"], busy[name])


def _body(ask: _Ask, cells: Cells, positions: Positions) -> bytes:
    ids = ("sampleIDList", cells.ids(positions)) if ask.kind == "cells" else ("featureIDList", gene_ids(positions))
    return json.dumps(dict([ids])).encode()


def _formats(server: Server, repeats: int) -> Iterator[Row]:
    """Yield one gene as h5ad and as loom against the same as TSV."""
    busy: dict[str, list[float]] = {format: [] for format in ("h5ad", "loom", "tsv")}

    def get(client: Client, format: str) -> Callable[[int], object]:
        def call(number: int) -> None:
            before = server.busy()
            client.get(f"{_TARGET}{format}&featureIDList={gene_ids(np.array([number * 997 % GENES]))[0]}")
            busy[format].append(server.busy() - before)

        return call

    with Client(server.port) as client:
        taken = side_by_side({format: get(client, format) for format in busy}, repeats)
    # A clock of a hundredth of a second says something of many requests alone.
    processor = {format: Figures((float(np.mean(seconds[1:])),)) for format, seconds in busy.items()}
    for format, most in (("h5ad", 2), ("loom", None)):
        yield Row(f"1 gene as {format}", "the same as TSV", taken[format], taken["tsv"], most=most)
        yield Row(f"1 gene as {format}, time of the processor", "as TSV", processor[format], processor["tsv"])


def _out_of_store(cells: Cells, repeats: int) -> Iterator[Row]:
    """Yield how long 20 million stored cells take out of the store, by the time of the processor, in process."""
    view = open_repository(Settings(data=cells.catalogue)).visible_to()
    random = np.random.default_rng(7)
    for ask in _ASKS[1:4]:
        direction: Direction = "samples" if ask.kind == "cells" else "features"
        figures = []
        for _ in range(repeats + 1):
            drawn = np.sort(random.choice(cells.count if ask.kind == "cells" else GENES, ask.count, replace=False))
            query = parse_matrix_query([*json.loads(_body(ask, cells, drawn), object_pairs_hook=_pairs)], ())
            sparse = slice_by_id(view, MATRIX, query).slice.layers[0].sparse
            assert sparse is not None
            began = process_time()
            stored = sum(len(piece.data) for piece in sparse.compressed_along(direction))
            figures.append((process_time() - began) * _STORED / stored)
        what = f"20 million stored cells out of the store by {ask.what}, time of the processor"
        yield Row(what, "", Figures(tuple(figures[1:])), most=1)


def _pairs(members: list[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in members for value in values]


def _import(cells: Cells, peers: Mapping[str, _Peer]) -> Iterator[Row]:
    """Yield how long it took to make what each side reads, if that was in this run, and to write it by anndata."""
    ours, what = cells.seconds.get("catalogue"), f"import of {cells.count:,} cells"
    if ours is None:
        return
    for name, peer in peers.items():
        if name != "anndata":
            yield Row(what, name, Figures((ours,)), Figures((peer.made_in,)), least=0)
    for compression in ("gzip", None):
        with TemporaryDirectory(dir=cells.directory) as directory:
            written = [cells.h5ad, Path(directory, "cells.h5ad"), compression or ""]
            command = [sys.executable, "-W", "ignore", "-c", _WRITE, *written]
            seconds = Figures((float(subprocess.run(command, check=True, capture_output=True).stdout),))
        writer = "anndata.write_h5ad" + (f", {compression}" if compression else "")
        yield Row(what, writer, Figures((ours,)), seconds, most=_TIMES_WRITING)


def _memory(cells: Cells, log: Path) -> Iterator[Row]:
    """Yield how much a worker grows: while it sends some cells and all, and some genes of all cells in each format.

    What a worker keeps of a matrix once it was asked for (labels, indexes and tables of chunks) is there before: it is
    bounded for all matrices together, see the cache of arrays in docs/limits.md.
    """
    some = _body(_ASKS[3], cells, np.arange(0, cells.count, cells.count // 10_000))
    genes = gene_ids(np.arange(0, GENES, GENES // 100))
    asked = [("10,000 scattered cells", "h5ad", some), ("the whole matrix", "h5ad", b"{}")]
    with rnaget(cells.catalogue, log) as server:
        formats = formats_of(server, "expressions")
    for format in (*formats, *(f"{format}&compression=gzip" for format in _COMPRESSED)):
        chosen, of = {"featureIDList": genes}, ""
        if format in WIDE:
            chosen["sampleIDList"] = cells.ids(np.arange(min(cells.count, WIDE[format])))
            of = f" of {len(chosen['sampleIDList']):,} cells"
        asked.append((f"100 genes{of}", format, json.dumps(chosen).encode()))
    for what, format, body in asked:
        with rnaget(cells.catalogue, log) as server:
            _warm(cells, server, format)
            with server.watched() as peak:
                drained(server.port, f"{_TARGET}{format}", body)
        yield Row(f"growth of the worker, {what} as {format}", "", Figures((peak.growth,), "MB"), most=_GROWTH)
    yield from _exports(cells, genes)


def _exports(cells: Cells, genes: Sequence[str]) -> Iterator[Row]:
    """Yield the memory of the command `export` while it writes some genes of all cells in each format."""
    for format in _EXPORTED:
        with TemporaryDirectory(dir=cells.directory) as directory:
            output = Path(directory, "exported.zip" if format == "mtx" else "exported")
            peak = run(export_command(cells.catalogue, MATRIX, output, format, genes))
        yield Row(f"memory of export, 100 genes as {format}", "", Figures((peak,), "MB"), most=_OF_EXPORT)


def _warm(cells: Cells, server: Server, format: str) -> None:
    """Ask for a gene in a format and for a cell, so that what is kept of the matrix is there, and wait."""
    few = f"&sampleIDList={cells.ids(np.array([0]))[0]}" if format in WIDE else ""
    drained(server.port, f"{_TARGET}{format}&featureIDList={gene_ids(np.array([1]))[0]}{few}")
    drained(server.port, f"{_TARGET}h5ad", _body(_ASKS[2], cells, np.array([0])))
    wait_until_idle(server)


def wait_until_idle(server: Server) -> None:
    """Wait for the index of names, which a worker makes after its start: it is none of what a reply takes."""
    busy, ends = -1.0, perf_counter() + _PATIENCE
    while server.busy() - busy > _IDLE and perf_counter() < ends:
        busy = server.busy()
        sleep(_QUIET)


class _Peer:
    """A peer in a process of its own; see `cells_peers`."""

    def __init__(self, name: str, python: Path, cells: Cells, codes: Path) -> None:
        self.name = name
        # Without -P, modules of this package would pass for those of the standard library.
        command: list[str | Path] = [
            python,
            "-P",
            "-W",
            "ignore",
            cells_peers.__file__,
            name,
            cells.h5ad,
            cells.directory,
            codes,
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.made_in: float = self._line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe(self._process.stdin).close()
        self._process.wait()

    def ask(self, kind: str, positions: Positions, product: str) -> tuple[float, float, int]:
        """Return the seconds by the clock and by the processor, and the number of stored cells; see `cells_peers`."""
        pipe = self._pipe(self._process.stdin)
        pipe.write(json.dumps([kind, positions.tolist(), product]) + "\n")
        pipe.flush()
        seconds, busy, stored = self._line()
        return seconds, busy, stored

    def _line(self) -> Any:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}")
        return json.loads(line)

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def _peers(
    names: Sequence[str], cells: Cells, directory: Path, stack: ExitStack
) -> tuple[dict[str, _Peer], list[Note]]:
    """Return the peers that are to be had of those named, and why others are not."""
    codes = cells.directory / "types.npy"
    with h5py.File(cells.h5ad, locking=False) as file:
        np.save(codes, file["obs/cell_type/codes"][()].astype(np.int64))
    notes = []
    pythons = {name: Path(sys.executable) for name in names if name not in _OTHERS}
    if others := [name for name in names if name in _OTHERS]:
        tools, problem = installed((directory / "cells-peers").absolute(), _PINNED)
        if tools is None:
            notes.append(Note(f"BPCells and TileDB-SOMA could not be installed: {problem}"))
        else:
            pythons |= dict.fromkeys(others, tools / "python")
    peers: dict[str, _Peer] = {}
    for name, python in pythons.items():
        began = perf_counter()
        try:
            peers[name] = stack.enter_context(_Peer(name, python, cells, codes))
        except (OSError, RuntimeError) as error:
            notes.append(Note(f"{name} was not measured: {error}"))
        print(f"cells: {name} is there after {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return peers, notes
