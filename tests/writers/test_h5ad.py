"""h5ad files hold what AnnData expects to find: tables, layers, origin, sparse and dense, tracks as observations."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from rnaget_server.errors import InvalidQuery
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.model.sparse import Array, CompressedBlock, Direction
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.columns import Columns, PositionLabels
from rnaget_server.testing.slices import (
    ORIGIN,
    InMemoryLabels,
    feature_labels,
    layer_of,
    sample_labels,
    slice_of,
    texts,
)
from rnaget_server.writers import h5ad, h5ad_cells, h5ad_tables
from rnaget_server.writers.h5ad import H5adWriter

FEATURES = feature_labels(["g1", "g2", "g3", "g4", "g5"])
SAMPLES = sample_labels(["β 1", "R&D", "s3", "s4"])
CELLS = np.array([[0, 1.5, 0, np.nan], [0, 0, 0, 0], [7, 0, 0, 2], [0, 0.25, 0, 0], [1, 2, 3, 4]], np.float32)
COUNTS = np.arange(20, dtype=np.float64).reshape(5, 4) + 2**40


def file_of(slice: Slice, directory: Path) -> Path:
    path = directory / "slice.h5ad"
    body = H5adWriter().write(slice)
    path.write_bytes(b"".join(body.chunks))
    assert path.stat().st_size == body.length
    return path


def read(slice: Slice, directory: Path) -> anndata.AnnData:
    return anndata.read_h5ad(file_of(slice, directory))


def of_columns(**columns: list[object]) -> Labels:
    return InMemoryLabels({name: texts(values) for name, values in columns.items()}, next(iter(columns)))  # type: ignore[arg-type]


def test_attributes_are_columns(tmp_path: Path) -> None:
    found = read(slice_of(FEATURES, SAMPLES, layer_of(CELLS)), tmp_path)
    assert found.shape == (4, 5)
    assert (found.obs.index.name, found.var.index.name) == ("sample", "gene")
    assert list(found.obs_names) == ["β 1", "R&D", "s3", "s4"]
    assert list(found.obs.columns) == ["tissue", "age"]
    assert found.obs["tissue"].tolist() == ["liver", "Überrest", "", "liver"]
    assert np.array_equal(found.obs["age"], [0.5, 1.5, 2.5, np.nan], equal_nan=True)
    assert list(found.var.columns) == ["symbol", "length", "score"]
    assert found.var["symbol"].tolist() == ["", "β2M", "GENE", "R&D", ""]
    assert found.var["length"].tolist() == [0, 10, 20, 30, 40] and found.var["length"].dtype == np.int64
    assert np.array_equal(found.var["score"], [0, np.nan, 0.5, 0.75, np.nan], equal_nan=True)


def test_text_that_repeats_is_categorical(tmp_path: Path) -> None:
    features = of_columns(
        gene=["a", "b", "c", "d", "e"], once=["v", "w", "x", "y", "z"], twice=["q", "p", "q", "p", ""]
    )
    found = read(slice_of(features, SAMPLES, layer_of(CELLS)), tmp_path)
    assert found.var["twice"].dtype == "category"
    assert list(found.var["twice"].cat.categories) == ["", "p", "q"]
    assert found.var["twice"].tolist() == ["q", "p", "q", "p", ""]
    assert found.var["once"].tolist() == ["v", "w", "x", "y", "z"] and found.var["once"].dtype != "category"


def test_many_categories(tmp_path: Path) -> None:
    values = [f"c{number // 2:04d}" for number in range(600)]
    features = of_columns(gene=[str(number) for number in range(600)], plate=values)
    found = read(slice_of(features, SAMPLES, layer_of(np.zeros((600, 4), np.float32))), tmp_path)
    assert found.var["plate"].tolist() == values


@pytest.mark.parametrize("sparse", [False, True])
def test_layers_and_origin(tmp_path: Path, sparse: bool) -> None:
    layers = layer_of(CELLS, sparse=sparse), layer_of(COUNTS, "counts/raw"), layer_of(CELLS * 2, "twice", sparse=sparse)
    found = read(slice_of(FEATURES, SAMPLES, *layers), tmp_path)
    # AnnData 0.13 has X among the layers, under None.
    assert [name for name in found.layers if name is not None] == ["counts_raw", "twice"]
    assert isinstance(found.X, csr_matrix) == isinstance(found.layers["twice"], csr_matrix) == sparse
    dense = found.to_df().to_numpy()
    assert np.array_equal(dense, CELLS.T, equal_nan=True) and found.X.dtype == np.float32
    assert np.array_equal(found.layers["counts_raw"], COUNTS.T) and found.layers["counts_raw"].dtype == np.float64
    assert np.array_equal(found.to_df(layer="twice"), CELLS.T * 2, equal_nan=True)
    assert dict(found.uns["origin"]) == ORIGIN


def test_sparse_cells_are_stored_as_csr(tmp_path: Path) -> None:
    path = file_of(slice_of(FEATURES, SAMPLES, layer_of(CELLS, sparse=True)), tmp_path)
    expected = csr_matrix(CELLS.T)
    with h5py.File(path) as file:
        assert dict(file["X"].attrs)["encoding-type"] == "csr_matrix"
        assert file["X"].attrs["shape"].tolist() == [4, 5]
        assert (file["X/indices"].dtype, file["X/indptr"].dtype) == (np.int32, np.int32)
        assert np.array_equal(file["X/data"], expected.data, equal_nan=True)
        assert np.array_equal(file["X/indices"], expected.indices)
        assert np.array_equal(file["X/indptr"], expected.indptr)


@pytest.mark.parametrize("samples", [1, 700])
def test_sparse_cells_end_before_the_samples_do(tmp_path: Path, samples: int) -> None:
    cells = np.zeros((900, samples), np.float32)
    cells[::7, : samples // 2] = 3
    labels = of_columns(gene=[str(number) for number in range(900)]), of_columns(s=[str(n) for n in range(samples)])
    found = read(slice_of(*labels, layer_of(cells, sparse=True)), tmp_path)
    assert np.array_equal(found.X.toarray(), cells.T)


@pytest.mark.parametrize("sparse", [False, True])
def test_parts_are_read_where_they_stand(tmp_path: Path, sparse: bool) -> None:
    cells = np.random.default_rng(1).poisson(0.3, (3000, 500)).astype(np.float32)
    labels = of_columns(gene=[str(number) for number in range(3000)]), of_columns(s=[str(n) for n in range(500)])
    path = file_of(slice_of(*labels, layer_of(cells, sparse=sparse)), tmp_path)
    backed = anndata.read_h5ad(path, backed="r")
    some = backed[[3, 4, 499]].to_memory()
    backed.file.close()
    assert np.array_equal(some.to_df().to_numpy(), cells.T[[3, 4, 499]])


def test_anndata_writes_and_reads_it_again(tmp_path: Path) -> None:
    first = read(slice_of(FEATURES, SAMPLES, layer_of(CELLS, sparse=True), layer_of(COUNTS, "counts")), tmp_path)
    first.write_h5ad(tmp_path / "again.h5ad")
    again = anndata.read_h5ad(tmp_path / "again.h5ad")
    assert again.obs.equals(first.obs) and again.var.equals(first.var)
    assert np.array_equal(again.to_df(), CELLS.T, equal_nan=True)


def test_ids_that_repeat_and_difficult_names(tmp_path: Path) -> None:
    samples = of_columns(**{"a/b": ["s", "s", "t", ""], "_index": list("klmm"), "a_b": list("wxyz"), ".": list("1234")})
    with pytest.warns(UserWarning, match="not unique"):
        found = read(slice_of(FEATURES, samples, layer_of(CELLS)), tmp_path)
    assert list(found.obs_names) == ["s", "s", "t", ""]
    assert {name: found.obs[name].tolist() for name in found.obs} == {
        "_index_": list("klmm"),
        "a_b_": list("wxyz"),
        "_.": list("1234"),
    }


def test_text_that_hdf5_cannot_hold(tmp_path: Path) -> None:
    samples = of_columns(sample=["a\0b", "c", "d", "e"], note=["x\0", "x\0", "", "\0"])
    found = read(slice_of(FEATURES, samples, layer_of(CELLS)), tmp_path)
    assert list(found.obs_names) == ["ab", "c", "d", "e"]
    assert found.obs["note"].tolist() == ["x", "x", "", ""]


def test_tracks_are_observations(tmp_path: Path) -> None:
    tracks = of_columns(sample=["ER", "input"], Assay=["ChIP", "input"])
    positions = PositionLabels(Columns((Run("chr1", 5, 8), Run("chr2", 0, 2))), {"chr1": 9, "chr2": 9}, "position")
    cells = np.arange(10, dtype=np.float32).reshape(2, 5)
    found = read(slice_of(tracks, positions, layer_of(cells)), tmp_path)
    assert list(found.obs_names) == ["ER", "input"]
    assert found.obs["Assay"].tolist() == ["ChIP", "input"]
    assert list(found.var_names) == ["chr1:5", "chr1:6", "chr1:7", "chr2:0", "chr2:1"]
    assert np.array_equal(found.X, cells)


def test_too_many_attributes_are_refused_before_anything_is_written() -> None:
    many = InMemoryLabels({f"a{number}": texts(["x"]) for number in range(4001)}, "a0")
    with pytest.raises(InvalidQuery, match="at most 4,000 attributes"):
        H5adWriter().write(slice_of(many, of_columns(s=["x"]), layer_of(np.ones((1, 1)))))
    most = InMemoryLabels({f"a{number}": texts(["x"]) for number in range(4000)}, "a0")
    body = H5adWriter().write(slice_of(most, of_columns(s=["x"]), layer_of(np.ones((1, 1)))))
    assert sum(len(chunk) for chunk in body.chunks) == body.length


@dataclass(frozen=True)
class WholeLabels(InMemoryLabels):
    """All labels of an axis of an open file."""

    whole: object = None


def test_tables_of_whole_axes_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def write_table(file: h5py.File, link: str, labels: Labels) -> None:
        written.append(link)
        h5ad_tables.write_table(file, link, labels)

    monkeypatch.setattr(h5ad, "write_table", write_table)
    whole = WholeLabels(SAMPLES.columns, SAMPLES.id, whole=object())
    other = WholeLabels(sample_labels(["t1", "t2", "t3", "t4"]).columns, SAMPLES.id, whole=object())
    writer = H5adWriter()

    def bytes_of(features: Labels, samples: Labels, cells: NDArray[Any]) -> bytes:
        return b"".join(writer.write(slice_of(features, samples, layer_of(cells, sparse=True))).chunks)

    def found(data: bytes) -> anndata.AnnData:
        (tmp_path / "found.h5ad").write_bytes(data)
        return anndata.read_h5ad(tmp_path / "found.h5ad")

    first = bytes_of(FEATURES, whole, CELLS)
    assert sorted(written) == ["obs", "var"]
    written.clear()
    assert bytes_of(FEATURES, whole, CELLS) == first
    part = found(bytes_of(feature_labels(["g2", "g3"]), whole, CELLS[1:3]))
    assert written == ["var", "var"]
    assert list(part.obs_names) == list(SAMPLES.columns["sample"]) and list(part.var_names) == ["g2", "g3"]
    assert np.array_equal(part.X.toarray().T, CELLS[1:3], equal_nan=True)
    plain = read(slice_of(FEATURES, SAMPLES, layer_of(CELLS, sparse=True)), tmp_path)
    pd.testing.assert_frame_equal(found(first).obs, plain.obs)
    pd.testing.assert_frame_equal(found(first).var, plain.var)
    # The labels of another file are never taken for these, nor those of other ids.
    assert list(found(bytes_of(FEATURES, other, CELLS)).obs_names) == ["t1", "t2", "t3", "t4"]
    by_tissue = WholeLabels(SAMPLES.columns, "tissue", whole=whole.whole)
    assert found(bytes_of(FEATURES, by_tissue, CELLS)).obs.index.name == "tissue"


@pytest.mark.parametrize(("kept", "indices"), [(0, 0), (3, 3), (3, 1 << 22), (1 << 21, 1 << 22)])
@pytest.mark.parametrize("separately", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_few_cells_are_read_once_and_many_array_by_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, indices: int, separately: bool, known: bool
) -> None:
    monkeypatch.setattr(h5ad_cells, "_KEPT_CELLS", kept)
    monkeypatch.setattr(h5ad_cells, "_KEPT_INDICES", indices)
    passes: list[str] = []
    layer = layer_of(CELLS, sparse=True)
    assert layer.sparse is not None
    whole = layer.sparse.compressed_along

    def along(direction: Direction) -> Iterator[CompressedBlock]:
        passes.append("both")
        return whole(direction)

    def without(direction: Direction, array: Array) -> Iterator[CompressedBlock]:
        passes.append(f"no {array}")
        empty = np.empty(0, np.float32)
        return (replace(piece, **{array: empty}) for piece in whole(direction))

    cells = replace(layer.sparse, compressed_along=along, without=without if separately else None, known=known)
    found = read(slice_of(FEATURES, SAMPLES, replace(layer, sparse=cells)), tmp_path)
    assert np.array_equal(found.X.toarray().T, CELLS, equal_nan=True)
    tried = ["both"] if not known or kept > CELLS.size else []
    rest = ["no indices", "no data"] if separately else ["both"] * 2
    assert passes == tried + ([] if kept > CELLS.size else ["both"] if indices > CELLS.size else rest)


@pytest.mark.parametrize("indices", [0, 1 << 22])
def test_rows_behind_the_last_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indices: int) -> None:
    monkeypatch.setattr(h5ad_cells, "_KEPT_CELLS", 0)
    monkeypatch.setattr(h5ad_cells, "_KEPT_INDICES", indices)
    cells = np.where(np.arange(4) < 2, CELLS, 0).astype(np.float32)
    layer = layer_of(cells, sparse=True)
    assert layer.sparse is not None

    def one_by_one(direction: Direction) -> Iterator[CompressedBlock]:
        for sample in range(4):
            places = np.flatnonzero(cells[:, sample])
            yield CompressedBlock(np.array([0, len(places)]), places, cells[places, sample])

    each = replace(layer.sparse, compressed_along=one_by_one, known=True)
    found = read(slice_of(FEATURES, SAMPLES, replace(layer, sparse=each)), tmp_path)
    assert np.array_equal(found.X.toarray().T, cells, equal_nan=True)
    assert found.X.indptr.tolist() == [0, *np.cumsum(np.count_nonzero(cells, axis=0))]


@dataclass(frozen=True)
class AsciiLabels(InMemoryLabels):
    """Labels whose texts are kept as bytes, as those of a native store are."""

    def column(self, attribute: str) -> NDArray[Any]:
        values = self.columns[attribute]
        return values.astype(str).astype(object) if values.dtype.kind == "S" else values

    def ascii(self, attribute: str) -> NDArray[np.bytes_] | None:
        values = self.columns[attribute]
        return values if values.dtype.kind == "S" else None


def test_many_ascii_labels_are_written_as_texts_are_and_in_little_memory(tmp_path: Path) -> None:
    count = 200_000
    number = np.arange(count)
    ids = np.char.add(number.astype("S7"), b"-ACGTACGTACGT")
    types = np.array([b"T cell", b"", b"B cell", b"NK"])[number % 4]
    pairs = np.char.add(b"pair", (number // 2).astype("S7"))
    columns = {"id": ids, "type": types, "pair": pairs, "barcode": ids[::-1].copy(), "count": number * 3}
    plain = AsciiLabels(columns, "id")
    as_texts = InMemoryLabels({name: plain.column(name) for name in columns}, "id")
    for name, labels in (("texts", as_texts), ("plain", plain)):
        with h5py.File(tmp_path / name, "w", libver=("earliest", "v110")) as file:
            h5ad_tables.write_table(file, "obs", labels)
    with h5py.File(tmp_path / "again", "w") as file:
        tracemalloc.start()
        h5ad_tables.write_table(file, "obs", AsciiLabels({"id": ids, "type": types}, "id"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 18 << 20
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "texts").read_bytes()
    with h5py.File(tmp_path / "plain") as file:
        assert file["obs/barcode"].asstr()[:2].tolist() == ids[:-3:-1].astype(str).tolist()
        assert file["obs/type/categories"].asstr()[()].tolist() == ["", "B cell", "NK", "T cell"]
        assert file["obs/type/codes"][:4].tolist() == [3, 0, 1, 2]
