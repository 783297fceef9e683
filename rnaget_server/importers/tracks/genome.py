"""The chromosomes of the sources of a set of tracks, checked to be of one genome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.tracks.bedgraph import Extent, extent_of, read_sizes
from rnaget_server.importers.tracks.kinds import TrackKind
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig import BigWigStore, chromosomes_of, joint_chromosomes
from rnaget_server.stores.tracks.bigwig_check import Checked, check_bigwig

BIGWIG_SUFFIXES = (".bw", ".bigWig", ".bigwig")
"""The suffixes by which the reader recognises a bigWig file."""

_SHOWN_BASES = 100
_LOOKED_AT = 1000


@dataclass(frozen=True)
class TrackGenome:
    """The chromosomes of a set with their sizes, and what each bedGraph file covers."""

    sizes: dict[str, int]
    extents: dict[Path, Extent]
    guessed: bool
    """True if a size is only the largest end in the bedGraph files."""
    beyond: dict[Path, int]
    """How many intervals of a bigWig file reach beyond the end of their chromosome, if any does."""


def read_genome(
    sources: Sequence[tuple[Path, TrackKind]],
    existing: Sequence[Path],
    chrom_sizes: Path | None,
    progress: Progress,
) -> TrackGenome:
    """Return the chromosomes of bigWig and bedGraph files, having checked every file.

    Parameters
    ----------
    sources
        The files to be imported.
    existing
        bigWig files that are in the set already.
    chrom_sizes
        A table of chromosome sizes. Without it, a chromosome of a bedGraph file has the size that a bigWig file
        says, or else its largest end in all bedGraph files.
    progress
        Called with the share done, from 0 to 1.

    Raises
    ------
    ImportFailure
        If a file is damaged or has a mistake, or the files are of two genomes.
    """
    given = None if chrom_sizes is None else read_sizes(chrom_sizes)
    bigwigs = [path for path, kind in sources if kind == "bigwig"]
    known: dict[Path, Mapping[str, int]] = {path: _chromosomes(path) for path in existing}
    beyond: dict[Path, int] = {}
    for number, path in enumerate(bigwigs):
        checked = _checked(path, _share_of(progress, number, len(sources)))
        known[path], beyond[path] = checked.chromosomes, checked.beyond
    if chrom_sizes is not None and given is not None:
        known[chrom_sizes] = given
    sizes = _joint(known)
    extents = {}
    for number, path in enumerate(path for path, kind in sources if kind == "bedgraph"):
        extents[path] = extent_of(path, given, _share_of(progress, len(bigwigs) + number, len(sources)))
    largest: dict[str, int] = {}
    for path, extent in extents.items():
        _check_ends(path, extent, sizes)
        for name, end in extent.ends.items():
            largest[name] = max(end, largest.get(name, 0))
    guessed = not largest.keys() <= sizes.keys()
    sizes = {**largest, **sizes}
    for path, extent in extents.items():
        known[path] = {name: sizes[name] for name in extent.ends}
    # In the order of the set, as it is checked whenever it is opened.
    served = _joint({path: known[path] for path in (*existing, *(path for path, _ in sources))})
    return TrackGenome(served, extents, guessed, {path: count for path, count in beyond.items() if count})


def first_range(path: Path) -> tuple[str, int, int]:
    """Return some bases of a bigWig file that have a value, other than zero if there soon is one."""
    store = BigWigStore([path], {})
    first: tuple[str, int] | None = None
    for name, size in islice(store.chromosomes.items(), _LOOKED_AT):
        found = next(store.intervals(0, Run(name, 0, size)), None)
        if found is None or not len(found.starts):
            continue
        at = int(np.argmax(found.values[:_LOOKED_AT] != 0))
        first = first or (name, int(found.starts[0]))
        if found.values[at]:
            first = name, int(found.starts[at])
            break
    name, start = first or next(((name, 0) for name, size in store.chromosomes.items() if size))
    return name, start, min(start + _SHOWN_BASES, store.chromosomes[name])


def _chromosomes(path: Path) -> dict[str, int]:
    try:
        return chromosomes_of(path)
    except OSError as error:
        raise _failure(error, path) from None


def _checked(path: Path, progress: Progress) -> Checked:
    try:
        checked = check_bigwig(path, progress)
    except OSError as error:
        raise _failure(error, path) from None
    if not any(checked.chromosomes.values()):
        raise ImportFailure("the file holds no chromosome, or none that has a base", path)
    return checked


def _failure(error: OSError, path: Path) -> ImportFailure:
    return ImportFailure(str(error).removeprefix(f"{path.name} "), path)


def _share_of(progress: Progress, number: int, parts: int) -> Progress:
    """Return a function that takes the share done of one part, and reports that of all."""
    return lambda share: progress((number + share) / parts)


def _joint(by_file: Mapping[Path, Mapping[str, int]]) -> dict[str, int]:
    try:
        return joint_chromosomes({str(path): sizes for path, sizes in by_file.items()})
    except OSError as error:
        raise ImportFailure(str(error)) from None


def _check_ends(path: Path, extent: Extent, known: Mapping[str, int]) -> None:
    for name, end in extent.ends.items():
        if end > known.get(name, end):
            raise ImportFailure(
                f"the file reaches up to {name}:{end}, and {name} has {known[name]} bases in the other files of the "
                "set: they are of two genomes, or that size is only the largest end of an earlier bedGraph file; "
                "in that case import all of them again with --chrom-sizes and --replace",
                path,
            )
