"""Cells in memory along the other axis are those that scipy has there, however rows are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse

from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores import sparse_transpose
from rnaget_server.stores.sparse_transpose import by_minor


def pieces_of(matrix: scipy.sparse.csr_matrix, cuts: list[int]) -> list[CompressedBlock]:
    edges = [0, *cuts, matrix.shape[0]]
    some = [matrix[a:b] for a, b in pairwise(edges)]
    return [CompressedBlock(part.indptr.astype(np.int64), part.indices, part.data) for part in some]


@pytest.mark.parametrize("long", [1, 1_000_000], ids=["by bisection", "by a look at all"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cuts", [[], [3], [0, 1, 1, 9]])
@pytest.mark.parametrize(("height", "width", "density"), [(9, 700, 0.2), (9, 1, 0.7), (9, 700, 0.001), (9, 50, 1.0)])
def test_as_scipy_has_it(
    monkeypatch: pytest.MonkeyPatch, long: int, dtype: type, cuts: list[int], height: int, width: int, density: float
) -> None:
    monkeypatch.setattr(sparse_transpose, "LONG", long)
    monkeypatch.setattr(sparse_transpose, "PART", 64)
    monkeypatch.setattr(sparse_transpose, "PIECE", 64)
    matrix = scipy.sparse.random(height, width, density, "csr", dtype, random_state=7)
    expected = matrix.tocsc()
    blocks = list(by_minor(pieces_of(matrix, cuts), width))
    assert matrix.nnz < 1_000 or len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate([np.diff(block.indptr) for block in blocks]), np.diff(expected.indptr))
    np.testing.assert_array_equal(np.concatenate([block.indices for block in blocks]), expected.indices)
    data = np.concatenate([block.data for block in blocks])
    assert data.dtype == dtype
    np.testing.assert_array_equal(data, expected.data)


def test_no_rows_are_none_of_the_other_axis() -> None:
    (block,) = by_minor([], 5)
    assert block.indptr.tolist() == [0] * 6
    assert not len(block.indices)


@pytest.mark.parametrize("width", [100, 30_000])
def test_rows_in_no_order_write_nowhere_else(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sparse_transpose, "PART", 64)
    indices = np.random.default_rng(3).integers(0, width, 20_000).astype(np.int32)
    piece = CompressedBlock(np.array([0, 9_000, 20_000]), indices, np.ones(len(indices), np.float32))
    with pytest.raises(OSError, match="ascend"):
        list(by_minor([piece], width))
