"""Memory stays bounded while the labels of very many samples are written, in other scripts as well."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

from rnaget_server.plugins import WRITERS, Registry

_MOST_MB = 64
# A process of its own, or what other tests have let go would be taken again.
_PROGRAM = """
import gc
import os
from dataclasses import replace
from functools import partial
import numpy as np
from benchmarks.servers import memory_of, watched
from rnaget_server.datasets.guarded import Guard, GuardedAxis
from rnaget_server.datasets.guarded_labels import GuardedLabels
from rnaget_server.errors import StoreFailure
from rnaget_server.http.heap import trim
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import FixedText, Numbers
from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import CompressedBlock, SparseCells
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.testing.slices import feature_labels, slice_of

SAMPLES = 250_000
NUMBERS = np.arange(SAMPLES)

def encoded(first, count):
    digits = (NUMBERS % count).astype("S6")
    return np.char.add("".join(f"&#{code};" for code in first).encode(), digits)

COLUMNS = {
    "id": encoded((26679, 26412, 949), SAMPLES),
    "type": encoded((954, 973, 964), 50),
    "pair": encoded((21322, 21322), SAMPLES // 2),
    "serial": encoded((34399,), SAMPLES),
    "score": NUMBERS * 0.5,
}

def labels(count):
    def read(name):
        values = COLUMNS[name][:count]
        return FixedText(values) if values.dtype.kind == "S" else Numbers(values)

    axis = GuardedAxis(Axis(count, tuple(COLUMNS), read), Guard(lambda error: StoreFailure("damaged")))
    return GuardedLabels(axis, None, count, "id", None)

def slice(features, samples):
    def blocks():
        for number in range(features):
            yield np.arange(samples, dtype=np.float32)[np.newaxis] % 3 * (number + 1)

    def pieces(direction):
        if direction == "features":
            for block in blocks():
                places = np.flatnonzero(block[0])
                yield CompressedBlock(np.array([0, len(places)]), places, block[0, places])
            return
        for start in range(0, samples, 10_000):
            numbers = np.arange(start, min(start + 10_000, samples))
            kept = np.repeat(numbers % 3, features) != 0
            data = (np.arange(1, features + 1) * (numbers % 3)[:, np.newaxis]).ravel()[kept].astype(np.float32)
            indices = np.tile(np.arange(features, dtype=np.int32), len(numbers))[kept]
            yield CompressedBlock(np.cumsum([0, *np.where(numbers % 3, features, 0)]), indices, data)

    cells = SparseCells(lambda: sum(len(piece.data) for piece in pieces("features")), pieces)
    layer = LayerInfo("counts", np.dtype(np.float32), True, blocks, cells)
    genes, names = feature_labels([f"g{number}" for number in range(features)]), labels(samples)
    return replace(slice_of(genes, names, layer), tsv_columns=lambda: names.pieces("id"))

def growth(writer, made):
    gc.collect()
    trim()
    with watched(partial(memory_of, os.getpid())) as peak:
        writer.check(made)
        body = writer.write(made)
        for _ in body.chunks:
            pass
        body.close()
    return peak.growth

for format, kind in Registry(WRITERS).all().items():
    if not {"expressions", "exports"} & {*kind.groups}:
        continue
    writer = kind()
    for name, writer in ((format, writer), *((f"{format} {way}", other) for way, other in writer.compressed.items())):
        growth(writer, slice(1, 1))  # what is imported at first does not count
        wide = {"parquet": 5_000, "arrow": 30_000, "xlsx": 16_000}.get(format, SAMPLES)
        print(name, growth(writer, slice(2, wide)), flush=True)
"""


@cache
def grown() -> dict[str, float]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (line.split(" ") for line in done.stdout.splitlines())
    return {" ".join(name): float(growth) for *name, growth in lines}


def formats() -> list[str]:
    found = []
    for name, kind in Registry(WRITERS).all().items():
        if {"expressions", "exports"} & {*kind.groups}:
            found += [name, *(f"{name} {way}" for way in kind().compressed)]
    return found


@pytest.mark.long
@pytest.mark.parametrize("format", formats())
def test_growth_while_labels_in_other_scripts_are_written(format: str) -> None:
    assert grown()[format] <= _MOST_MB
