"""All formats say the same: cell by cell, for any slice, in any process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnaget_server.plugins import Registry
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from tests.conftest import examples
from tests.writers.digests import bytes_in, digests
from tests.writers.readers import LONG, READERS

IDS = st.text("abcXYZ 0189-_.β%'&é", min_size=1, max_size=8).map(lambda text: f"i{text}i")
CELLS = st.one_of(st.just(0.0), st.just(float("nan")), st.floats(width=32, allow_infinity=False), st.integers(0, 2**24))
# Its reader takes a second for each file; what it holds is that of h5ad, and the contract reads it.
SLOW = ("zarr",)


def test_every_format_of_matrices_is_compared() -> None:
    writers = Registry("rnaget_server.writers").all()
    assert {name for name, writer in writers.items() if {"expressions", "exports"} & {*writer.groups}} == READERS.keys()


@settings(max_examples=examples(12), deadline=None)
@given(st.data())
def test_formats_agree(data: st.DataObject) -> None:
    features = data.draw(st.lists(IDS, min_size=1, max_size=8, unique=True), "features")
    samples = data.draw(st.lists(IDS, min_size=1, max_size=6, unique=True), "samples")
    cells = data.draw(arrays(np.float32, (len(features), len(samples)), elements=CELLS.map(np.float32)), "cells")
    whole = bool((np.isnan(cells) | (cells == np.trunc(cells))).all())
    slice = slice_of(feature_labels(features), sample_labels(samples), layer_of(cells, whole=whole))
    sparse = slice_of(slice.features, slice.samples, layer_of(cells, whole=whole, sparse=True))
    with TemporaryDirectory() as directory:
        of_sparse = [(name, sparse) for name in ("h5ad", "h5mu", "10x", "mtx", "json.sparse", *LONG)]
        for format, written in [*((name, slice) for name in READERS if name not in SLOW), *of_sparse]:
            found = READERS[format](bytes_in(format, written), Path(directory))
            if format in LONG:
                found = found.within(features, samples)
            assert (found.features, found.samples) == (features, samples), format
            assert np.array_equal(found.cells.astype(np.float32), cells, equal_nan=True), format


def test_bytes_depend_on_neither_process_nor_time() -> None:
    """A second later, since HDF5 and gzip can write times of whole seconds."""
    here = digests()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])}
    program = "import time; time.sleep(1); from tests.writers.digests import digests; print(digests())"
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert other.stdout.strip() == str(here)
