"""A region of signal tracks in a few bins, as plain numbers for a table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from rnaget_server.catalog import TrackSet
from rnaget_server.errors import StoreFailure
from rnaget_server.slicing.named_regions import NamedRegion
from rnaget_server.stores.tracks.base import Run, TrackStore
from rnaget_server.stores.tracks.bins import edges, summarised

EXACT_BASES = 2_000_000
"""Longer regions are read from zoom levels where a file has them."""


def bin_borders(region: NamedRegion, bins: int) -> list[int]:
    """Return the borders of the bins of a region, which has at most as many as it has bases."""
    borders: list[int] = edges(region.start, region.end, min(bins, len(region))).tolist()
    return borders


def binned_means(
    store: TrackStore, record: TrackSet, tracks: Sequence[int], region: NamedRegion, bins: int
) -> list[list[float | None] | None]:
    """Return the mean of each bin of a region for some tracks: None without data, and for a track that is unreadable.

    Parameters
    ----------
    store
        The open set.
    record
        Its record.
    tracks
        Which of its tracks.
    region, bins
        The region, and the number of bins that it is divided into.
    """
    borders = np.array(bin_borders(region, bins))
    run = Run(region.chromosome, region.start, region.end)
    found: list[list[float | None] | None] = []
    for track in tracks:
        means = None
        with suppress(StoreFailure):  # the log says why
            exact = len(region) <= EXACT_BASES
            values = store.summary(track, run, len(borders) - 1, "mean", record.no_data, exact)
            if values is None:
                runs = store.runs(run.chromosome, run.start, run.stop)
                values = summarised(store, track, runs, borders, "mean", record.no_data)
            means = [None if np.isnan(value) else float(value) for value in values]
        found.append(means)
    return found
