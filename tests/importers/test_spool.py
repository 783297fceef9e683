from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnaget_server.importers import spool as spool_module
from rnaget_server.importers.spool import JoinedCells, SharedSpool, Spool, TooLarge

BLOCKS = {
    "fractions": ([[0.1, 2.0]], np.float32, False),
    "whole": ([[1.0, np.nan], [np.inf, 5.0]], np.float32, True),
    "large": ([[2.0**24, 1.0], [2.0**24 + 1, np.nan]], np.float64, True),
    "large then fractions": ([[2.0**30 + 1, 1.0], [0.5, 1.0]], np.float32, False),
    "fractions then large": ([[0.5, 1.0], [2.0**30 + 1, 1.0]], np.float32, False),
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("transposed", [False, True])
def test_types_follow_the_cells(tmp_path: Path, name: str, transposed: bool) -> None:
    rows, dtype, whole = BLOCKS[name]
    spool = Spool(tmp_path, 2, transposed)
    for row in rows:
        spool.append(np.array([row]))
    cells = spool.finish()
    expected = np.array(rows).astype(dtype)
    expected = expected.T if transposed else expected
    assert (cells.dtype, cells.whole, cells.shape) == (dtype, whole, expected.shape)
    np.testing.assert_array_equal(cells.rows(0, cells.shape[0]), expected)
    np.testing.assert_array_equal(cells.columns(0, cells.shape[1]), expected)
    cells.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("seek", [0, 1 << 20])
@pytest.mark.parametrize("buffer", [64, 1 << 20])
def test_any_stretch_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transposed: bool, seek: int, buffer: int
) -> None:
    monkeypatch.setattr(spool_module, "_SEEK_BYTES", seek)
    monkeypatch.setattr(spool_module, "_BUFFER", buffer)
    values = np.random.default_rng(1).random((13, 7)).astype(np.float32)
    spool = Spool(tmp_path, 7, transposed)
    for start in range(0, 13, 4):
        spool.append(values[start : start + 4].astype(float))
    cells = spool.finish()
    expected = values.T if transposed else values
    for start, stop in ((0, 3), (2, 7), (6, 7), (3, 3)):
        np.testing.assert_array_equal(cells.rows(start, stop), expected[start:stop])
        np.testing.assert_array_equal(cells.columns(start, stop), expected[:, start:stop])
    features = np.array([3, -1, 0, 5])
    samples = np.array([6, 2, -1])
    aligned = cells.aligned(features, samples, tmp_path)
    wanted = np.where((features < 0)[:, None] | (samples < 0), np.nan, expected[np.ix_(features, samples)])
    np.testing.assert_array_equal(aligned.rows(0, 4), wanted.astype(np.float32))
    aligned.close()
    cells.close()


@pytest.mark.parametrize("beside", [1.0, 0.5, -np.inf, np.inf, np.nan])
def test_what_float32_cannot_hold_is_refused(tmp_path: Path, beside: float) -> None:
    """Also where an infinite value is more, and where whole numbers are kept as float64."""
    largest = float(np.finfo(np.float32).max)
    spool = Spool(tmp_path, 2)
    spool.append(np.array([[largest, beside]]))
    for value in (3.5e38, -3.5e38):
        with pytest.raises(TooLarge, match=r"the value 3.5e\+38 is larger than float32 can hold"):
            spool.append(np.array([[value, beside]]))
    cells = spool.finish()
    np.testing.assert_array_equal(cells.rows(0, 1), [[largest, beside]])
    cells.close()


@pytest.mark.parametrize("seek", [0, 1 << 20])
def test_files_together_are_one_matrix_also_where_one_has_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seek: int
) -> None:
    monkeypatch.setattr(spool_module, "_SEEK_BYTES", seek)
    values = np.random.default_rng(1).random((13, 7)).astype(np.float32)
    files = []
    for number, (start, stop) in enumerate([(0, 0), (0, 8), (8, 8), (8, 13), (13, 13)]):
        spool = SharedSpool(tmp_path, 7)
        spool.append(values[start:stop].astype(float))
        files.append(spool.keep(tmp_path / f"{number}.cells"))
    cells = JoinedCells(files, False, tmp_path)
    for start, stop in ((0, 3), (2, 7), (6, 7), (3, 3)):
        np.testing.assert_array_equal(cells.rows(start, stop), values[start:stop])
        np.testing.assert_array_equal(cells.columns(start, stop), values[:, start:stop])
