"""bigWig: one track, as genome browsers read it over the network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from rnaget_server.errors import InvalidQuery, UnknownId
from rnaget_server.model.slice import Slice
from rnaget_server.stores.tracks.bigwig_writer import MOST_POSITION, Interval, write_bigwig
from rnaget_server.stores.tracks.columns import PositionLabels
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.bedgraph import intervals

_PIECE = 1 << 20


class BigWigWriter(Writer):
    """Writes one track, with its chromosomes' full sizes and zoom levels."""

    media_types = ("application/x-bigwig",)
    extension = "bw"
    groups = ("continuous",)

    def check(self, slice: Slice) -> None:
        """Refuse several tracks, and a range without data.

        Raises
        ------
        InvalidQuery
            If the slice has several tracks, of which a bigWig file holds one, or positions that cannot be written.
        UnknownId
            If no base of the slice has data.
        """
        _checked_values(slice)

    def write(self, slice: Slice) -> Body:
        """Return the track as a bigWig file and its length; see `check` for what is refused."""
        values = _checked_values(slice)
        labels = slice.samples
        if not isinstance(labels, PositionLabels):
            raise TypeError("only slices of signal tracks can be bigWig")
        with tempfile.TemporaryDirectory(prefix="rnaget-") as directory:
            path = Path(directory) / "slice.bw"
            write_bigwig(path, labels.chromosomes, values)
            file = path.open("rb")
        length = file.seek(0, 2)
        return Body(_read_pieces(file), length, file.close)


def check_tracks(slice: Slice) -> NDArray[Any]:
    """Return the name of the one track of a slice, and refuse several without reading them.

    Raises
    ------
    InvalidQuery
        If there are several.
    """
    names = slice.features.column(slice.features.id)
    if len(names) > 1:
        raise InvalidQuery(
            f"a bigWig file holds one track, and {len(names)} match: choose one, such as sampleIDList={names[0]}"
        )
    return names


def _checked_values(slice: Slice) -> Iterator[Interval]:
    """Return the intervals of the one track of a slice, of which there is at least one, read once."""
    names = check_tracks(slice)
    values = _values(slice)
    first = next(values, None)
    if first is None:
        raise UnknownId(f"{names[0]} has no data in that range, and a bigWig file must hold some: ask for another")
    return chain([first], values)


def _values(slice: Slice) -> Iterator[Interval]:
    for block in slice.layers[0].blocks():
        for chromosome, starts, stops, values in intervals(slice, block[0]):
            if len(stops) and stops[-1] > MOST_POSITION:
                raise InvalidQuery(
                    f"a bigWig file cannot have positions above {MOST_POSITION:,}: ask for format=bedgraph"
                )
            for start, stop, value in zip(starts.tolist(), stops.tolist(), values.tolist(), strict=True):
                yield chromosome, start, stop, value


def _read_pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece
