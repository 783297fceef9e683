"""A set of bigWig files as signal tracks, read by pybigtools.

A file is opened for each read, which costs ten microseconds: no handle outlives a reply, and threads share none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pybigtools
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, column_of
from rnaget_server.model.text import encode_all
from rnaget_server.storage.source import FileVersion, version_at
from rnaget_server.stores.failures import is_of_file
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig_check import check_head, check_structure
from rnaget_server.stores.tracks.bins import edges

_EXTENSIONS = (".bw", ".bigWig", ".bigwig")
_Answer = TypeVar("_Answer")
_STATISTICS = {"mean": "mean", "min": "min", "max": "max", "coverage": "bases_covered"}


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
        self._checked: dict[int, FileVersion] = {}
        self.chromosomes = joint_chromosomes({path.name: chromosomes_of(path) for path in paths})

        def read(name: str) -> Column:
            return column_of(encode_all(attributes[name]))

        self.tracks = Axis(len(self._paths), tuple(attributes), read)

    def runs(self, chromosome: str | None, start: int, stop: int | None) -> tuple[Run, ...]:
        """Return the whole range: any base can be asked of a bigWig file."""
        if chromosome is None:
            return tuple(Run(name, 0, size) for name, size in self.chromosomes.items())
        size = self.chromosomes[chromosome]
        return (Run(chromosome, start, size if stop is None else min(stop, size)),)

    def read(self, track: int, run: Run) -> NDArray[np.float32]:
        """Return the value at each base, NaN where there is none."""
        values = self._values(track, run)
        return np.full(len(run), np.nan, np.float32) if values is None else values

    def summary(
        self, track: int, run: Run, bins: int, summary: str, no_data: float, exact: bool
    ) -> NDArray[np.float32] | None:
        """Return one value for each bin, which pybigtools takes from the intervals, or from zoom levels.

        None where bins are not of one width: pybigtools computes their borders in floating point, and puts a base
        now and then into the neighbouring bin.
        """
        if exact and len(run) % bins:
            return None
        uncovered = None if no_data != no_data else no_data
        values = self._values(track, run, bins=bins, summary=_STATISTICS[summary], exact=exact, uncovered=uncovered)
        if summary == "coverage":
            bases = np.zeros(bins) if values is None else np.nan_to_num(values)
            return (bases / np.diff(edges(run.start, run.stop, bins))).clip(max=1).astype(np.float32)
        return np.full(bins, no_data, np.float32) if values is None else values

    def first(self, track: int, run: Run) -> int | None:
        """Return the first base of a run that has a value, which costs about as much as opening the file."""
        place = (run.chromosome, run.start, run.stop)
        interval = self._ask(track, lambda file: next(iter(file.records(*place)), None))
        return None if interval is None else max(run.start, int(interval[0]))

    def _values(self, track: int, run: Run, **how: Any) -> NDArray[np.float32] | None:
        """Return what pybigtools gives for a run; None if the file lacks the chromosome."""
        place = (run.chromosome, run.start, run.stop)
        return self._ask(track, lambda file: np.asarray(file.values(*place, fillna=None, **how), np.float32))

    def _ask(self, track: int, ask: Callable[[Any], _Answer]) -> _Answer | None:
        """Return what the open file of a track answers; None if it lacks the chromosome."""
        path = self._paths[track]
        if self._checked.get(track) != (state := version_at(path)):
            check_structure(path)
            self._checked[track] = state
        try:
            with opened(path) as file:
                return ask(file)
        except KeyError:
            return None
        except BaseException as error:
            if not is_of_file(error):
                raise
            raise OSError(f"{path.name} cannot be read") from None


def opened(path: Path) -> AbstractContextManager[Any]:
    """Open a bigWig file whatever its name; pybigtools takes paths of the usual extensions only."""
    name = str(path)
    return pybigtools.open(name) if name.endswith(_EXTENSIONS) else _open_under_other_name(path)


@contextmanager
def _open_under_other_name(path: Path) -> Iterator[Any]:
    with path.open("rb") as file, pybigtools.open(file) as reader:
        yield reader


def chromosomes_of(path: Path) -> dict[str, int]:
    """Return the chromosomes of a bigWig file and their sizes.

    Raises
    ------
    OSError
        If the file is missing, truncated or no bigWig; the message names no directory.
    """
    if not path.is_file():
        raise OSError(f"there is no file {path.name}")
    check_head(path)
    try:
        with opened(path) as file:
            return {str(name): int(size) for name, size in file.chroms().items()}
    except BaseException as error:
        if not is_of_file(error):
            raise
        raise OSError(f"{path.name} is damaged or no bigWig file") from None


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
