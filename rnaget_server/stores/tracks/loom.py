"""A loom file with tracks as rows and base positions as columns, as the official RNAget data set has it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.blocks import read
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.tracks.base import Run

_LOOKED_THROUGH = 1000
_POSITION = re.compile(r"(.+):([0-9]{1,10})")
_LAST = 2**32 - 2


class LoomTrackStore:
    """Tracks in a loom file whose column attribute `position` has labels such as ``chr1:20``.

    Raises
    ------
    OSError
        If the file is missing or damaged, or a label is no position.
    """

    def __init__(self, path: Path, track_id: str, position: str, access: FileAccess | None = None) -> None:
        self._loom = LoomStore(path, access=access)
        self.tracks: Axis = self._loom.features
        for axis, name in (("row", track_id), ("column", position)):
            has = (self.tracks if axis == "row" else self._loom.samples).attributes
            if name not in has:
                raise OSError(f"{path.name} has no {axis} attribute {name!r}; it has {', '.join(has)}")
        self._columns: dict[Run, int] = {}
        self.chromosomes: dict[str, int] = {}
        for run, column in _runs(self._loom.samples.column(position), path.name):
            self._columns[run] = column
            self.chromosomes[run.chromosome] = max(run.stop, self.chromosomes.get(run.chromosome, 0))

    def close(self) -> None:
        """Close the file for all that read it."""
        self._loom.close()

    def runs(self, chromosome: str | None, start: int, stop: int | None) -> tuple[Run, ...]:
        """Return the runs of columns that lie in a range, in the order of the file."""
        if chromosome is None:
            return tuple(self._columns)
        runs = []
        for run in self._columns:
            if run.chromosome == chromosome:
                low, high = max(run.start, start), run.stop if stop is None else min(run.stop, stop)
                if low < high:
                    runs.append(Run(chromosome, low, high))
        return tuple(runs)

    def read(self, track: int, run: Run) -> NDArray[np.float32]:
        """Return the value at each base of a run."""
        whole, column = next(
            (whole, column)
            for whole, column in self._columns.items()
            if whole.chromosome == run.chromosome and whole.start <= run.start and run.stop <= whole.stop
        )
        first = column + run.start - whole.start
        columns: Positions = np.arange(first, first + len(run))
        cells: NDArray[np.float32] = read(self._loom.main, slice(track, track + 1), columns, np.dtype(np.float32))[0]
        return cells

    def first(self, track: int, run: Run) -> int | None:
        """Return the first base of a run that has a value, looked for among the first thousand."""
        values = self.read(track, Run(run.chromosome, run.start, min(run.stop, run.start + _LOOKED_THROUGH)))
        covered = np.flatnonzero(~np.isnan(values))
        return run.start + int(covered[0]) if covered.size else None

    def summary(self, track: int, run: Run, bins: int, summary: str, no_data: float, exact: bool) -> None:
        """Return None: a loom file has the single bases only."""
        return None


def _runs(labels: NDArray[np.object_], file: str) -> list[tuple[Run, int]]:
    """Return the runs of consecutive positions and the column at which each starts."""
    runs: list[tuple[Run, int]] = []
    for column, label in enumerate(labels):
        match = _POSITION.fullmatch(label)
        if match is None or int(match[2]) > _LAST:
            raise OSError(f"{file}: {label!r} is no position such as chr1:20")
        chromosome, base = match[1], int(match[2])
        if runs and runs[-1][0].chromosome == chromosome and runs[-1][0].stop == base:
            last, start = runs[-1]
            runs[-1] = (Run(chromosome, last.start, base + 1), start)
        else:
            runs.append((Run(chromosome, base, base + 1), column))
    ordered = sorted((run.chromosome, run.start, run.stop) for run, _ in runs)
    for (name, _, stop), (other, start, _) in pairwise(ordered):
        if name == other and start < stop:
            raise OSError(f"{file}: the position {name}:{start} is there more than once")
    return runs
