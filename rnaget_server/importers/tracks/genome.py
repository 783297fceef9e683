"""The chromosomes of the sources of a set of tracks, checked to be of one genome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pybigtools

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.tracks.bedgraph import Extent, extent_of, read_sizes
from rnaget_server.importers.tracks.kinds import TrackKind
from rnaget_server.stores.tracks.bigwig import chromosomes_of, joint_chromosomes

BIGWIG_SUFFIXES = (".bw", ".bigWig", ".bigwig")
"""The suffixes by which the reader recognises a bigWig file."""

_SHOWN_BASES = 100
_LOOKED_AT = 1000


@dataclass(frozen=True)
class Genome:
    """The chromosomes of a set with their sizes, and what each bedGraph file covers."""

    sizes: dict[str, int]
    extents: dict[Path, Extent]
    guessed: bool
    """True if a size is only the largest end in the bedGraph files."""


def read_genome(
    sources: Sequence[tuple[Path, TrackKind]],
    existing: Sequence[Path],
    chrom_sizes: Path | None,
    progress: Progress,
) -> Genome:
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
    bigwigs = [*existing, *(path for path, kind in sources if kind == "bigwig")]
    known: dict[Path, Mapping[str, int]] = {path: _chromosomes(path) for path in bigwigs}
    if chrom_sizes is not None and given is not None:
        known[chrom_sizes] = given
    sizes = _joint(known)
    extents = _extents([path for path, kind in sources if kind == "bedgraph"], given, progress)
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
    return Genome(served, extents, guessed)


def first_range(path: Path) -> tuple[str, int, int]:
    """Return some bases of a bigWig file that have a value, other than zero if there soon is one."""
    first: tuple[str, int] | None = None
    with pybigtools.open(str(path)) as file:
        sizes = file.chroms()
        for name in sizes:
            for _, (start, _, value) in zip(range(_LOOKED_AT), file.records(name), strict=False):
                first = first or (name, start)
                if value:
                    return name, start, min(start + _SHOWN_BASES, int(sizes[name]))
    name, start = first or (next(iter(sizes)), 0)
    return name, start, min(start + _SHOWN_BASES, int(sizes[name]))


def _chromosomes(path: Path) -> dict[str, int]:
    with _named(path) as file:
        try:
            found = chromosomes_of(file)
        except OSError as error:
            raise ImportFailure(str(error).removeprefix(f"{file.name} "), path) from None
    if not found:
        raise ImportFailure("the file holds no chromosome", path)
    return found


@contextmanager
def _named(path: Path) -> Iterator[Path]:
    """Give a bigWig file a name under which it can be opened, whatever it is called."""
    if path.suffix in BIGWIG_SUFFIXES:
        yield path
        return
    with TemporaryDirectory(prefix="rnaget-") as directory:
        link = Path(directory) / "file.bw"
        link.symlink_to(path.resolve())
        yield link


def _extents(texts: Sequence[Path], sizes: Mapping[str, int] | None, progress: Progress) -> dict[Path, Extent]:
    extents = {}
    for number, path in enumerate(texts):

        def report(share: float, number: int = number) -> None:
            progress((number + share) / len(texts))

        extents[path] = extent_of(path, sizes, report)
    return extents


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
