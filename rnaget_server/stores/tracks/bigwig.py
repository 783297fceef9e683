"""A set of bigWig files as signal tracks.

A file is opened for each read, which costs ten microseconds: no handle outlives a reply, and threads share none.
What is kept of a file for as long as it stays as it is: its layout, where the nodes of its indexes are, and the few
blocks that were read last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, column_of
from rnaget_server.model.text import encode_all
from rnaget_server.storage.local import FileVersion
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig_data import BlockIndex, Data, Intervals, WrongSums
from rnaget_server.stores.tracks.bigwig_layout import DATA_INDEX, ZOOM_INDEX, BigWigFile, Layout
from rnaget_server.stores.tracks.bins import edges
from rnaget_server.stores.tracks.summaries import of_intervals, of_records

_MOST_KEPT = 1000
_MOST_NAMES_KEPT = 200_000


class _Kept(NamedTuple):
    """A file in one state: its layout, and its indexes by where they are."""

    version: FileVersion
    layout: Layout
    indexes: dict[int, BlockIndex]


class BigWigStore:
    """Tracks in bigWig files of one genome.

    Parameters
    ----------
    paths
        The files, in the order of the tracks.
    attributes
        Attribute name → value of each track.

    Raises
    ------
    OSError
        If a file is missing, truncated or no bigWig, or the files are not of one genome.
    """

    def __init__(self, paths: Sequence[Path], attributes: Mapping[str, Sequence[str]]) -> None:
        self._paths = tuple(paths)
        self._kept: dict[int, _Kept] = {}
        self._lock = threading.Lock()
        self.chromosomes = joint_chromosomes({path.name: chromosomes_of(path) for path in paths})

        def read(name: str) -> Column:
            return column_of(encode_all(attributes[name]))

        self.tracks = Axis(len(self._paths), tuple(attributes), read)

    def runs(self, chromosome: str | None, start: int, stop: int | None) -> tuple[Run, ...]:
        """Return the whole range: any base can be asked of a bigWig file."""
        if chromosome is None:
            return tuple(Run(name, 0, size) for name, size in self.chromosomes.items() if size)
        size = self.chromosomes[chromosome]
        run = Run(chromosome, start, size if stop is None else min(stop, size))
        return (run,) if len(run) > 0 else ()

    def intervals(self, track: int, run: Run) -> Iterator[Intervals]:
        """Yield the intervals of a track that reach into a run, cut to it and in order; none has the value NaN.

        Raises
        ------
        OSError
            If the file cannot be read, or intervals overlap.
        """
        with self._opened(track, run) as data:
            if data is not None:
                yield from data.intervals(run.chromosome, run.start, run.stop)

    def read(self, track: int, run: Run) -> NDArray[np.float32]:
        """Return the value at each base, NaN where there is none."""
        values = np.full(len(run), np.nan, np.float32)
        for found in self.intervals(track, run):
            _fill(values, found, run.start)
        return values

    def summary(
        self, track: int, run: Run, bins: int, summary: str, no_data: float, exact: bool
    ) -> NDArray[np.float32] | None:
        """Return one value for each bin, from the intervals, or from a zoom level of records of at most half a bin."""
        borders = edges(run.start, run.stop, bins)
        most = 0 if exact else len(run) // (2 * bins)
        if most:
            with suppress(WrongSums), self._opened(track, run, most) as data:
                if data is not None and data.is_zoom:
                    return of_records(data.records(run.chromosome, run.start, run.stop), borders, summary, no_data)
        return of_intervals(self.intervals(track, run), borders, summary, no_data)

    def first(self, track: int, run: Run) -> int | None:
        """Return the first base of a run that has a value."""
        return next((int(found.starts[0]) for found in self.intervals(track, run) if len(found.starts)), None)

    @contextmanager
    def _opened(self, track: int, run: Run, zoom: int = 0) -> Iterator[Data | None]:
        """Give the data of a track, or its zoom level of at most so many bases; None if it lacks the chromosome."""
        with BigWigFile(self._paths[track]) as file:
            kept = self._kept.get(track)
            if kept is None or kept.version != file.version:
                kept = self._keep(track, file)
            layout = kept.layout
            if run.chromosome not in layout.chromosomes:
                yield None
                return
            level = max((level for level in layout.zooms if 0 < level.bases <= zoom), default=None) if zoom else None
            place = layout.data_index if level is None else level.place
            index = kept.indexes.get(place)
            if index is None:
                nodes = file.nodes(layout, place, DATA_INDEX if level is None else ZOOM_INDEX)
                index = kept.indexes[place] = BlockIndex(nodes, level is not None)
            yield Data(file, layout, index)

    def _keep(self, track: int, file: BigWigFile) -> _Kept:
        """Return the layout of a file that is read for the first time, or was replaced."""
        layout = file.layout()
        for name, own in layout.chromosomes.items():
            if self.chromosomes.get(name) != own.size:
                raise OSError(f"{file.name} was replaced by a file of other chromosomes: {name} has {own.size} bases")
        kept = _Kept(file.version, layout, {})
        with self._lock:
            self._kept.pop(track, None)
            names = len(layout.chromosomes) + sum(len(other.layout.chromosomes) for other in self._kept.values())
            while self._kept and (len(self._kept) >= _MOST_KEPT or names > _MOST_NAMES_KEPT):
                names -= len(self._kept.pop(next(iter(self._kept))).layout.chromosomes)
            self._kept[track] = kept
        return kept


def _fill(values: NDArray[np.float32], found: Intervals, start: int) -> None:
    """Fill in the values of intervals; `start` is the position of the first base."""
    if not len(found.values):
        return
    starts, ends = found.starts - start, found.ends - start
    first, last = int(starts[0]), int(ends[-1])
    if last - first == len(starts):
        values[first:last] = found.values
        return
    gaps = np.empty(2 * len(starts) - 1, np.int64)
    gaps[::2] = ends - starts
    gaps[1::2] = starts[1:] - ends[:-1]
    filled = np.full(len(gaps), np.nan, np.float32)
    filled[::2] = found.values
    values[first:last] = np.repeat(filled, gaps)


def chromosomes_of(path: Path) -> dict[str, int]:
    """Return the chromosomes of a bigWig file and their sizes.

    Raises
    ------
    OSError
        If the file is missing, truncated or no bigWig; the message names no directory.
    """
    if not path.is_file():
        raise OSError(f"there is no file {path.name}")
    with BigWigFile(path) as file:
        return {name: chromosome.size for name, chromosome in file.layout().chromosomes.items()}


def joint_chromosomes(by_file: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the chromosomes of all files together.

    Raises
    ------
    OSError
        If a chromosome has two sizes, or two files have no chromosome in common: they are of two genomes.
    """
    joint: dict[str, int] = {}
    first: dict[str, str] = {}
    for file, sizes in by_file.items():
        if joint and not joint.keys() & sizes.keys():
            raise OSError(
                f"{file} ({_some(sizes)}) has no chromosome in common with {next(iter(by_file))} ({_some(joint)}): "
                "a set holds tracks of one genome"
            )
        for name, size in sizes.items():
            if joint.setdefault(name, size) != size:
                raise OSError(
                    f"{name} has {size} bases in {file} and {joint[name]} in {first[name]}: "
                    "a set holds tracks of one genome"
                )
            first.setdefault(name, file)
    return joint


def _some(sizes: Mapping[str, int]) -> str:
    names = list(sizes)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
