"""The pieces in which stored cells of several files come: few files are read again and again for few cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.sharded import cells
from tests.stores.sharded.cutting import cut, open_cut

_GENES, _SAMPLES = 40, 30


# Of three files; where their features start takes as much as a panel, or more.
@pytest.mark.parametrize(
    ("most", "panel", "pieces"),
    [(1 << 19, 3 * _GENES, 1), (300, 3 * _GENES, 1), (100, 3 * _GENES, 3), (1 << 19, 3 * _GENES - 1, 4)],
)
def test_cells_for_one_piece_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, panel: int, pieces: int
) -> None:
    monkeypatch.setattr(cells, "PANEL", panel)
    monkeypatch.setattr(cells, "PIECE", most)
    values = np.zeros((_GENES, _SAMPLES), np.float32)
    values.flat[::4] = np.arange(1, _GENES * _SAMPLES // 4 + 1)  # 300 cells
    genes = AxisTable("gene", {"gene": np.array([f"G{number}" for number in range(_GENES)], object)})
    samples = AxisTable(
        "sample",
        {"sample": np.array([f"s{number}" for number in range(_SAMPLES)], object)},
        embeddings={"X_umap": np.zeros((_SAMPLES, 2), np.float32)},
    )
    paths = cut(tmp_path, genes, samples, [("counts", values, True)], ["sparse"] * 3, [0, 10, 20, _SAMPLES])
    stored = open_cut(paths, "counts", ("gene", "sample")).sparse("counts")
    assert stored is not None
    found = list(stored.compressed_along("features"))
    assert len(found) >= pieces
    assert pieces > 1 or len(found) == 1
    lengths = np.concatenate([np.diff(piece.indptr) for piece in found])
    dense = np.zeros_like(values)
    dense[np.repeat(np.arange(_GENES), lengths), np.concatenate([piece.indices for piece in found])] = np.concatenate(
        [piece.data for piece in found]
    )
    np.testing.assert_array_equal(dense, values)
