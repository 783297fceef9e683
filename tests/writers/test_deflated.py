"""Compressed h5ad and loom files hold what plain ones hold, in fewer bytes and bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anndata
import h5py
import loompy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.writers import deflated, h5ad_cells
from rnaget_server.writers.base import Writer
from rnaget_server.writers.deflated import allocate_deflated, held_by
from rnaget_server.writers.h5ad import H5adWriter
from rnaget_server.writers.h5ad_cells import HELD, feature_chunks
from rnaget_server.writers.loom import LoomWriter
from rnaget_server.writers.skeleton import row_pieces

BOTH = pytest.mark.parametrize("writer", [H5adWriter(), LoomWriter()], ids=["h5ad", "loom"])
COUNTS = np.random.default_rng(3).poisson(0.4, (700, 300)).astype(np.float32)
LABELS = feature_labels([f"g{number}" for number in range(700)]), sample_labels([f"s{number}" for number in range(300)])


def counts(sparse: bool) -> Slice:
    further = layer_of(COUNTS.astype(np.float64) / 7, "other", sparse=sparse)
    return slice_of(*LABELS, layer_of(COUNTS, whole=True, sparse=sparse), further)


def bytes_of(writer: Writer, slice: Slice) -> bytes:
    body = writer.write(slice)
    data = b"".join(body.chunks)
    assert len(data) == body.length
    return data


@pytest.mark.parametrize("sparse", [False, True])
def test_anndata_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: bool) -> None:
    monkeypatch.setattr(deflated, "_CHUNK_BYTES", 20_000)
    monkeypatch.setattr(h5ad_cells, "_CHUNK_BYTES", 20_000)
    found = []
    for name, writer in (("plain", H5adWriter()), ("packed", H5adWriter().compressed["gzip"])):
        path = tmp_path / f"{name}.h5ad"
        path.write_bytes(bytes_of(writer, counts(sparse)))
        found.append(anndata.read_h5ad(path))
    plain, packed = found
    assert np.array_equal(packed.to_df().to_numpy(), COUNTS.T)
    assert type(packed.X) is type(plain.X) and packed.X.dtype == plain.X.dtype
    assert np.array_equal(packed.to_df("other"), plain.to_df("other"))
    assert packed.obs.equals(plain.obs) and packed.var.equals(plain.var)
    backed = anndata.read_h5ad(tmp_path / "packed.h5ad", backed="r")
    some = backed[[3, 4, 299]].to_memory().to_df().to_numpy()
    backed.file.close()
    assert np.array_equal(some, COUNTS.T[[3, 4, 299]])


def test_loompy_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflated, "_CHUNK_BYTES", 20_000)
    path = tmp_path / "packed.loom"
    path.write_bytes(bytes_of(LoomWriter().compressed["gzip"], counts(sparse=False)))
    with loompy.connect(path, "r", validate=True) as loom:
        assert np.array_equal(loom[:, :], COUNTS)
        assert np.array_equal(loom.layers["other"][:, :], COUNTS.astype(np.float64) / 7)
        assert list(loom.ra["gene"]) == list(LABELS[0].column("gene"))
        assert np.array_equal(loom[:, 17], COUNTS[:, 17])


@BOTH
def test_counts_take_fewer_bytes_and_equal_slices_give_equal_ones(writer: Writer) -> None:
    packed = writer.compressed["gzip"]
    data = bytes_of(packed, counts(sparse=True))
    assert len(data) < len(bytes_of(writer, counts(sparse=True))) / 2
    assert data == bytes_of(packed, counts(sparse=True))
    assert (writer.compression, packed.compression, dict(packed.compressed)) == (None, "gzip", {})
    assert (packed.media_types, packed.extension) == (writer.media_types, writer.extension)


@BOTH
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 3)])
def test_smallest_slices(tmp_path: Path, writer: Writer, shape: tuple[int, int]) -> None:
    labels = feature_labels([f"g{n}" for n in range(shape[0])]), sample_labels([f"s{n}" for n in range(shape[1])])
    zeros = slice_of(*labels, layer_of(np.zeros(shape, np.float32), sparse=True))
    path = tmp_path / "file"
    path.write_bytes(bytes_of(writer.compressed["gzip"], zeros))
    with h5py.File(path) as file:
        if writer.extension == "loom":
            assert np.array_equal(file["matrix"], np.zeros(shape))
        else:
            assert file["X/data"].shape == (0,) and file["X/indptr"][()].tolist() == [0] * (shape[1] + 1)


def in_pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return (data[first:last] for first, last in pairwise(places))


@given(
    shape=st.one_of(st.tuples(st.integers(0, 40)), st.tuples(st.integers(0, 40), st.integers(0, 40))),
    cuts=st.lists(st.integers(0, 9000), max_size=6),
    bytes_of_chunk=st.integers(1, 300),
    rows_bytes=st.integers(1, 900),
    dtype=st.sampled_from([np.float32, np.float64, np.int8]),
)
def test_cells_of_any_shape_in_any_pieces(
    shape: tuple[int, ...], cuts: list[int], bytes_of_chunk: int, rows_bytes: int, dtype: type[Any]
) -> None:
    cells: NDArray[Any] = np.random.default_rng(1).integers(0, 9, shape).astype(dtype)
    with pytest.MonkeyPatch.context() as patch, h5py.File.in_memory() as file:
        patch.setattr(deflated, "_CHUNK_BYTES", bytes_of_chunk)
        patch.setattr(deflated, "_ROWS_BYTES", rows_bytes)
        dataset, gaps = allocate_deflated(file, "x", cells.dtype, shape, in_pieces(cells.tobytes(), cuts))
        assert gaps == []
        assert np.array_equal(dataset, cells) and dataset.dtype == cells.dtype


def test_bytes_are_shuffled_where_that_helps() -> None:
    counts = np.arange(10_000, dtype=np.int64)
    noise = np.random.default_rng(2).choice(np.random.default_rng(2).random(20), 10_000)
    with h5py.File.in_memory() as file:
        for name, cells, helps in (("counts", counts, True), ("repeated", noise, False)):
            dataset, _ = allocate_deflated(file, name, cells.dtype, cells.shape, iter([cells.tobytes()]))
            assert (dataset.shuffle, dataset.compression) == (helps, "gzip")
            assert np.array_equal(dataset, cells)


@pytest.mark.parametrize("by_rows", [True, False])
def test_memory_of_very_long_rows_is_said(by_rows: bool) -> None:
    samples = 3_000_000
    row = np.random.default_rng(4).random((1, samples), np.float32)
    layer = LayerInfo("units", np.dtype(np.float32), False, lambda: iter([row, row]))
    with h5py.File.in_memory() as file:
        tracemalloc.start()
        try:
            if by_rows:
                allocate_deflated(file, "x", layer.dtype, (2, samples), row_pieces(layer))
            else:
                feature_chunks(file, "x", layer, (samples, 2), allocate_deflated)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak <= held_by("gzip", [layer], samples) + (0 if by_rows else HELD + 8 * samples)
