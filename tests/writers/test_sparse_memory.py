"""Memory stays bounded while a large sparse matrix is written in formats that leave its zeros out."""

from __future__ import annotations

import subprocess
import sys

import pytest

_MOST_MB = 64
# A process of its own, or what other tests have let go would be taken again.
_PROGRAM = """
import os
import sys
from functools import partial
import numpy as np
from benchmarks.servers import memory_of, watched
from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import CompressedBlock, SparseCells
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.testing.slices import InMemoryLabels, feature_labels, slice_of

FEATURES, SAMPLES, PER_FEATURE = 40, 1_000_000, 150_000
PLACES = np.arange(PER_FEATURE, dtype=np.int32) * 6

def rows():
    for feature in range(FEATURES):
        ends = np.array([0, PER_FEATURE])
        yield CompressedBlock(ends, PLACES + feature % 6, np.full(PER_FEATURE, feature + 1, np.float32))

def columns():
    step = 6_000
    for start in range(0, SAMPLES - step, step):
        each = [np.arange(place, FEATURES, 6, dtype=np.int32) for place in range(6)]
        numbers = range(start, start + step)
        inside = [each[number % 6] if number < 6 * PER_FEATURE else each[0][:0] for number in numbers]
        indices = np.concatenate(inside)
        yield CompressedBlock(np.cumsum([0, *map(len, inside)]), indices, (indices + 1).astype(np.float32))
    left = SAMPLES - (start + step)
    yield CompressedBlock(np.zeros(left + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))

class Ascii(InMemoryLabels):
    def column(self, attribute):
        return self.columns[attribute].astype(str).astype(object)

    def ascii(self, attribute):
        values = self.columns[attribute]
        return values if values.dtype.kind == "S" else None

types = np.array([b"T cell", b"B cell", b"NK cell"])[np.arange(SAMPLES) % 3]
ids = Ascii({"sample": np.char.add(np.arange(SAMPLES).astype("S7"), b"-ACGTACGTACGT"), "type": types}, "sample")
cells = SparseCells(lambda: FEATURES * PER_FEATURE, lambda by: rows() if by == "features" else columns())

def dense():
    for block in rows():
        row = np.zeros((1, SAMPLES), np.float32)
        row[0, block.indices] = block.data
        yield row

def write():
    layer = LayerInfo("counts", np.dtype(np.float32), True, dense, cells)
    labels = feature_labels([f"g{number}" for number in range(FEATURES)])
    with watched(partial(memory_of, os.getpid())) as peak:
        body = writer.write(slice_of(labels, ids, layer))
        for _ in body.chunks:
            pass
        body.close()
    return peak.growth

format, _, compression = sys.argv[1].partition(" ")
writer = Registry(WRITERS)[format]()
writer = writer.compressed[compression] if compression else writer

# What is imported at first does not count.
small = LayerInfo("counts", np.dtype(np.float32), True, lambda: iter([np.ones((1, 1), np.float32)]))
one = Ascii({name: values[:1] for name, values in ids.columns.items()}, "sample")
b"".join(writer.write(slice_of(feature_labels(["g"]), one, small)).chunks)
print(write())
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "format", ["h5ad", "h5ad gzip", "loom", "loom gzip", "mtx", "tsv.long", "arrow.long", "parquet.long"]
)
def test_growth_while_a_million_samples_are_written(format: str) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, format], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= _MOST_MB
