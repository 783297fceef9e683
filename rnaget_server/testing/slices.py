"""Slices of arrays in memory, for the contract tests of writers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.labels import WholeLabels
from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.model.sparse import SparseCells
from rnaget_server.testing.matrices import InMemorySparse

ORIGIN = {"expression": "example", "study": "β", "units": "TPM", "license": "CC0", "query": "a=1&b=2"}


@dataclass(frozen=True)
class InMemoryLabels(WholeLabels):
    """Columns as labels."""

    columns: Mapping[str, NDArray[Any]]
    id: str
    name: str | None = None

    @property
    def size(self) -> int:
        """Number of labels."""
        return len(self.columns[self.id])

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.columns)

    def column(self, attribute: str) -> NDArray[Any]:
        """Return a column."""
        return self.columns[attribute]

    def ascii(self, attribute: str) -> None:
        """Return None."""


def texts(values: Sequence[str]) -> NDArray[Any]:
    """Return a column of text."""
    return np.array([*values, None], object)[:-1]


def feature_labels(ids: Sequence[str]) -> InMemoryLabels:
    """Return features with names, of which some are empty and some are not ASCII, and numbers with gaps."""
    names = texts([("", "β2M", "GENE", "R&D")[number % 4] for number in range(len(ids))])
    gaps = np.where(np.arange(len(ids)) % 3 == 1, np.nan, np.arange(len(ids)) / 4)
    lengths = np.arange(len(ids), dtype=np.int64) * 10
    return InMemoryLabels({"gene": texts(ids), "symbol": names, "length": lengths, "score": gaps}, "gene", "symbol")


def sample_labels(ids: Sequence[str]) -> InMemoryLabels:
    """Return samples with a text that repeats and a number with gaps."""
    tissues = texts([("liver", "Überrest", "")[number % 3] for number in range(len(ids))])
    ages = np.where(np.arange(len(ids)) % 4 == 3, np.nan, np.arange(len(ids)) + 0.5)
    return InMemoryLabels({"sample": texts(ids), "tissue": tissues, "age": ages}, "sample")


def layer_of(cells: NDArray[Any], units: str = "TPM", whole: bool = False, sparse: bool = False) -> LayerInfo:
    """Return an array (features × samples) as a layer, whose blocks are three rows each; with `sparse`, as such too."""

    def blocks() -> Iterator[NDArray[Any]]:
        for start in range(0, len(cells), 3):
            yield np.ascontiguousarray(cells[start : start + 3])

    if not sparse:
        return LayerInfo(units, cells.dtype, whole, blocks)
    source = InMemorySparse(cells)
    return LayerInfo(units, cells.dtype, whole, blocks, SparseCells(lambda: source.count, source.compressed_along))


def slice_of(features: Labels, samples: Labels, *layers: LayerInfo) -> Slice:
    """Return a slice whose TSV has the ids as labels and no comment lines."""
    return Slice(
        features=features,
        samples=samples,
        layers=layers,
        tsv_labels=(features.id,),
        tsv_columns=lambda: [as_texts(samples.column(samples.id))],
        tsv_comments=False,
        origin=ORIGIN,
    )
