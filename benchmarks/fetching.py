"""Downloads by the client, compared with curl: one large file, and many blocks over a connection with latency."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rnaget
from benchmarks.material import Material
from benchmarks.measure import Note, Row, side_by_side
from benchmarks.servers import HOST, answers, free_port
from benchmarks.static import TICKET

_LARGE = 500_000_000
_QUICK = 200_000_000
_BLOCKS, _BLOCK = 100, 100_000
_LATENCY = 0.02
_WORKERS = 4
_LEAST_LARGE, _LEAST_BLOCKS = 0.9, 1.5
_SEED = 20_261_126
_PATIENCE = 20.0


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield both downloads; each is written to a file, by one program and the other in turns."""
    curl = shutil.which("curl")
    if curl is None:
        yield Note("client: curl is not installed")
        return
    material.directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        directory, repeats = Path(name), max(3, material.size.slow_repeats)
        size = _QUICK if material.size.name == "quick" else _LARGE
        _write(directory, size)
        output = directory / "output"
        with _server(directory, 0) as address:
            large = f"{address}/large"
            taken = side_by_side(
                {
                    "rnaget.get": lambda _: _got(large, output, size),
                    "curl": lambda _: _curled(curl, [large], output, size),
                },
                repeats,
            )
        yield Row(f"a file of {size // 10**6} MB", "curl", taken["rnaget.get"], taken["curl"], least=_LEAST_LARGE)
        with _server(directory, _LATENCY) as address:
            blocks = [f"{address}/block-{number:03}" for number in range(_BLOCKS)]
            taken = side_by_side(
                {
                    "rnaget.get": lambda _: _got(f"{address}{TICKET}", output, _BLOCKS * _BLOCK),
                    "curl": lambda _: _curled(curl, blocks, output, _BLOCKS * _BLOCK),
                },
                repeats,
            )
        what = f"{_BLOCKS} blocks at {_LATENCY * 1000:.0f} ms"
        yield Row(what, "curl, over one connection", taken["rnaget.get"], taken["curl"], least=_LEAST_BLOCKS)


def _write(directory: Path, size: int) -> None:
    chance = random.Random(_SEED)
    piece = chance.randbytes(10_000_000)
    with (directory / "large").open("wb") as file:
        for _ in range(size // len(piece)):
            file.write(piece)
    for number in range(_BLOCKS):
        (directory / f"block-{number:03}").write_bytes(chance.randbytes(_BLOCK))


@contextmanager
def _server(directory: Path, latency: float) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.static", str(port), str(directory), str(latency)]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not answers(port, TICKET):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the server of files did not start")
            time.sleep(0.05)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _got(url: str, output: Path, size: int) -> None:
    rnaget.get(url, output, workers=_WORKERS)
    _check(output, size)


def _curled(curl: str, urls: list[str], output: Path, size: int) -> None:
    with output.open("wb") as file:
        subprocess.run([curl, "--silent", "--fail", *urls], stdout=file, check=True)
    _check(output, size)


def _check(output: Path, size: int) -> None:
    if output.stat().st_size != size:
        raise RuntimeError(f"{output.stat().st_size:,} bytes arrived instead of {size:,}")
    output.unlink()
