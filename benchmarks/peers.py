"""Other programs on the same cells: loompy, anndata, h5py's lists, HSDS, tiled and pandas.

HSDS and tiled are installed into an environment of their own under ``.bench`` the first time; a peer that is not to be
had is left out, with a note.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import loompy
import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.client import Client, latencies
from benchmarks.http import BIG, gene_targets
from benchmarks.material import SMALL, UNITS, Material, made_cells
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.servers import HOST, Server, answers, free_port, rnaget
from rnaget_server.datasets.repository import open_repository
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import MatrixQuery
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.stores import layout
from rnaget_server.stores.native.dense import NativeStore

Positions = NDArray[np.int64]
_PINNED = ("hsds==1.0.2", "h5pyd==0.24.0", "tiled[server]==0.2.20")
_BUCKET = "hsdstest"
_USER = "bench"
_PATIENCE = 60.0
_READS = 10
# Run by the Python of the peers' environment: it prints the seconds of each read, after one that warms up.
_BY_H5PYD = """
import json, sys, time, h5pyd
matrix = h5pyd.File(sys.argv[1], "r")["matrix"]
taken = []
for axis, position in json.loads(sys.argv[2]):
    began = time.perf_counter()
    matrix[position] if axis == 0 else matrix[:, position]
    taken.append(time.perf_counter() - began)
print(json.dumps(taken))
"""


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield a row for each peer and read."""
    yield from _files(material)
    yield from _to_csv(material)
    tools, problem = installed((material.directory.parent / "peers").absolute(), _PINNED)
    if tools is None:
        yield Note(f"HSDS and tiled could not be installed: {problem}")
        return
    with rnaget(material.catalogue, material.log) as ours:
        for what, peer in (("HSDS", _hsds), ("tiled", _tiled)):
            try:
                yield from peer(material, tools, ours)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                yield Note(f"{what} was not measured: {error}")


def _files(material: Material) -> Iterator[Row | Note]:
    """Yield reads out of files by the libraries that people have."""
    store = NativeStore(material.native)
    random = np.random.default_rng(5)
    count = material.size.slow_repeats

    def chosen(axis: int, number: int) -> list[Positions]:
        return [np.sort(random.choice(store.shape[axis], number, replace=False)) for _ in range(count)]

    def read(features: Positions | None, samples: Positions | None) -> int:
        return sum(block.size for block in store.blocks(UNITS, features, samples))

    asked = {("genes", n): chosen(0, n) for n in (1, 50)} | {("samples", n): chosen(1, n) for n in (1, 50)}
    peers: dict[str, Callable[[str, Positions], Any]] = {}
    with (
        loompy.connect(str(material.loom), "r", validate=False) as loom,
        h5py.File(material.native, locking=False) as native,
    ):
        peers["loompy, its default layout"] = lambda axis, some: loom[some, :] if axis == "genes" else loom[:, some]
        peers["h5py lists, our file"] = lambda axis, some: (
            native[layout.MATRIX][some] if axis == "genes" else native[layout.MATRIX][:, some]
        )
        if find_spec("anndata") is None:
            yield Note("anndata was not measured: it is not installed")
        else:
            import anndata

            backed = anndata.read_h5ad(material.h5ad, backed="r")
            peers["anndata backed"] = lambda axis, some: (backed[:, some] if axis == "genes" else backed[some]).X[:]
        for (axis, number), some in asked.items():
            ways: dict[str, Callable[[int], object]] = {
                "ours": lambda n, axis=axis, some=some: (  # type: ignore[misc]
                    read(some[n], None) if axis == "genes" else read(None, some[n])
                )
            }
            for name, peer in peers.items():
                # Other cells than ours has just read, so that none finds them in a cache.
                ways[name] = lambda n, axis=axis, some=some, peer=peer: peer(axis, some[n - 1])  # type: ignore[misc]
            for number in range(count):
                ways["ours"](number)
            taken = side_by_side(ways, count)
            for name in peers:
                yield Row(
                    f"{number} {axis if number > 1 else axis[:-1]}, out of the file",
                    name,
                    taken["ours"],
                    taken[name],
                    least=0,
                )


def _to_csv(material: Material) -> Iterator[Row]:
    """Yield TSV of cells in memory against pandas."""
    import pandas as pd

    view = open_repository(Settings(data=material.catalogue)).visible_to()
    cells = made_cells(SMALL, 1)
    found = slice_by_id(view, "small", MatrixQuery()).slice
    in_memory = replace(found, layers=(replace(found.layers[0], blocks=lambda: iter((cells,))),))
    labels = (found.features.column("GeneID"), found.samples.column("Sample"))
    frame = pd.DataFrame(cells, index=labels[0], columns=labels[1])
    ways: dict[str, Callable[[int], object]] = {
        "ours": lambda _: sum(map(len, Registry(WRITERS)["tsv"]().write(in_memory).chunks)),
        "pandas": lambda _: frame.to_csv(os.devnull, sep="\t"),
    }
    taken = side_by_side(ways, material.size.slow_repeats)
    yield Row("TSV of {:,} × {:,}".format(*SMALL), "pandas.to_csv", taken["ours"], taken["pandas"], least=0)


