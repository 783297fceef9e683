"""Small matrices with every difficulty in them, for the contract tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.base import Result
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.native.encoded_rows import map_blocks
from rnaget_server.stores.native.write_dense import AxisTable

FEATURES, SAMPLES = 60, 25


class InMemory:
    """An array as the source of a layer."""

    def __init__(self, cells: NDArray[Any]) -> None:
        self.cells = cells
        self.shape: tuple[int, int] = (cells.shape[0], cells.shape[1])

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return some features."""
        return self.cells[start:stop]

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """Return some samples."""
        return self.cells[:, start:stop]


class InMemorySparse:
    """An array as the source of a sparse layer: every cell but 0 is stored."""

    def __init__(self, cells: NDArray[Any]) -> None:
        self.cells = cells
        self.shape: tuple[int, int] = (cells.shape[0], cells.shape[1])
        self.count = int(np.count_nonzero(cells))

    def compressed_along(self, direction: Direction) -> Iterator[CompressedBlock]:
        """Yield the cells in two pieces."""
        cells = self.cells if direction == "features" else self.cells.T
        for part in np.array_split(cells, 2):
            rows, positions = np.nonzero(part)
            starts = np.searchsorted(rows, np.arange(len(part) + 1))
            yield CompressedBlock(starts, positions.astype(np.int64), part[rows, positions])

    def map_blocks(self, direction: Direction, work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
        """Yield what is made of both pieces."""
        return map_blocks(self.compressed_along(direction), work)


def example_axes() -> tuple[AxisTable, AxisTable]:
    """Return labels: versioned ids, repeated names, text that is not ASCII, an empty and a very long one, numbers."""
    genes = [f"ENSG{number:011d}.{number % 3 + 1}" for number in range(FEATURES)]
    genes[7] = genes[6] + "_PAR_Y"
    symbols = [f"GENE{number // 2}" for number in range(FEATURES)]
    samples = [f"S {number}" for number in range(SAMPLES)]
    notes = ["β-cell", "R&D", "", "a &lt; b", "plain"]
    features = AxisTable(
        "gene",
        {
            "gene": np.array(genes, object),
            "symbol": np.array(symbols, object),
            "story": np.array(["", "short ü", *(["word " * 9000] * 3), *(["x"] * (FEATURES - 5))], object),
            "length": np.arange(FEATURES, dtype=np.int64) * 10,
        },
        "symbol",
    )
    columns = {
        "sample": np.array(samples, object),
        "note": np.array([notes[number % len(notes)] for number in range(SAMPLES)], object),
        "age": np.where(np.arange(SAMPLES) % 4 == 3, np.nan, np.arange(SAMPLES) + 0.5),
    }
    points = np.random.default_rng(3).normal(size=(SAMPLES, 2)).astype(np.float32)
    points[6] = np.nan
    return features, AxisTable("sample", columns, embeddings={"X_umap": points, "X/pca": points[::-1] * 100})


def example_cells() -> list[tuple[str, NDArray[Any], bool]]:
    """Return layers as (units, cells, whether whole): fractions with gaps, and counts beyond 2**24."""
    random = np.random.default_rng(7)
    fractions = np.round(random.lognormal(1, 2, (FEATURES, SAMPLES)), 3).astype(np.float32)
    fractions[random.random(fractions.shape) < 0.4] = 0
    fractions[3, 4] = np.nan
    fractions[5] = np.nan
    fractions[8, 2] = np.inf
    counts = random.integers(0, 2**30, (FEATURES, SAMPLES)).astype(np.float64)
    return [("TPM", fractions, False), ("counts", counts, True)]
