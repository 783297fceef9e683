"""Open sets of signal tracks whose every error is one; see `rnaget_server.datasets.guarded`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnaget_server.datasets.guarded import Guard, GuardedAxis
from rnaget_server.stores.tracks.base import Run, TrackStore


class GuardedTracks:
    """An open set of signal tracks behind a guard; see `TrackStore`. Made within the guard itself."""

    def __init__(self, whole: TrackStore, guard: Guard) -> None:
        self._whole = whole
        self._guard = guard
        with guard:
            self.tracks = GuardedAxis(whole.tracks, guard)
            self.chromosomes: Mapping[str, int] = dict(whole.chromosomes)
            for name in self.chromosomes:
                name.encode()

    def close(self) -> None:
        """Close the file, if it is kept open."""
        getattr(self._whole, "close", lambda: None)()

    def runs(self, chromosome: str | None, start: int, stop: int | None) -> tuple[Run, ...]:
        """Return the runs of bases that the set has in a range."""
        with self._guard:
            return self._whole.runs(chromosome, start, stop)

    def read(self, track: int, run: Run) -> NDArray[np.float32]:
        """Return the value at each base of a run."""
        with self._guard:
            return _of_length(self._whole.read(track, run), len(run))

    def first(self, track: int, run: Run) -> int | None:
        """Return the first base of a run that has a value."""
        with self._guard:
            return self._whole.first(track, run)

    def summary(
        self, track: int, run: Run, bins: int, summary: str, no_data: float, exact: bool
    ) -> NDArray[np.float32] | None:
        """Return a value for each bin, None if the file can do no better than give the single bases."""
        with self._guard:
            values = self._whole.summary(track, run, bins, summary, no_data, exact)
            return None if values is None else _of_length(values, bins)


def _of_length(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    if values.shape != (length,):
        raise OSError("the values do not fill the range")
    return values