def installed(directory: Path, packages: Sequence[str]) -> tuple[Path | None, str]:
    """Return where the programs of an environment of these packages are, or why they are not there.

    It is made the first time.
    """
    tools = directory / "bin"
    mark = directory / "installed"
    if not mark.exists() or mark.read_text() != " ".join(packages):
        print(f"installing {', '.join(packages)} …", file=sys.stderr, flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", directory], check=True, capture_output=True)
            command = [str(tools / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            return None, lines[-1] if lines else type(error).__name__
        mark.write_text(" ".join(packages))
    return tools, ""


def _hsds(material: Material, tools: Path, ours: Server) -> Iterator[Row]:
    """Yield HSDS, which reads the chunks of the same HDF5 file, against the server."""
    root = (material.directory / "hsds").absolute()
    bucket = root / _BUCKET
    bucket.mkdir(parents=True, exist_ok=True)
    _linked(material.loom, bucket / "big.h5")
    with tempfile.TemporaryDirectory(prefix="hsds-") as sockets:
        endpoint = f"http+unix://{sockets.replace('/', '%2F')}%2Fsn_1.sock"
        command = [str(tools / "hsds"), "--root_dir", str(root), "--socket_dir", sockets, "--count", "1"]
        command += ["--hs_username", _USER, "--hs_password", _USER, "--loglevel", "ERROR"]
        given = {"HS_ENDPOINT": endpoint, "HS_USERNAME": _USER, "HS_PASSWORD": _USER, "HS_BUCKET": _BUCKET}
        with _running(command, lambda: Path(sockets, "sn_1.sock").exists(), material.log):
            yield from _by_h5pyd(material, tools, ours, root, {**os.environ, **given})


def _by_h5pyd(material: Material, tools: Path, ours: Server, root: Path, environment: dict[str, str]) -> Iterator[Row]:
    def run(*words: str | Path) -> str:
        # The path of a linked file starts with the name of its bucket, and is looked for below here as well.
        ran = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
        if ran.returncode:
            raise RuntimeError((ran.stderr or ran.stdout).strip().splitlines()[-1])
        return ran.stdout

    home = f"/home/{_USER}/"
    if not (root / "loaded").exists():
        run(tools / "hstouch", "/home/")
        run(tools / "hstouch", home)
        run(tools / "hsload", "--link", f"{_BUCKET}/big.h5", f"{home}big.h5")
        (root / "loaded").touch()

    def read(axis: int, positions: list[int]) -> list[float]:
        asked = orjson.dumps([(axis, one) for one in positions]).decode()
        output = run(tools / "python", "-c", _BY_H5PYD, f"{home}big.h5", asked)
        seconds: list[float] = orjson.loads(output)
        return seconds[1:]

    yield from _by_axis(material, ours, "HSDS by h5pyd, loom default", read)


def _tiled(material: Material, tools: Path, ours: Server) -> Iterator[Row]:
    """Yield tiled, which serves the same HDF5 file, against the server."""
    served = (material.directory / "tiled").absolute()
    served.mkdir(exist_ok=True)
    _linked(material.loom, served / "big.h5")
    port = free_port()
    command = [str(tools / "tiled"), "serve", "directory", str(served), "--public", "--host", HOST, "--port", str(port)]
    with _running(command, lambda: answers(port, "/api/v1/metadata/big/matrix"), material.log):

        def read(axis: int, positions: list[int]) -> list[float]:
            parts = [f"{one},:" if axis == 0 else f":,{one}" for one in positions]
            targets = [f"/api/v1/array/full/big/matrix?slice={part}&format=application/octet-stream" for part in parts]
            with Client(port) as client:
                return latencies(client, targets)[1:]

        yield from _by_axis(material, ours, "tiled, loom default", read)


def _by_axis(
    material: Material, ours: Server, peer: str, read: Callable[[int, list[int]], list[float]]
) -> Iterator[Row]:
    """Yield one gene and one sample over HTTP; the peers send bare numbers, the server labelled TSV."""
    random = np.random.default_rng(6)
    targets = gene_targets(material, _READS + 1, seed=3), _sample_targets(material, random)
    for axis, what in enumerate(("1 gene", "1 sample")):
        with Client(ours.port) as client:
            taken = latencies(client, targets[axis])
        positions = random.choice(material.size.shape[axis], _READS + 1, replace=False).tolist()
        theirs = Figures(tuple(read(axis, positions)))
        yield Row(f"HTTP: {what} as TSV", peer, Figures(tuple(taken[1:])), theirs, least=0)


def _sample_targets(material: Material, random: np.random.Generator) -> list[str]:
    store = NativeStore(material.native)
    chosen = np.sort(random.choice(store.shape[1], _READS + 1, replace=False))
    return [f"{BIG}tsv&sampleIDList={one}" for one in store.samples.column("Sample", chosen)]


@contextmanager
def _running(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    with log.open("ab") as words:
        # A group of its own, since HSDS leaves its nodes running when it is ended.
        process = subprocess.Popen(
            command, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True
        )
    try:
        ends = time.monotonic() + _PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("it does not start")
            time.sleep(0.2)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _linked(file: Path, name: Path) -> None:
    if not name.exists() or not name.samefile(file):
        name.unlink(missing_ok=True)
        name.hardlink_to(file)
