"""Whole-matrix downloads in every format: how fast, with how much memory, and what is left when clients go away."""

from __future__ import annotations

import shutil
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import perf_counter

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.client import Client, connected, drained
from benchmarks.http import BIG, gene_targets, request, settle
from benchmarks.material import UNITS, Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.servers import HOST, Server, bare, rnaget
from rnaget_server.stores.native.dense import NativeStore

_MOST_GROWTH = 64.0
_LEAVING = 10
_GIVEN_UP = 10.0


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield the rows of whole-matrix downloads, and of clients that leave; each format has a new server."""
    with _served(material) as ours:
        formats = formats_of(ours, "expressions")
        yield from _text(material, ours)
    with _served(material) as ours:
        yield from _loom(material, ours)
    for format in formats:
        if format not in ("tsv", "loom"):
            with _served(material) as ours:
                yield from _whole(material, ours, format)
    with _served(material) as ours:
        yield _leaving(material, ours, formats)


def _served(material: Material) -> Server:
    return rnaget(material.catalogue, material.log)


def formats_of(server: Server, group: str) -> list[str]:
    """Return the formats that the server lists."""
    with Client(server.port) as client:
        formats: list[str] = orjson.loads(client.get(f"/rnaget/{group}/formats").body)
        return formats


def _text(material: Material, ours: Server) -> Iterator[Row]:
    store = NativeStore(material.native)
    seconds: list[float] = []
    bare_writing: list[float] = []
    _, growth = _watched(material, ours, "tsv")
    for _ in range(material.size.whole_repeats):
        began = perf_counter()
        received = drained(ours.port, BIG + "tsv")
        seconds.append(perf_counter() - began)
        alone, size = by_orjson(store.blocks(UNITS, None, None))
        bare_writing.append(alone * received / size)
    figures = Figures(tuple(seconds)), Figures(tuple(bare_writing))
    yield Row("HTTP: whole matrix, TSV", "orjson alone, as many bytes", *figures, least=0.7)
    yield growth


def by_orjson(blocks: Iterable[NDArray[np.float32]]) -> tuple[float, int]:
    """Return how long orjson takes for the rows of blocks, and how many bytes it writes."""
    seconds, size = 0.0, 0
    for block in blocks:
        began = perf_counter()
        for row in block:
            size += len(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))
        seconds += perf_counter() - began
    return seconds, size


def _loom(material: Material, ours: Server) -> Iterator[Row]:
    """Yield loom downloads against the same file, made before, read and sent by the bare application."""
    _, growth = _watched(material, ours, "loom")
    file = material.directory / "whole.loom"
    _save(ours, BIG + "loom", file)
    with bare(material.log, file) as plain:
        ways: dict[str, Callable[[int], object]] = {
            "ours": lambda _: drained(ours.port, BIG + "loom"),
            "file": lambda _: drained(plain.port, "/file"),
        }
        taken = side_by_side(ways, material.size.whole_repeats)
    yield Row("HTTP: whole matrix, loom", "sending the finished file", taken["ours"], taken["file"], least=0.5)
    yield growth


def _save(server: Server, target: str, file: Path) -> None:
    with urllib.request.urlopen(f"http://{HOST}:{server.port}{target}") as reply:
        if file.exists() and file.stat().st_size == int(reply.headers["Content-Length"]):
            return
        with file.open("wb") as copy:
            shutil.copyfileobj(reply, copy, 1 << 20)


def _whole(material: Material, ours: Server, format: str) -> Iterator[Row | Note]:
    try:
        seconds, growth = _watched(material, ours, format)
    except RuntimeError as error:
        yield Note(f"whole matrix, {format}: {error}")
        return
    yield Row(f"HTTP: whole matrix, {format}", "", Figures((seconds,)))
    yield growth


def _watched(material: Material, ours: Server, format: str) -> tuple[float, Row]:
    """Return the seconds of a download, which looking at it slows down, and by how much the worker grows meanwhile."""
    # The first reply in a format imports what it is written by; that is no growth.
    drained(ours.port, gene_targets(material, 1, format)[0])
    with ours.watched() as peak:
        began = perf_counter()
        drained(ours.port, BIG + format)
        seconds = perf_counter() - began
    what = f"memory for the whole matrix, {format}"
    growth = Figures((peak.growth,), "MB")
    return seconds, Row(what, "of the worker, over a small reply", growth, most=_MOST_GROWTH)


def _leaving(material: Material, ours: Server, formats: Sequence[str]) -> Row:
    """Return how long files and sockets of downloads stay open after their clients have gone, in all formats."""
    taken = []
    for format in formats:
        with suppress(RuntimeError):
            drained(ours.port, gene_targets(material, 1, format)[0])
            settle(ours)
            before = ours.descriptors()
            with ExitStack() as stack:
                for _ in range(_LEAVING):
                    one = stack.enter_context(connected(ours.port, 1 << 16))
                    one.sendall(request(ours.port, BIG + format))
                settle(ours)
            gone = perf_counter()
            while ours.descriptors() > before and perf_counter() - gone < _GIVEN_UP:
                time.sleep(0.002)
            taken.append(perf_counter() - gone)
    return Row(f"files freed after {_LEAVING} clients left, all formats", "", Figures(tuple(taken)), most=1.0)
