"""The contract of a set of signal tracks, and the range of bases that a query names in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import InvalidQuery, UnknownId, unknown_name
from rnaget_server.model.axis import Axis


@dataclass(frozen=True)
class Run:
    """Consecutive bases of a chromosome: 0-based, half-open."""

    chromosome: str
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of bases."""
        return self.stop - self.start


class TrackStore(Protocol):
    """An open set of signal tracks. Safe to share among threads."""

    @property
    def tracks(self) -> Axis:
        """The tracks and their attributes."""

    @property
    def chromosomes(self) -> Mapping[str, int]:
        """Size in bases of each chromosome, by name."""

    def runs(self, chromosome: str | None, start: int, stop: int | None) -> tuple[Run, ...]:
        """Return the runs of bases that the set has in a range; None: everything.

        Parameters
        ----------
        chromosome
            A name of `chromosomes`, or None for the whole set.
        start, stop
            0-based, half-open; None to the end of the chromosome.
        """

    def read(self, track: int, run: Run) -> NDArray[np.float32]:
        """Return the value at each base of a run, NaN where there is none.

        Raises
        ------
        OSError
            If the file cannot be read.
        """

    def first(self, track: int, run: Run) -> int | None:
        """Return the first base of a run that has a value; None if there is none, or it is not found at once.

        Raises
        ------
        OSError
            If the file cannot be read.
        """

    def summary(
        self, track: int, run: Run, bins: int, summary: str, no_data: float, exact: bool
    ) -> NDArray[np.float32] | None:
        """Return what `stores.tracks.bins.summarised` returns, or about that from zoom levels if not `exact`.

        None, if the file can do no better than give the single bases.
        """


def range_of(store: TrackStore, chromosome: str | None, start: int | None, end: int | None) -> tuple[Run, ...]:
    """Return the runs of bases that a query names.

    Raises
    ------
    UnknownId
        If there is no such chromosome, or no base of the set lies in the range.
    InvalidQuery
        If the range starts beyond the end of the chromosome.
    """
    if chromosome is None:
        return store.runs(None, 0, None)
    name = own_name(chromosome, store.chromosomes)
    size = store.chromosomes[name]
    if start is not None and start >= size:
        raise InvalidQuery(f"start {start} lies beyond the end of {name}, which has {size} bases")
    runs = store.runs(name, start or 0, end)
    if not runs:
        raise UnknownId(f"there is no data in that range of {name}: ask for another")
    return runs


def own_name(asked: str, chromosomes: Mapping[str, int]) -> str:
    """Return what the set calls a chromosome: exactly that, or that without ``chr`` in front.

    Else ``M`` and ``MT`` are taken for one another if only one is there: where both are, they are two sequences.
    """
    plain = asked.removeprefix("chr")
    for name in (asked, plain if asked != plain else f"chr{plain}"):
        if name in chromosomes:
            return name
    if other := {"M": "MT", "MT": "M"}.get(plain):
        found = [name for name in (other, f"chr{other}") if name in chromosomes]
        if len(found) == 1:
            return found[0]
    raise UnknownId(unknown_name("chromosome", asked, chromosomes))


def labels_of(run: Run) -> NDArray[np.bytes_]:
    """Return the label of each base of a run, such as ``chr1:20``, as fixed-width bytes."""
    prefix = f"{run.chromosome}:".encode()
    digits = len(str(max(run.stop - 1, 0)))
    numbers = np.arange(run.start, run.stop).astype(f"S{digits}")
    labels: NDArray[Any] = np.char.add(prefix, numbers)
    return labels
