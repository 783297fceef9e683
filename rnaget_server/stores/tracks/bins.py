"""Exact summaries of a range in bins, from the single bases, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.tracks.base import Run, TrackStore

_BASES_AT_ONCE = 1 << 20


def edges(start: int, stop: int, bins: int) -> NDArray[np.int64]:
    """Return the `bins` + 1 borders that divide a range evenly: bin i is the half-open ``[edges[i], edges[i + 1])``."""
    return start + np.arange(bins + 1, dtype=np.int64) * (stop - start) // bins


class Bins:
    """Bins to be filled: of each the number of bases with data, and sum, least and greatest of their values."""

    def __init__(self, borders: NDArray[np.int64]) -> None:
        size = len(borders) - 1
        self._width = np.diff(borders)
        self._count, self._total = np.zeros(size), np.zeros(size)
        self._least, self._greatest = np.full(size, np.nan), np.full(size, np.nan)

    def add(
        self,
        at: NDArray[np.int64],
        bases: NDArray[Any],
        total: NDArray[np.float64],
        least: NDArray[np.float64],
        greatest: NDArray[np.float64],
    ) -> None:
        """Add pieces; `at` are their bins, in order."""
        if not len(at):
            return
        cuts = np.flatnonzero(np.diff(at, prepend=-1))
        bins = at[cuts]
        with np.errstate(invalid="ignore"):
            self._count[bins] += np.add.reduceat(bases, cuts)
            self._total[bins] += np.add.reduceat(total, cuts)
        self._least[bins] = np.fmin(self._least[bins], np.fmin.reduceat(least, cuts))
        self._greatest[bins] = np.fmax(self._greatest[bins], np.fmax.reduceat(greatest, cuts))

    def summary(self, summary: str, no_data: float) -> NDArray[np.float32]:
        """Return one value for each bin; for the parameters see `summarised`."""
        count, total, least, greatest = self._count, self._total, self._least, self._greatest
        if summary == "coverage":
            return (count / self._width).clip(max=1).astype(np.float32)
        if no_data == no_data:
            lacking = count < self._width
            total = total + np.where(lacking, (self._width - count) * no_data, 0)
            count = np.maximum(count, self._width)
            least = np.where(lacking, np.fmin(least, no_data), least)
            greatest = np.where(lacking, np.fmax(greatest, no_data), greatest)
        if summary != "mean":
            return (least if summary == "min" else greatest).astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (total / count).astype(np.float32)


def summarised(
    store: TrackStore, track: int, runs: Sequence[Run], borders: NDArray[np.int64], summary: str, no_data: float
) -> NDArray[np.float32]:
    """Return one value for each bin.

    Parameters
    ----------
    runs
        Where the set has bases, within the range that `borders` divide.
    summary
        ``mean``, ``min`` or ``max`` of the bases with data (of all bases, if `no_data` is a number), NaN for a bin
        without any; or ``coverage``, the share of its bases that have data.
    no_data
        What a base without data counts as: NaN for nothing.
    """
    bins = Bins(borders)
    for run in runs:
        for start in range(run.start, run.stop, _BASES_AT_ONCE):
            piece = Run(run.chromosome, start, min(start + _BASES_AT_ONCE, run.stop))
            values = store.read(track, piece).astype(np.float64)
            covered = np.flatnonzero(~np.isnan(values))
            values = values[covered]
            at = np.searchsorted(borders, covered + start, "right") - 1
            bins.add(at, np.ones(len(at), np.int64), values, values, values)
    return bins.summary(summary, no_data)
