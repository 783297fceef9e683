"""The columns of a slice of signal tracks: single bases or bins, and their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import WholeLabels
from rnaget_server.stores.tracks.base import Run, labels_of
from rnaget_server.stores.tracks.bins import edges

_LABELS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Columns:
    """The columns of a slice of tracks: the single bases of `runs`, or bins of one range."""

    runs: tuple[Run, ...]
    bins: int | None = None
    start: int = 0
    stop: int = 0

    def __len__(self) -> int:
        """Return the number of columns."""
        return self.bins if self.bins is not None else sum(len(run) for run in self.runs)

    @property
    def borders(self) -> NDArray[np.int64]:
        """Borders of the bins."""
        return edges(self.start, self.stop, self.bins or 1)

    def labels(self) -> Iterator[NDArray[np.bytes_]]:
        """Yield the labels in pieces: ``chr1:20`` for a base, ``chr1:20-40`` for a bin."""
        if self.bins is not None:
            name, borders = self.runs[0].chromosome, self.borders
            yield np.array([f"{name}:{a}-{b}".encode() for a, b in pairwise(borders.tolist())])
            return
        for run in self.runs:
            for start in range(run.start, run.stop, _LABELS_AT_ONCE):
                yield labels_of(Run(run.chromosome, start, min(start + _LABELS_AT_ONCE, run.stop)))

    def spans(self) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (chromosome, starts, stops) of the columns, run by run."""
        if self.bins is not None:
            yield self.runs[0].chromosome, self.borders[:-1], self.borders[1:]
            return
        for run in self.runs:
            starts = np.arange(run.start, run.stop, dtype=np.int64)
            yield run.chromosome, starts, starts + 1

    def __str__(self) -> str:
        """Return the range in words, such as ``chr1:0-100``."""
        return ",".join(f"{run.chromosome}:{run.start}-{run.stop}" for run in self.runs)


@dataclass(frozen=True)
class PositionLabels(WholeLabels):
    """The columns of a slice of tracks as labels."""

    columns: Columns
    chromosomes: Mapping[str, int]
    id: str
    name: str | None = None

    @property
    def size(self) -> int:
        """Number of columns."""
        return len(self.columns)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Only the positions."""
        return (self.id,)

    def column(self, attribute: str) -> NDArray[np.bytes_]:
        """Return the positions as fixed-width bytes, since there may be millions."""
        return np.concatenate(list(self.columns.labels()))

    def ascii(self, attribute: str) -> NDArray[np.bytes_]:
        """Return the same."""
        return self.column(attribute)
