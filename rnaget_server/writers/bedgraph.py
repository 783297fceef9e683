"""bedGraph: the intervals of equal value of each track, as genome browsers read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import Slice
from rnaget_server.stores.tracks.columns import PositionLabels
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.tsv import chunked, clean

Interval = tuple[str, NDArray[np.int64], NDArray[np.int64], NDArray[Any]]


class BedGraphWriter(Writer):
    """Writes a ``track`` line and the intervals of each track; bases without data are left out."""

    media_types = ("text/x-bedgraph",)
    extension = "bedGraph"
    groups = ("continuous",)

    def write(self, slice: Slice) -> Body:
        """Return the slice as text; its length is not known beforehand."""
        return Body(chunked(_lines(slice)))


def _lines(slice: Slice) -> Iterator[bytes]:
    yield b"".join(f"# {key}: {clean(value)}\n".encode() for key, value in slice.origin.items())
    names = slice.features.column(slice.features.id)
    rows = (row for block in slice.layers[0].blocks() for row in block)
    for name, row in zip(names, rows, strict=True):
        quoted = clean(name).replace('"', "'")
        yield f'track type=bedGraph name="{quoted}"\n'.encode()
        for chromosome, starts, stops, values in intervals(slice, row):
            cells = row_texts(np.ascontiguousarray(values).reshape(1, -1), False, b"\n", b"NaN")[0].split(b"\n")
            prefix = f"{chromosome}\t"
            yield b"".join(
                f"{prefix}{start}\t{stop}\t".encode() + cell + b"\n"
                for start, stop, cell in zip(starts.tolist(), stops.tolist(), cells, strict=True)
            )


def intervals(slice: Slice, row: NDArray[Any]) -> Iterator[Interval]:
    """Yield (chromosome, starts, stops, values) of a track: neighbours of equal value joined, no NaN."""
    labels = slice.samples
    if not isinstance(labels, PositionLabels):
        raise TypeError("only slices of signal tracks have intervals")
    at = 0
    for chromosome, starts, stops in labels.columns.spans():
        values = row[at : at + len(starts)]
        at += len(starts)
        first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
        last = np.concatenate([first[1:], [len(values)]]) - 1
        kept = ~np.isnan(values[first])
        if kept.any():
            yield chromosome, starts[first[kept]], stops[last[kept]], values[first[kept]]
