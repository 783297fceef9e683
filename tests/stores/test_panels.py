"""Rows of several files that are read at once: no more than a reader needs are in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo
from rnaget_server.slicing.join import Part, join
from rnaget_server.stores.blocks import panel_rows, parts_of_panel
from rnaget_server.stores.sharded.cells import Selection
from rnaget_server.testing.slices import feature_labels
from rnaget_server.writers.entries import nonzero_entries

_MB = 1 << 20
_WIDTH, _HEIGHT = 2 * _MB // 4, 24
"""Two files of 2 MiB a row, and as many rows as three panels of 16 MiB have together, twice."""


class _Rows:
    """A store of which each row is made when it is read: cells that tell the feature."""

    def dtype(self, units: str) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def whole(self, units: str) -> bool:
        return True

    def blocks(self, units: str, features: Any = None, samples: Any = None) -> Iterator[NDArray[Any]]:
        for feature in range(_HEIGHT) if features is None else features.tolist():
            yield np.full((1, _WIDTH), feature + 1, np.float32)


def _joined() -> Iterator[NDArray[Any]]:
    genes, samples = feature_labels([f"g{number}" for number in range(_HEIGHT)]), _Samples()
    parts = [Part(name, _Rows(), "TPM", None, None, genes, samples) for name in "ab"]  # type: ignore[arg-type]
    return join(parts)[2].blocks()


class _Samples:
    size = _WIDTH


class _FilePart:
    """A file of a matrix of several."""

    samples = None

    def __init__(self, number: int) -> None:
        self.columns = slice(number * _WIDTH, (number + 1) * _WIDTH)
        self.width = _WIDTH

    def read(self, units: str, features: Any, to: NDArray[Any]) -> None:
        to[:] = (features + 1)[:, np.newaxis]


def _of_files() -> Iterator[NDArray[Any]]:
    parts: Any = [_FilePart(0), _FilePart(1)]
    selection = Selection(parts, "TPM", np.dtype(np.float32), np.arange(_HEIGHT), _HEIGHT, _Opened())  # type: ignore[arg-type]
    return selection.blocks()


class _Opened:
    """Files that are all open."""


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Selection, "_run", lambda self, tasks, cells: [task() for task in tasks])


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("blocks", [_joined, _of_files])
def test_a_reader_of_wide_rows_holds_a_few_of_them(blocks: Callable[[], Iterator[NDArray[Any]]]) -> None:
    """By panels of 16 MiB of which two were in memory, it were 32 MiB."""
    tracemalloc.start()
    try:
        seen = []
        for block in blocks():
            seen += [int(row[0]) for row in block]
            assert (block == block[:, :1]).all()
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == list(range(1, _HEIGHT + 1))
    assert highest < 20 * _MB


def test_rows_that_are_blocks_are_read_by_few_where_files_are_few() -> None:
    assert panel_rows(4_800_000, 2) == (1, 1)
    assert panel_rows(1_000_000, 2) == (1, 8)
    assert panel_rows(1_000_000, 2_000) == (1, 16)
    # Other blocks are cut as they are for thousands of files, or equal slices would be compressed in other pieces.
    assert panel_rows(1_000, 2) == panel_rows(1_000, 2_000) == (524, 16_777)
    assert panel_rows(0, 1) == (1 << 19, 1 << 24)


@pytest.mark.parametrize(("rows", "step"), [(1, 1), (1, 5), (4, 1), (7, 3), (6, 3)])
def test_whoever_has_the_last_rows_of_a_panel_does_not_hold_the_others(rows: int, step: int) -> None:
    cells = np.arange(rows * 2.0).reshape(rows, 2)
    parts = list(parts_of_panel(cells, step))
    assert [len(part) for part in parts] == [min(step, rows - start) for start in range(0, rows, step)]
    assert np.array_equal(np.concatenate(parts), cells)
    assert len(parts) == 1 or not np.shares_memory(parts[-1], cells)


def test_the_cells_of_a_wide_row_that_are_not_zero_take_little_more_than_their_places() -> None:
    """A number of eight bytes for each cell, its value, and some thousand at a time; the row of each is no third."""
    row = np.ones((1, _MB), np.float32)
    layer = LayerInfo("TPM", row.dtype, True, lambda: iter([row]))
    tracemalloc.start()
    try:
        count = sum(len(values) for _, _, values in nonzero_entries(layer, 1 << 16))
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == _MB
    assert highest < 18 * _MB
