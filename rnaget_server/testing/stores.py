"""The contract of a matrix store as tests. Inherit, and give the fixture ``store``."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import Array, Direction, SparseCells
from rnaget_server.stores.base import MatrixStore
from rnaget_server.testing.matrices import FEATURES, SAMPLES, example_axes, example_cells

# None and all, the ends, cells far apart and neighbours, along each axis.
_ROWS = (None, [59], [0, 7, 20, 21, 58], list(range(60)), [0], [3, 4, 5])
_COLUMNS = (None, [24], [0, 9, 11, 23], list(range(25)), [0], [2, 3, 4])


class MatrixStoreContract:
    """A store of `example_axes` and `example_cells` passes all of these."""

    @pytest.fixture
    def store(self) -> MatrixStore:
        """Return the store to test."""
        raise NotImplementedError("give a fixture `store` of the kind to test")

    def test_shape_and_units(self, store: MatrixStore) -> None:
        """The shape is features × samples, and the main units come first."""
        assert store.shape == (FEATURES, SAMPLES)
        assert store.units == ("TPM", "counts")
        assert not store.whole("TPM")
        assert store.whole("counts")

    def test_blocks(self, store: MatrixStore) -> None:
        """Blocks are the selected cells, exactly, in order."""
        for (name, cells, _), rows, columns in product(example_cells(), _ROWS, _COLUMNS):
            read = list(store.blocks(name, _positions(rows), _positions(columns)))
            expected = _selected(cells, rows, columns)
            assert all(block.flags.c_contiguous for block in read)
            assert np.array_equal(np.concatenate(read), expected, equal_nan=True), (name, rows, columns)
            assert store.dtype(name) == cells.dtype

    def test_sparse(self, store: MatrixStore) -> None:
        """The stored cells of a sparse layer are the selected ones, compressed along either axis."""
        for (name, cells, _), rows, columns in product(example_cells(), _ROWS[:4], _COLUMNS[:4]):
            sparse = store.sparse(name, _positions(rows), _positions(columns))
            if sparse is not None:
                check_sparse(sparse, _selected(cells, rows, columns))

    def test_attributes(self, store: MatrixStore) -> None:
        """Text and numbers come back as they were, whole or in part."""
        for axis, table in zip((store.features, store.samples), example_axes(), strict=True):
            assert set(axis.attributes) == set(table.columns)
            for name, column in table.columns.items():
                assert _same(axis.column(name), column)
                assert _same(axis.column(name, np.array([1, 4])), column[[1, 4]])
                part: Any = slice(1, 3)  # as pages ask, which know no arrays
                assert _same(axis.column(name, part), column[part])
                assert (axis.column(name).dtype.kind == "O") == (column.dtype.kind not in "if")

    def test_ids_are_found_exactly_and_without_their_version(self, store: MatrixStore) -> None:
        """An Ensembl id matches with or without its version; anything else exactly."""
        find = store.features.find
        assert find("gene", ["ENSG00000000010.2"])[0].tolist() == [10]
        assert find("gene", ["ENSG00000000010"])[0].tolist() == [10]
        assert find("gene", ["ENSG00000000006"])[0].tolist() == [6]
        assert find("gene", ["ENSG00000000006_PAR_Y"])[0].tolist() == [7]
        assert find("gene", ["ENSG0000000001"])[1] == ["ENSG0000000001"]
        assert find("gene", ["ENSG00000000010.22", "ENSG00000000059.3"])[1] == ["ENSG00000000010.22"]

    def test_lists(self, store: MatrixStore) -> None:
        """Lists are joined by commas, repeated, or both; the order is that of the file."""
        positions, missing = store.samples.find("sample", ["S 9,S 2", "S 11", "S 2", "T"])
        assert positions.tolist() == [2, 9, 11]
        assert missing == ["T"]

    def test_repeated_names(self, store: MatrixStore) -> None:
        """All features of a name are found."""
        assert store.features.find("symbol", ["GENE4"])[0].tolist() == [8, 9]

    def test_where(self, store: MatrixStore) -> None:
        """Attributes select by text or number."""
        assert store.samples.where("note", ["R&D"])[0].tolist() == [1, 6, 11, 16, 21]
        assert store.samples.where("note", ["β-cell", "none"])[1] == ["none"]
        assert store.features.where("story", ["short ü"])[0].tolist() == [1]
        assert store.features.where("story", ["word " * 9000, "y"])[1] == ["y"]
        assert store.samples.where("age", ["2.5"])[0].tolist() == [2]
        assert store.samples.where("age", ["old"])[1] == ["old"]
        assert store.samples.values("note", 10) == ["R&D", "a &lt; b", "plain", "β-cell"]
        assert store.features.values("gene", 10) is None

    def test_embeddings(self, store: MatrixStore) -> None:
        """Embeddings, which a kind may do without, are the first two coordinates of each sample; a gap is NaN."""
        written = example_axes()[1].embeddings
        assert set(store.embeddings) <= set(written)
        for name in store.embeddings:
            points = store.embedding(name)
            assert points.dtype == np.float32
            assert np.array_equal(points, written[name], equal_nan=True)

    def test_ranges(self, store: MatrixStore) -> None:
        """Stored ranges are those of the cells."""
        for name, cells, _ in example_cells():
            ranges = store.ranges(name)
            if ranges is not None:
                assert np.array_equal(ranges.minimum, np.fmin.reduce(cells, axis=1), equal_nan=True)
                assert np.array_equal(ranges.maximum, np.fmax.reduce(cells, axis=1), equal_nan=True)
                assert np.array_equal(ranges.nans, np.isnan(cells).sum(axis=1))


def check_sparse(sparse: SparseCells, expected: NDArray[Any]) -> None:
    """Check that a sparse selection has exactly the cells `expected` (features × samples), in both directions."""
    by_direction: dict[Direction, NDArray[Any]] = {"features": expected, "samples": expected.T}
    for direction, cells in by_direction.items():
        found = np.zeros(cells.shape, cells.dtype)
        row = count = 0
        for piece in sparse.compressed_along(direction):
            height = len(piece.indptr) - 1
            rows = np.repeat(np.arange(row, row + height), np.diff(piece.indptr))
            assert piece.indptr[0] == 0 and piece.indptr[-1] == len(piece.indices) == len(piece.data)
            assert piece.data.dtype == cells.dtype
            # Row by row, and within a row ascending without repeats.
            assert (np.diff(rows * max(1, cells.shape[1]) + piece.indices) > 0).all()
            found[rows, piece.indices] = piece.data
            row, count = row + height, count + len(piece.data)
        assert row == len(cells)
        assert count == sparse.count()
        assert np.array_equal(found, cells, equal_nan=True)
        for array in ("indices", "data"):
            _check_without(sparse, direction, array)


def _check_without(sparse: SparseCells, direction: Direction, array: Array) -> None:
    """Check that the pieces without an array are the same otherwise, and that it is whole or empty."""
    if sparse.without is None:
        return
    other = "data" if array == "indices" else "indices"
    for whole, part in zip(sparse.compressed_along(direction), sparse.without(direction, array), strict=True):
        assert np.array_equal(part.indptr, whole.indptr)
        assert np.array_equal(getattr(part, other), getattr(whole, other), equal_nan=other == "data")
        assert len(getattr(part, array)) in (0, len(getattr(whole, array)))


def _selected(cells: NDArray[Any], rows: list[int] | None, columns: list[int] | None) -> NDArray[Any]:
    part = cells if rows is None else cells[rows]
    return part if columns is None else part[:, columns]


def _positions(places: list[int] | None) -> Positions | None:
    return None if places is None else np.array(places, np.int64)


def _same(read: object, written: object) -> bool:
    first, second = np.asarray(read), np.asarray(written)
    if second.dtype.kind == "f":
        return np.array_equal(first.astype(float), second, equal_nan=True)
    return bool(first.tolist() == second.tolist())
