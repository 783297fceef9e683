"""Summaries of a range in bins, from intervals and from the records of zoom levels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.tracks.bigwig_data import Intervals, Records
from rnaget_server.stores.tracks.bins import Bins


def of_intervals(
    found: Iterator[Intervals], borders: NDArray[np.int64], summary: str, no_data: float
) -> NDArray[np.float32]:
    """Return one value for each bin, by every base; for the parameters see `stores.tracks.bins.summarised`."""
    bins = Bins(borders)
    for starts, ends, values in found:
        piece, at, bases = _pieces(starts, ends, borders)
        cells = values.astype(np.float64)[piece]
        with np.errstate(invalid="ignore"):
            bins.add(at, bases, cells * bases, cells, cells)
    return bins.summary(summary, no_data)


def of_records(
    found: Iterator[Records], borders: NDArray[np.int64], summary: str, no_data: float
) -> NDArray[np.float32]:
    """Return about one value for each bin: of a record that lies in two, each has its share by bases."""
    bins = Bins(borders)
    for record in found:
        piece, at, bases = _pieces(record.starts, record.ends, borders)
        share = bases / (record.ends - record.starts)[piece]
        with np.errstate(invalid="ignore"):
            bins.add(
                at,
                record.covered[piece] * share,
                record.total[piece] * share,
                record.least[piece],
                record.greatest[piece],
            )
    return bins.summary(summary, no_data)


def _pieces(
    starts: NDArray[np.int64], ends: NDArray[np.int64], borders: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return intervals cut at the borders of bins: of each piece its interval, its bin and its number of bases."""
    starts, ends = np.maximum(starts, borders[0]), np.minimum(ends, borders[-1])
    first = np.searchsorted(borders, starts, "right") - 1
    count = np.searchsorted(borders, ends, "left") - first
    piece = np.repeat(np.arange(len(starts)), count)
    at = np.arange(len(piece)) - np.repeat(np.cumsum(count) - count - first, count)
    bases = np.minimum(ends[piece], borders[at + 1]) - np.maximum(starts[piece], borders[at])
    return piece, at, bases
