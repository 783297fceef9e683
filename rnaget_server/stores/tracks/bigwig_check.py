"""The check of a whole bigWig file: every field of its header, every node of its indexes, every block of its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rnaget_server.stores.tracks.bigwig_data import BlockIndex, Data
from rnaget_server.stores.tracks.bigwig_layout import DATA_INDEX, ZOOM_INDEX, BigWigFile


class Checked(NamedTuple):
    """The size of each chromosome of a valid file, and how many intervals reach beyond the end of theirs."""

    chromosomes: dict[str, int]
    beyond: int


def check_bigwig(path: Path, progress: Callable[[float], None] = lambda _: None) -> Checked:
    """Read a whole bigWig file, about 100 MB in a second, and refuse it if anything in it cannot be right.

    Parameters
    ----------
    path
        The file.
    progress
        Called with the share that was read.

    Raises
    ------
    OSError
        If the file is missing, damaged or no bigWig, or has intervals that overlap; the message names no directory.
    """
    if not path.is_file():
        raise OSError(f"there is no file {path.name}")
    with BigWigFile(path) as file:
        layout = file.layout()
        data = Data(file, layout, BlockIndex(file.nodes(layout, layout.data_index, DATA_INDEX), is_zoom=False))
        beyond = data.check_intervals(progress)
        for zoom in layout.zooms:
            Data(file, layout, BlockIndex(file.nodes(layout, zoom.place, ZOOM_INDEX), is_zoom=True)).check_records()
    return Checked({name: chromosome.size for name, chromosome in layout.chromosomes.items()}, beyond)
