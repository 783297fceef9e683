"""Exact summaries of a range in bins, from the single bases, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.tracks.base import Run, TrackStore

_BASES_AT_ONCE = 1 << 20


def edges(start: int, stop: int, bins: int) -> NDArray[np.int64]:
    """Return the `bins` + 1 borders that divide a range evenly: bin i is the half-open ``[edges[i], edges[i + 1])``."""
    return start + np.arange(bins + 1, dtype=np.int64) * (stop - start) // bins


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
    size = len(borders) - 1
    total, count = np.zeros(size), np.zeros(size, np.int64)
    least, greatest = np.full(size, np.nan), np.full(size, np.nan)
    for run in runs:
        for start in range(run.start, run.stop, _BASES_AT_ONCE):
            piece = Run(run.chromosome, start, min(start + _BASES_AT_ONCE, run.stop))
            values = store.read(track, piece).astype(np.float64)
            first = int(np.searchsorted(borders, piece.start, "right")) - 1
            last = int(np.searchsorted(borders, piece.stop, "left"))
            cuts = np.maximum(borders[first:last], piece.start) - piece.start
            count[first:last] += np.add.reduceat(~np.isnan(values), cuts, dtype=np.int64)
            total[first:last] += np.add.reduceat(np.nan_to_num(values), cuts)
            least[first:last] = np.fmin(least[first:last], np.fmin.reduceat(values, cuts))
            greatest[first:last] = np.fmax(greatest[first:last], np.fmax.reduceat(values, cuts))
    width = np.diff(borders)
    if summary == "coverage":
        return (count / width).astype(np.float32)
    if no_data == no_data:
        lacking = count < width
        total += np.where(lacking, (width - count) * no_data, 0)
        count = width
        least = np.where(lacking, np.fmin(least, no_data), least)
        greatest = np.where(lacking, np.fmax(greatest, no_data), greatest)
    if summary != "mean":
        return (least if summary == "min" else greatest).astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total / count).astype(np.float32)
